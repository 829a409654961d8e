"""Looking into a room by every way that shows something of it: reads by WebSocket and REST, the conversation socket,
attaching, and coming back with a position that one had or made up."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from schemas.errors import Code
from tests.bed.management import NO_TLS
from tests.reliability.checks.secrecy import Look
from tests.reliability.doors.door import NoAnswer
from tests.reliability.journal import Journal, Peeked
from tests.reliability.line import Line, NotOpened
from tests.reliability.workloads.world import World

SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.3
LIMIT: Final = 20
WORD: Final = "says"
"""Every message of the workloads has it."""
EARLY: Final = 40
"""Messages are looked for among so many of the first events."""
NOT_FOR_THEM: Final = frozenset({Code.ROOM_NOT_FOUND, Code.NOT_A_MEMBER, Code.BANNED})
"""What somebody hears from whom a room is hidden. Any other refusal says nothing of it."""

Seqs = tuple[int, ...] | None
"""The events that were shown, beside what else a way shows; None: it was refused."""
Way = Callable[[str], Awaitable[Seqs]]


class Greeting(NamedTuple):
    """A message of a room that everybody knows of who was ever in it."""

    epoch: str
    seq: int


class Peeker:
    """One user who looks. What was shown, or that nothing was, goes into the journal of the same name."""

    def __init__(self, world: World, user: str, greetings: Mapping[str, Greeting]) -> None:
        """Of each room in `greetings` they know that message."""
        self.user = user
        self._world = world
        self._greetings = greetings
        self._journal: Journal = world.caller(user, "websocket", role="peeker").journal
        self.ways: dict[str, Way] = {
            "page": self._page,
            "search": self._search,
            "members": self._members,
            "rooms": self._rooms,
            "REST page": self._rest_page,
            "REST search": self._rest_search,
            "REST message": self._rest_message,
            "REST participants": self._rest_participants,
            "REST conversation": self._rest_conversation,
            "REST conversations": self._rest_conversations,
            "conversation socket": self._conversation,
            "attach": self._attach,
            "resume": self._resume,
            "resume from elsewhere": self._resume_from_elsewhere,
        }

    async def look_into(self, room: str) -> None:
        """Once, by a way that chance chooses. Where nothing is heard nothing is noted."""
        way, since = self._world.chance.choice(list(self.ways)), time.monotonic()
        try:
            seqs = await self.ways[way](room)
        except NoAnswer:
            return
        self._journal.append(Peeked(room, way, seqs, time.monotonic(), since))

    async def last_look(self, room: str, way: str, within_seconds: float) -> Look:
        """When all is over, by this way, again until there is an answer. A member who is shown no message yet by a way
        that shows messages is shown nothing."""
        until = time.monotonic() + within_seconds
        while time.monotonic() < until:
            try:
                return Look(self.user, room, way, await self.ways[way](room), answered=True)
            except NoAnswer:
                await asyncio.sleep(PAUSE_SECONDS)
        return Look(self.user, room, way, None, answered=False)

    # Frames.

    async def _page(self, room: str) -> Seqs:
        told = await self._ask("page", type="history", room=room, limit=LIMIT)
        return None if told is None else tuple(event["seq"] for event in told["events"])

    async def _search(self, room: str) -> Seqs:
        told = await self._ask("found", type="search", room=room, query=WORD, limit=LIMIT)
        return None if told is None else _of_some(told["events"], "seq")

    async def _members(self, room: str) -> Seqs:
        told = await self._ask("members", type="members", room=room)
        return None if told is None or not told["members"] else ()

    async def _rooms(self, room: str) -> Seqs:
        """Their own rooms, and what everybody may know of."""
        lists = [await self._ask("rooms", type="rooms", directory=directory) for directory in (False, True)]
        shown = {each["room"] for told in lists if told is not None for each in told["rooms"]}
        return () if room in shown else None

    async def _ask(self, kind: str, **frame: Any) -> dict[str, Any] | None:
        return _taken(await self._world.ask(self.user, frame, SECONDS), kind)

    # REST.

    async def _rest_page(self, room: str) -> Seqs:
        told = await self._get(f"/chat/{room}/messages", limit=LIMIT)
        return None if told is None else _of_some(told["messages"], "sequence_id")

    async def _rest_search(self, room: str) -> Seqs:
        told = await self._get("/chat/search", room=room, query=WORD, limit=LIMIT)
        return None if told is None else _of_some(told["messages"], "sequence_id")

    async def _rest_message(self, room: str) -> Seqs:
        """One that they know is there, and one that may be."""
        known, guessed = self._greetings[room].seq, self._world.chance.randrange(2, EARLY)
        shown = [seq for seq in (known, guessed) if await self._get(f"/chat/{room}/messages/{seq}") is not None]
        return tuple(shown) or None

    async def _rest_participants(self, room: str) -> Seqs:
        told = await self._get(f"/chat/{room}/participants")
        return None if told is None or not told["participants"] else ()

    async def _rest_conversation(self, room: str) -> Seqs:
        return None if await self._get(f"/chat/conversations/{room}") is None else ()

    async def _rest_conversations(self, room: str) -> Seqs:
        """Their own, and what everybody may know of."""
        lists = [await self._get(path) for path in ("/chat/my-conversations", "/chat/rooms")]
        return () if any(f'"{room}"' in json.dumps(told) for told in lists) else None

    async def _get(self, path: str, **query: Any) -> dict[str, Any] | None:
        try:
            async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=SECONDS) as http:
                answer = await http.get(self._gate() + path, headers=self._headers(), params=query)
        except httpx.HTTPError as problem:
            raise NoAnswer(repr(problem)) from problem
        if answer.is_success:
            told: dict[str, Any] = answer.json()
            return told
        return _hidden(answer.content, also=(Code.MESSAGE_NOT_FOUND,))

    # Sockets.

    async def _conversation(self, room: str) -> Seqs:
        url = f"{self._gate().replace('http', 'ws', 1)}/chat/ws/{room}"
        try:
            async with (
                asyncio.timeout(SECONDS),
                connect(url, additional_headers=self._headers(), compression=None, proxy=None) as socket,
            ):
                return await _heard(socket)
        except InvalidStatus as refused:
            return _hidden(refused.response.body or b"")
        except (OSError, TimeoutError, WebSocketException) as problem:
            raise NoAnswer(repr(problem)) from problem

    async def _attach(self, room: str) -> Seqs:
        return await self._attached(room, None)

    async def _resume(self, room: str) -> Seqs:
        return await self._attached(room, self._greetings[room])

    async def _resume_from_elsewhere(self, room: str) -> Seqs:
        return await self._attached(room, Greeting("madeup0000", self._greetings[room].seq))

    async def _attached(self, room: str, position: Greeting | None) -> Seqs:
        """On a connection of its own, which ends with this."""
        frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        line = Line(self._gate(), self._world.token_of(self.user), frames.put_nowait, lambda _: None)
        try:
            await line.open(within_seconds=SECONDS)
            line.send(type="attach", id="look", room=room, position=None if position is None else position._asdict())
            async with asyncio.timeout(SECONDS):
                return await _told(frames, line, None if position is None else position.seq)
        except (OSError, NotOpened, TimeoutError) as problem:
            raise NoAnswer(repr(problem)) from problem
        finally:
            line.cut()

    def _gate(self) -> str:
        return self._world.chance.choice(self._world.gates)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._world.token_of(self.user)}"}


async def _told(frames: asyncio.Queue[dict[str, Any]], line: Line, known: int | None) -> Seqs:
    """What the room tells from the answer to an attach to that to a ping, but for the seq that is known."""
    seqs: list[int] = []
    while (frame := await frames.get())["type"] != "pong":
        match frame["type"]:
            case "attached" | "refused":
                if _taken(frame, "attached") is None:
                    return None
                seqs.append(frame["seq"])
                line.send(type="ping")
            case "reset" | "event":
                seqs.append(frame["seq"])
    return tuple(seq for seq in seqs if seq != known)


async def _heard(socket: Any) -> Seqs:
    """What a conversation socket tells from its beginning to the answer to a ping."""
    seqs: list[int] = []
    listed = False
    while True:
        told = json.loads(await socket.recv())
        match told["type"]:
            case "participant_list":
                listed = True
                await socket.send(json.dumps({"type": "ping"}))
            case "message":
                seqs.append(told["sequence_id"])
            case "pong" if listed:
                return tuple(seqs)


def _of_some(messages: list[dict[str, Any]], name: str) -> Seqs:
    """The seqs of messages. None of them is nothing shown: every room here has one."""
    return tuple(each[name] for each in messages) or None


def _taken(frame: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """A frame of this kind; None: it is a refusal to somebody from whom the room is hidden.

    Raises:
        NoAnswer: it is something else.
    """
    if frame["type"] == kind:
        return frame
    if frame.get("code") in NOT_FOR_THEM:
        return None
    raise NoAnswer(repr(frame))


def _hidden(problem: bytes, also: tuple[str, ...] = ()) -> None:
    """The same for a problem document, which is a refusal or no answer.

    Raises:
        NoAnswer: it says something else.
    """
    try:
        code = json.loads(problem).get("gatehouse_code")
    except ValueError:
        code = None
    if code not in (*NOT_FOR_THEM, *also):
        raise NoAnswer(repr(problem))
