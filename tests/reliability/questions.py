"""What is asked in the end, when all is quiet: how much everybody has not read, and who is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from tests.bed.waiting import eventually
from tests.reliability.checks.anomalies import Anomaly, Finding
from tests.reliability.checks.ending import judge_marks, judge_presence, judge_unread, unread_of
from tests.reliability.doors.door import NoAnswer
from tests.reliability.dump import stored_events, stored_marks
from tests.reliability.line import Line, NotOpened
from tests.reliability.workloads.receipts import Readers
from tests.reliability.workloads.world import FOUNDER, World

ASK_SECONDS: Final = 5.0


class Questions:
    """Asked until the answers are right, or time is over: then the last ones are judged."""

    def __init__(self, world: World, readers: Readers, mongo_url: str) -> None:
        self._world = world
        self._readers = readers
        self._mongo_url = mongo_url

    async def about_unread(self, within_seconds: float) -> list[Finding]:
        """Whether each reader is told as many as there are."""

        async def judged() -> list[Finding]:
            stored = await asyncio.to_thread(stored_events, self._mongo_url, self._readers.rooms)
            journals = self._world.journals()
            counted = {
                (user, room): unread_of(user, room, journals[user], stored)
                for user in self._readers.users
                for room in self._readers.rooms
            }
            return judge_unread(await self._unread_told(), counted)

        return await last_found(judged, within_seconds)

    async def about_marks(self, within_seconds: float) -> list[Finding]:
        """Whether what each reader marked is kept."""

        async def judged() -> list[Finding]:
            kept = await asyncio.to_thread(stored_marks, self._mongo_url, self._readers.rooms)
            readers = {mark: marks for mark, marks in kept.items() if mark[0] in self._readers.users}
            return judge_marks(readers, self._world.journals())

        return await last_found(judged, within_seconds)

    async def about_presence(self, within_seconds: float) -> list[Finding]:
        """Whether every gate tells those online who are attached."""

        async def judged() -> list[Finding]:
            there = {room: self._there(room) for room in self._world.founders}
            found = []
            for gate in self._world.gates:
                found += judge_presence(await self._presence_told(gate, there), there)
            return found

        return await last_found(judged, within_seconds)

    async def _unread_told(self) -> dict[tuple[str, str], int]:
        told: dict[tuple[str, str], int] = {}
        for user in self._readers.users:
            try:
                answer = await self._world.ask(user, {"type": "rooms"}, ASK_SECONDS)
            except NoAnswer:
                continue
            told |= {(user, each["room"]): each["unread"] for each in answer.get("rooms", ())}
        return told

    def _there(self, room: str) -> frozenset[str]:
        clients = (*self._world.followers, *self._world.guests)
        return frozenset(client.user for client in clients if client.is_attached_to(room))

    async def _presence_told(self, gate: str, rooms: Iterable[str]) -> dict[str, frozenset[str]]:
        """As one who just came is told; whoever asks is left out.

        Raises:
            AssertionError: not all was told.
        """
        frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        line = Line(gate, self._world.token_of(FOUNDER), frames.put_nowait, lambda _: None)
        told: dict[str, frozenset[str]] = dict.fromkeys(rooms, frozenset())
        try:
            await line.open(within_seconds=ASK_SECONDS)
            for room in rooms:
                line.send(type="attach", id=room, room=room)
            async with asyncio.timeout(ASK_SECONDS):
                missing = set(told)
                while missing:
                    frame = await frames.get()
                    if frame["type"] == "attached" and frame["room"] in missing:
                        missing.discard(frame["room"])
                        online = (each["user"] for each in frame["members"] if each.get("online"))
                        told[frame["room"]] = frozenset(online) - {FOUNDER}
        except (OSError, NotOpened, TimeoutError) as problem:
            raise AssertionError(f"{gate} does not tell who is there: {problem!r}") from problem
        finally:
            line.cut()
        return told


async def last_found(judged: Callable[[], Awaitable[list[Finding]]], within_seconds: float) -> list[Finding]:
    """What is found when nothing is, or when time is over: by the last round that was answered, for silence is no wrong
    answer. Of an AssertionError, which says that it was not, nothing is left but that if none ever was."""
    last: list[Finding] | None = None

    async def none_is() -> bool:
        nonlocal last
        last = await judged()
        return not last

    try:
        await eventually(none_is, within_seconds)
    except AssertionError as silence:
        return [Finding(Anomaly.STUCK, "who asks", "", 0, str(silence))] if last is None else last
    return []
