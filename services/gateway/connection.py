"""One client connection: who it is, what it is attached to, and what each of its frames asks for.

It knows frames but no sockets (see `doors/websocket.py`) and no rules (the room has them).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, assert_never

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from schemas.answers import Accepted, Answer, FrameNumber, Refused
from schemas.commands import OPERATOR_VERBS, ClientCommand, SaidStatus, SetStatus
from schemas.errors import ERRORS, Code
from schemas.frames import (
    COMMAND_VERBS,
    OWN_FRAMES,
    AttachFrame,
    Bye,
    Detached,
    DetachFrame,
    Hello,
    HistoryFrame,
    MembersFrame,
    OwnFrame,
    Ping,
    Pong,
    RoomsFrame,
    SearchFrame,
    Welcome,
    command_from_frame,
)
from schemas.ids import ClientId, RoomId
from schemas.model import Model
from schemas.queries import Query
from services.gateway.backlog import Backlog
from services.gateway.creation import room_to_create
from services.gateway.limits import Bucket, Limit
from services.gateway.reads import ReadFrame, frame_of, query_of
from services.gateway.refusals import draining, judge, overloaded, rate_limited
from services.gateway.session import Session
from services.gateway.tokens import Identity, KeyUnknown, TokenRefused
from services.gateway.watch import Watch
from services.gateway.wire import text_frame

if TYPE_CHECKING:
    from services.gateway.gate import Gate

FRAME_NUMBER: Final[TypeAdapter[FrameNumber]] = TypeAdapter(FrameNumber)
HELD_LIMIT: Final = 16
TOO_MANY_YOURS: Final = "too many of your commands are in flight"


class Socket(Protocol):
    """What a connection needs of its transport."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """Puts whole frames on the wire, however much waits there; never waits, never raises. Another function once the
        socket told of a pause, or that the client took what waited."""

    def catches_up(self) -> bool:
        """Whether much waits to be read, and the client read some of it since this was last asked."""

    def ping(self) -> None:
        """Send a heartbeat."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""

    def abort(self) -> None:
        """Cut it."""


