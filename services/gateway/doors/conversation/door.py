"""The shell of the conversation socket: between a native `Connection`, whose socket it is, and the transport.

`Conversations` is one for a gate: it counts sockets and shares what was read in pushed bytes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, assert_never

import structlog
from pydantic_core import to_json
from websockets.http11 import Request

from schemas.answers import Refused
from schemas.errors import Code
from schemas.ids import RoomId, UserId
from schemas.queries import PageAnswer
from services.gateway.connection import Connection, Socket
from services.gateway.doors.conversation.admission import Caller, admit, caller_of, newest
from services.gateway.doors.conversation.hearing import Hearing
from services.gateway.doors.conversation.script import Close, Effect, GiveUp, Refuse, Reload, Say, Script, Wish
from services.gateway.doors.handshake import Passed, Reason, Stopped
from services.gateway.doors.problems import problem_of
from services.gateway.gate import Gate

log = structlog.get_logger()

RELOAD_TRIES: Final = 5
RELOAD_PAUSE_SECONDS: Final = 0.5
RELOADS_AT_ONCE: Final = 8
CROWDED: Final = "too many sockets of yours in this conversation"


class Conversations:
    """The conversation sockets of one gate."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.hearing = Hearing()
        self.reloads = asyncio.Semaphore(RELOADS_AT_ONCE)
        self._open: Counter[tuple[UserId, RoomId]] = Counter()
        self._knocking = 0

    async def knock(self, request: Request, passed: Passed, socket: Socket) -> ConversationSocket | Stopped:
        """Judge a handshake; bounded in number and time. Whoever gets a socket must `release` it in the end."""
        caller = await caller_of(request, passed, self.gate)
        if isinstance(caller, Stopped):
            return caller
        refused = self._refusal(caller)
        if refused is not None:
            return Stopped(Reason.LIMIT, problem_of(refused))
        return await self._let_in(caller, socket)

    def _refusal(self, caller: Caller) -> Refused | None:
        """Why history is not even asked."""
        if self._open[caller.user, caller.room] >= self.gate.settings.conversation_sockets_per_user:
            return Refused.of(Code.TOO_MANY_CONNECTIONS, CROWDED)
        wait = self.gate.ask(caller.user)
        if wait > 0:
            return Refused.of(Code.RATE_LIMITED, retry_after_seconds=round(wait, 3))
        if self._knocking >= self.gate.settings.handshakes_at_once:
            return Refused.of(Code.OVERLOADED, retry_after_seconds=1.0)
        return None

    def release(self, user: UserId, room: RoomId) -> None:
        """A socket is gone."""
        self._open[user, room] -= 1
        if self._open[user, room] <= 0:
            del self._open[user, room]

    async def _let_in(self, caller: Caller, socket: Socket) -> ConversationSocket | Stopped:
        self._open[caller.user, caller.room] += 1
        self._knocking += 1
        verdict = None
        try:
            verdict = await admit(self.gate, caller)
        finally:
            self._knocking -= 1
            if not isinstance(verdict, PageAnswer):
                self.release(caller.user, caller.room)
        return verdict if isinstance(verdict, Stopped) else ConversationSocket(self, caller, verdict, socket)


class ConversationSocket:
    """What a `Connection` takes for its socket: native frames in, frames of the conversation out."""

    def __init__(self, conversations: Conversations, caller: Caller, page: PageAnswer, socket: Socket) -> None:
        self._conversations = conversations
        self._gate = conversations.gate
        self._socket = socket
        self._caller = caller
        self._script = Script(caller.room, caller.user, page)
        self.address = caller.address
        self._connection: Connection | None = None
        self._released = False

    # What the door calls.

    def open(self) -> Connection:
        """The upgrade is done: begin. The address was admitted in this very moment."""
        self._connection = connection = self._gate.connect(self, self.address)
        connection.identify(self._caller.token)
        self._do(self._script.open())
        return connection

    def receive_text(self, data: bytes) -> None:
        """One frame of the client."""
        if self._connection is not None and not self._connection.closing:
            self._do(self._script.receive_text(data))

    def release(self) -> None:
        """The socket is gone; its place is free."""
        if not self._released:
            self._released = True
            self._conversations.release(self._caller.user, self._caller.room)

    # What the connection calls: `services.gateway.connection.Socket`.

    def write(self, data: bytes) -> None:
        """Put whole native frames on the wire, in the words of the conversation."""
        self._do(self._script.receive(self._conversations.hearing.hear(data), self._now()))

    def catches_up(self) -> bool:
        """As the socket behind says."""
        return self._socket.catches_up()

    def ping(self) -> None:
        """Send a WebSocket ping."""
        self._socket.ping()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        self._socket.close(code, reason)

    def abort(self) -> None:
        """Cut it."""
        self._socket.abort()

    # Effects.

    def _do(self, effects: Iterable[Effect]) -> None:
        """Carry out in order; what is said together is one write."""
        said: list[bytes] = []
        for effect in effects:
            if isinstance(effect, Say):
                said.append(effect.data)
                continue
            self._put(said)
            self._carry_out(effect)
        self._put(said)

    def _put(self, said: list[bytes]) -> None:
        if said:
            data = b"".join(said)
            said.clear()
            self._socket.write(data)

    def _carry_out(self, effect: Wish | Refuse | Reload | Close | GiveUp) -> None:
        connection = self._connection
        if connection is None:
            raise AssertionError("a script begins with the connection")
        match effect:
            case Wish(frame):
                connection.receive_text(to_json(frame))
            case Refuse(refused):
                self._gate.metrics.frames_received.labels("unknown", refused.code.value).inc()
                connection.send(refused)
            case Reload():
                self._gate.spawn(self._reload(connection))
            case Close(number, reason):
                connection.close(number, reason)
            case GiveUp(code):
                connection.end(code)
            case _:
                assert_never(effect)

    async def _reload(self, connection: Connection) -> None:
        """Fetch the newest page; after some tries the client is sent to come back."""
        for number in range(RELOAD_TRIES):
            async with self._conversations.reloads:
                page = None if connection.closing else await self._newest()
            if connection.closing:
                return
            if page is not None:
                self._do(self._script.receive_page(page))
                return
            await asyncio.sleep(number * RELOAD_PAUSE_SECONDS)
        log.info("conversation_given_up", room=self._caller.room)
        self._do(self._script.give_up())

    async def _newest(self) -> PageAnswer | None:
        answer = await newest(self._gate, self._caller.room, self._caller.user)
        return answer if isinstance(answer, PageAnswer) else None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._gate.wall_clock(), UTC)
