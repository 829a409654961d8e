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
    Found,
    Hello,
    HistoryFrame,
    Members,
    MembersFrame,
    OwnFrame,
    Page,
    Ping,
    Pong,
    Rooms,
    RoomsFrame,
    SearchFrame,
    Welcome,
    command_from_frame,
)
from schemas.ids import ClientId, RoomId
from schemas.model import Model
from schemas.queries import (
    MembersAnswer,
    MembersQuery,
    MyRoomsQuery,
    PageAnswer,
    PageQuery,
    Query,
    QueryAnswer,
    RoomsAnswer,
    RoomsQuery,
    SearchAnswer,
    SearchQuery,
)
from services.gateway.creation import room_to_create
from services.gateway.limits import Bucket, Limit
from services.gateway.refusals import judge, overloaded, rate_limited
from services.gateway.session import Session
from services.gateway.tokens import Identity, KeyUnknown, TokenRefused
from services.gateway.wire import text_frame

if TYPE_CHECKING:
    from services.gateway.gate import Gate

FRAME_NUMBER: Final[TypeAdapter[FrameNumber]] = TypeAdapter(FrameNumber)
NORMAL_CLOSE: Final = 1000
HELD_LIMIT: Final = 16
TOO_MANY_YOURS: Final = "too many of your commands are in flight"


class Socket(Protocol):
    """What a connection needs of its transport."""

    def write(self, data: bytes) -> None:
        """Push whole frames: a client that leaves too much of them unread is ended. Never waits, never raises."""

    def answer(self, data: bytes) -> None:
        """Put what the client asked for on the wire, however much waits there. Never waits, never raises."""

    def catches_up(self) -> bool:
        """Whether much waits to be read, and the client read some of it since this was last asked."""

    def ping(self) -> None:
        """Send a heartbeat."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""

    def abort(self) -> None:
        """Cut it."""


class Connection:
    """A client of this gate. The door calls `receive_*`; everything else is told through `write`."""

    def __init__(self, gate: Gate, client: ClientId, socket: Socket, now: float, address: str) -> None:
        self.client = client
        self.address = address
        self.identity: Identity | None = None
        self.sessions: dict[RoomId, Session] = {}
        self.closing = False
        self._gate = gate
        self._socket = socket
        self._in_flight = 0
        self._identifying = False
        self._held: list[bytes] = []
        self._bucket = Bucket(gate.settings.command_rate, gate.settings.command_burst)
        self._hello_due = now + gate.settings.hello_seconds
        self._ping_due = now + gate.settings.ping_seconds
        self._pong_due: float | None = None
        self._cut_due: float | None = None

    # What a feed needs.

    def write(self, data: bytes) -> None:
        """Push whole frames; nothing after the last word."""
        if not self.closing:
            self._socket.write(data)

    def forget(self, session: Session) -> None:
        """A session is over."""
        if self.sessions.get(session.room) is session:
            del self.sessions[session.room]

    def send(self, frame: Model) -> None:
        """Answer with one frame, or say a last word; nobody is slow for having been answered."""
        if not self.closing:
            self._socket.answer(text_frame(frame.to_json()))

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
            self.closing = True
            self._cut_due = self._gate.clock() + self._gate.settings.close_seconds
            self._gate.look_at(self, self._cut_due)

    def check(self, now: float, wall: float) -> float:
        """Look at everything that has a time; returns when to look again. `wall` is Unix time."""
        if self._cut_due is not None:
            if now >= self._cut_due:
                self._socket.abort()
            return max(self._cut_due, now + 1)
        if self.identity is None:
            return self._check_hello(now)
        if wall >= self.identity.expires_at:
            self.end(Code.TOKEN_EXPIRED)
            return now + self._gate.settings.close_seconds
        return min(self._check_heartbeat(now), now + self.identity.expires_at - wall)

    def receive_pong(self) -> None:
        """The client is alive."""
        self._pong_due = None

    def _check_hello(self, now: float) -> float:
        if now >= self._hello_due:
            self.end(Code.UNAUTHENTICATED)
            return now + self._gate.settings.close_seconds
        return self._hello_due

    def _check_heartbeat(self, now: float) -> float:
        if self._pong_due is not None and now >= self._pong_due and self._socket.catches_up():
            self._pong_due = now + self._gate.settings.pong_seconds
        if self._pong_due is not None and now >= self._pong_due:
            self.end(Code.HEARTBEAT_MISSED)
            return now + self._gate.settings.close_seconds
        if now >= self._ping_due:
            self._socket.ping()
            self._ping_due = now + self._gate.settings.ping_seconds
            self._pong_due = self._pong_due or now + self._gate.settings.pong_seconds
        return min(self._ping_due, self._pong_due or self._ping_due)

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
        held, self._held = self._held, []
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
            self._gate.look_at(self, self.check(self._gate.clock(), self._gate.wall_clock()))
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
        if self._identifying and self.identity is None and len(self._held) < HELD_LIMIT:
            self._held.append(data)
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
        """One of this connection's commands is in flight no longer."""
        self._in_flight -= 1

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

    def _ask(self, frame: HistoryFrame | RoomsFrame | MembersFrame | SearchFrame) -> str:
        if self._in_flight >= self._gate.settings.in_flight_per_connection:
            self._gate.hit(Limit.IN_FLIGHT_PER_CONNECTION)
            return self.refuse(frame.id, Code.OVERLOADED, TOO_MANY_YOURS)
        self._in_flight += 1
        query = self._query(frame)
        self._gate.spawn(self._answer(frame.id, query))
        return "taken"

    async def _answer(self, frame_id: FrameNumber | None, query: Query) -> None:
        try:
            answer = await self._gate.queries.ask(query)
        finally:
            self._in_flight -= 1
        self.send(frame_of(answer, frame_id))

    def _query(self, frame: HistoryFrame | RoomsFrame | MembersFrame | SearchFrame) -> Query:
        user = self._known().user
        match frame:
            case HistoryFrame(room=room):
                through = self._gate.writes.through(user, room)
                return PageQuery(
                    room=room,
                    actor=user,
                    after=frame.after,
                    before=frame.before,
                    limit=frame.limit,
                    through_seq=through,
                )
            case RoomsFrame():
                asked: Callable[..., Query] = RoomsQuery if frame.directory else MyRoomsQuery
                return asked(actor=user, limit=frame.limit)
            case MembersFrame():
                return MembersQuery(room=frame.room, actor=user, after=frame.after, limit=frame.limit)
            case SearchFrame():
                return SearchQuery(actor=user, query=frame.query, room=frame.room, limit=frame.limit)
            case _:
                assert_never(frame)

    def _known(self) -> Identity:
        if self.identity is None:
            raise AssertionError("only a connection with an identity gets here")
        return self.identity


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


def frame_of(answer: QueryAnswer, frame_id: FrameNumber | None) -> Model:
    """The frame that carries the answer to a read."""
    match answer:
        case PageAnswer():
            return Page(id=frame_id, room=answer.room, epoch=answer.epoch, head=answer.head, events=answer.events)
        case RoomsAnswer():
            return Rooms(id=frame_id, rooms=answer.rooms, total=answer.total)
        case MembersAnswer():
            return Members(id=frame_id, room=answer.room, members=answer.members, total=answer.total, next=answer.next)
        case SearchAnswer():
            return Found(id=frame_id, events=answer.events)
        case Refused():
            return answer.model_copy(update={"id": frame_id})
        case _:
            return Refused.of(Code.INTERNAL, id=frame_id)