class Connection:
    """A client of this gate. The door calls `receive_*`; everything else is told through `write`.

    `write` puts whole frames on the socket, and nothing after the last word. A push to a thousand clients calls it a
    thousand times: so it is chosen when the socket's state changes, and is the transport's own as long as all is well.
    """

    __slots__ = (
        "_bucket",
        "_gate",
        "_held",
        "_identifying",
        "_in_flight",
        "_lagging",
        "_retiring",
        "_socket",
        "_watch",
        "address",
        "backlog",
        "client",
        "closing",
        "identity",
        "sessions",
        "write",
    )

    def __init__(self, gate: Gate, client: ClientId, socket: Socket, now: float, address: str) -> None:
        self.client = client
        self.address = address
        self.identity: Identity | None = None
        self.sessions: dict[RoomId, Session] = {}
        self.backlog = Backlog(gate.settings.backlog_frames, gate.settings.backlog_bytes)
        self.closing = False
        self._gate = gate
        self._socket = socket
        self.write: Callable[[bytes], None] = socket.write
        self._in_flight = 0
        self._lagging: dict[RoomId, Session] | None = None
        self._identifying = False
        self._held: tuple[bytes, ...] = ()
        self._bucket = Bucket(gate.settings.command_rate, gate.settings.command_burst)
        self._watch = Watch.begin(gate.patience, now)
        self._retiring: float | None = None

    # What a feed needs.

    def forget(self, session: Session) -> None:
        """A session is over."""
        if self.sessions.get(session.room) is session:
            del self.sessions[session.room]

    def fall_behind(self, session: Session) -> None:
        """A session's pushes have no place any more: the client must take what waits within `lag_seconds`."""
        self._lagging = {**(self._lagging or {}), session.room: session}
        self._watch.begin_lagging(self._gate.clock())
        self.look()

    def send(self, frame: Model) -> None:
        """Say one frame."""
        self.write(text_frame(frame.to_json()))

    # A client that does not keep up.

    def receive_pause(self) -> None:
        """The transport holds as much as it wants."""
        self.backlog.pause()
        self._choose_write()
        if self._lagging:
            self.fall_behind(next(iter(self._lagging.values())))

    def receive_drained(self) -> None:
        """The client took what waited: what it missed meanwhile comes now."""
        self.backlog.resume()
        self._choose_write()
        self._watch.end_lagging()
        self._gate.catch_up(self)

    def next_lagging(self) -> Session | None:
        """The session that fell behind first, of those that are there still. It is named once."""
        while self._lagging:
            session = self._lagging.pop(next(iter(self._lagging)))
            if self.sessions.get(session.room) is session:
                return session
        return None

    # The end.

    def end(self, code: Code, *, retry_after_seconds: float | None = None, quiet: bool = False) -> None:
        """Say `bye` with the code and close; `quiet` leaves the `bye` out, for a socket that takes no more."""
        number = ERRORS[code].close
        if number is None:
            raise AssertionError(f"{code} ends no connection")
        if self.closing:
            return
        if not quiet:
            self.send(Bye(code=number, reason=code.value, retry_after_seconds=retry_after_seconds))
        self.close(number, code.value)

    def close(self, number: int, reason: str) -> None:
        """Close without a word."""
        self.begin_closing()
        self._gate.metrics.closes.labels(str(number)).inc()
        self._socket.close(number, reason)

    def begin_closing(self) -> None:
        """Nothing is said or heard any more; the socket is cut when it is not gone within `close_seconds`."""
        if not self.closing:
            self.fall_silent()
            self._watch.begin_closing(self._gate.clock())
            self.look()

    def fall_silent(self) -> None:
        """Nothing is said or heard any more: the socket is gone, or had its last word."""
        self.closing = True
        self._choose_write()

    def _choose_write(self) -> None:
        self.write = _say_nothing if self.closing else self._socket.write

    def retire(self, retry_after_seconds: float) -> None:
        """The gate goes down: end as soon as what is under way has its answer, and take nothing new."""
        self._retiring = retry_after_seconds
        self._retire_when_answered()

    def _retire_when_answered(self) -> None:
        if self._retiring is not None and not self._in_flight:
            self.end(Code.DRAINING, retry_after_seconds=self._retiring)

    def look(self) -> None:
        """Have this connection checked at its next time."""
        self._gate.look_at(self, self._watch.next_due(self._gate.clock()))

    def check(self, now: float, wall: float) -> float:
        """Look at everything that has a time; returns when to look again. `wall` is Unix time."""
        watch = self._watch
        if self.closing:
            if now >= watch.cut_due:
                self._socket.abort()
            return watch.next_due(now)
        if self.identity is not None:
            watch.expiry_due = now + self.identity.expires_at - wall
            if watch.is_ping_due(now, catches_up=now >= watch.pong_due and self._socket.catches_up()):
                self._socket.ping()
        self._retire_when_answered()
        code = watch.verdict(now, busy=bool(self.sessions or self._in_flight))
        if code is not None:
            self.end(code, quiet=code is Code.SLOW_CONSUMER)
        return watch.next_due(now)

    def receive_pong(self) -> None:
        """The client is alive."""
        self._watch.receive_pong()

    # Identity.

    def identify(self, token: str, frame_id: FrameNumber | None = None) -> None:
        """Take the token as this connection's identity, or its renewal; a bad one ends the connection by code."""
        if self._identifying:
            self.refuse(frame_id, Code.OVERLOADED, "another token of this connection is being checked")
            return
        verdict = self._gate.identify(token)
        if isinstance(verdict, KeyUnknown):
            self._identifying = True
            self._gate.spawn(self._identify_by_newer_keys(token, frame_id))
        else:
            self._take_verdict(verdict, frame_id)

    async def _identify_by_newer_keys(self, token: str, frame_id: FrameNumber | None) -> None:
        try:
            verdict = await self._gate.identify_by_newer_keys(token)
        finally:
            self._identifying = False
        if not self.closing:
            self._take_verdict(verdict, frame_id)
        held, self._held = self._held, ()
        for data in held:
            self.receive_text(data)

    def _take_verdict(self, verdict: Identity | TokenRefused, frame_id: FrameNumber | None) -> None:
        known = self.identity
        if isinstance(verdict, TokenRefused):
            self.refuse(frame_id, verdict.code, verdict.message)
            if known is None or verdict.code is not Code.KEYS_UNAVAILABLE:
                self.end(verdict.code)
        elif known is not None and known.user != verdict.user:
            self.refuse(frame_id, Code.UNAUTHENTICATED, "a connection cannot become another user")
        elif known is None and not self._gate.visitors.take_place(verdict.user):
            self._gate.hit(Limit.CONNECTIONS_PER_USER)
            self.refuse(frame_id, Code.TOO_MANY_CONNECTIONS)
            self.end(Code.TOO_MANY_CONNECTIONS)
        else:
            self.identity = verdict
            self._watch.receive_identity(self._gate.clock(), verdict.expires_at - self._gate.wall_clock())
            self.look()
            self._welcome(verdict)

    def _welcome(self, identity: Identity) -> None:
        self.send(
            Welcome(
                client_id=self.client,
                user=identity.user,
                gate=self._gate.gate_id,
                heartbeat_seconds=self._gate.settings.ping_seconds,
                server_time=datetime.fromtimestamp(self._gate.wall_clock(), UTC),
            )
        )

    # Frames.

    def receive_text(self, data: bytes) -> None:
        """One frame of the client. Whatever is wrong with it is answered, and the connection goes on."""
        if self.closing:
            return
        self._watch.receive_frame(self._gate.clock())
        if self._identifying and self.identity is None and len(self._held) < HELD_LIMIT:
            self._held += (data,)
            return
        kind, outcome = self._take_frame(data)
        self._gate.metrics.frames_received.labels(kind, outcome).inc()

    def receive_unreadable(self, code: Code, message: str) -> None:
        """A frame whose content was not kept or not text."""
        if not self.closing:
            self._gate.metrics.frames_received.labels("unknown", code.value).inc()
            self.refuse(None, code, message)

    def refuse(self, frame_id: FrameNumber | None, code: Code, message: str | None = None) -> str:
        """Say no to a frame; returns the code for the metrics."""
        self.send(Refused.of(code, message, id=frame_id))
        return code.value

    def _take_frame(self, data: bytes) -> tuple[str, str]:
        try:
            fields = from_json(data, allow_inf_nan=False)
        except ValueError as error:
            return "unknown", self.refuse(None, Code.BAD_FRAME, f"the frame is not JSON: {error}")
        if not isinstance(fields, dict):
            return "unknown", self.refuse(None, Code.BAD_FRAME)
        kind = fields.get("type")
        try:
            frame_id = FRAME_NUMBER.validate_python(fields["id"]) if fields.get("id") is not None else None
        except ValidationError:
            return "unknown", self.refuse(None, Code.BAD_FIELD, "id: a number or a text of at most 64 characters")
        if isinstance(kind, str) and kind in OPERATOR_VERBS:
            return "unknown", self.refuse(frame_id, Code.UNKNOWN_COMMAND)
        if not isinstance(kind, str) or (kind not in OWN_FRAMES and kind not in COMMAND_VERBS):
            return "unknown", self.refuse(frame_id, Code.BAD_FRAME)
        return kind, self._take_known(kind, fields, frame_id)

    def _take_known(self, kind: str, fields: dict[str, Any], frame_id: FrameNumber | None) -> str:  # Any: JSON
        wait = self._wait_seconds()
        if wait > 0:
            refusal = rate_limited(fields, frame_id, wait)
            self.send(refusal)
            return refusal.code.value
        if self.identity is None and kind != "hello":
            return self.refuse(frame_id, Code.UNAUTHENTICATED, "say hello first")
        if self._retiring is not None:
            self.send(draining(fields, frame_id, self._retiring))
            return Code.DRAINING.value
        try:
            if kind in OWN_FRAMES:
                return self._take_own(OWN_FRAMES[kind].model_validate(fields))
            return self._take_command(fields, frame_id)
        except ValidationError as error:
            return self.refuse(frame_id, *judge(error))

    def _wait_seconds(self) -> float:
        """0, or how long the next frame must wait for its turn, the connection's or the user's."""
        wait = self._bucket.take(self._gate.clock())
        if wait > 0:
            self._gate.hit(Limit.RATE_PER_CONNECTION)
        elif self.identity is not None:
            wait = self._gate.ask(self.identity.user)
        return wait

    def _take_command(self, fields: dict[str, Any], frame_id: FrameNumber | None) -> str:  # Any: a JSON object
        identity = self._known()
        command_id = self._gate.new_command_id()
        room = room_to_create(
            identity.user,
            str(fields.get("command_id") or command_id),
            visibility=fields.get("visibility"),
            members=fields.get("members"),
        )
        command = command_from_frame(fields, actor=identity.user, client=self.client, command_id=command_id, room=room)
        if self._in_flight >= self._gate.settings.in_flight_per_connection:
            self._gate.hit(Limit.IN_FLIGHT_PER_CONNECTION)
            refusal: Refused | None = overloaded(command, TOO_MANY_YOURS)
        else:
            refusal = self._gate.commands.submit(command, FrameAsker(self, frame_id, command))
        if refusal is not None:
            self.send(refusal.model_copy(update={"id": frame_id, "command_id": command.command_id}))
            return refusal.code.value
        self._in_flight += 1
        return "taken"

    def command_answered(self) -> None:
        """One of this connection's commands or reads is under way no longer."""
        self._in_flight -= 1
        if self._retiring is not None:
            self._gate.look_at(self, self._gate.clock())

    def remember_status(self, said: SetStatus) -> None:
        """The room took what the user said of themselves: the session there says it again at every attach."""
        session = self.sessions.get(said.room)
        if session is not None:
            session.status = SaidStatus(state=said.state, mood=said.mood, text=said.text)

    def _take_own(self, frame: OwnFrame) -> str:
        match frame:
            case Hello():
                self.identify(frame.token, frame.id)
            case AttachFrame():
                return self._attach(frame)
            case DetachFrame():
                return self._detach(frame)
            case HistoryFrame() | RoomsFrame() | MembersFrame() | SearchFrame():
                return self._ask(frame)
            case Ping():
                self.send(Pong(id=frame.id))
            case _:
                assert_never(frame)
        return "taken"

    def _attach(self, frame: AttachFrame) -> str:
        if frame.room not in self.sessions and len(self.sessions) >= self._gate.settings.rooms_per_connection:
            self._gate.hit(Limit.ROOMS_PER_CONNECTION)
            return self.refuse(frame.id, Code.TOO_MANY_ROOMS)
        user = self._known().user
        before = self.sessions.get(frame.room)
        status = None if before is None else before.status
        session = Session(frame.room, self.client, user, self, frame.id, frame.position, frame.echo, status=status)
        self.sessions[frame.room] = session
        self._gate.attach(session)
        return "taken"

    def _detach(self, frame: DetachFrame) -> str:
        session = self.sessions.pop(frame.room, None)
        if session is None:
            return self.refuse(frame.id, Code.NOT_ATTACHED)
        self._gate.detach([session])
        self.send(Detached(id=frame.id, room=frame.room))
        return "taken"

    def _ask(self, frame: ReadFrame) -> str:
        if self._in_flight >= self._gate.settings.in_flight_per_connection:
            self._gate.hit(Limit.IN_FLIGHT_PER_CONNECTION)
            return self.refuse(frame.id, Code.OVERLOADED, TOO_MANY_YOURS)
        self._in_flight += 1
        user = self._known().user
        through = self._gate.writes.through(user, frame.room) if isinstance(frame, HistoryFrame) else None
        self._gate.spawn(self._answer(frame.id, query_of(frame, user, through)))
        return "taken"

    async def _answer(self, frame_id: FrameNumber | None, query: Query) -> None:
        try:
            answer = await self._gate.queries.ask(query)
        finally:
            self.command_answered()
        self.send(frame_of(answer, frame_id))

    def _known(self) -> Identity:
        if self.identity is None:
            raise AssertionError("only a connection with an identity gets here")
        return self.identity


def _say_nothing(data: bytes) -> None:
    """Whatever it is, nobody hears it."""


class FrameAsker:
    """Gives a command's answer to the frame that asked for it."""

    def __init__(self, connection: Connection, frame_id: FrameNumber | None, command: ClientCommand) -> None:
        self.connection = connection
        self._frame_id = frame_id
        self._command = command

    def receive_answer(self, answer: Answer) -> None:
        """Send it."""
        self.connection.command_answered()
        if isinstance(self._command, SetStatus) and isinstance(answer, Accepted):
            self.connection.remember_status(self._command)
        self.connection.send(answer.model_copy(update={"id": self._frame_id}))

    def encode_accepted(self, accepted: Accepted) -> bytes:
        """Build it, for the place of the sender's own event."""
        self.connection.command_answered()
        return text_frame(accepted.model_copy(update={"id": self._frame_id}).to_json())
