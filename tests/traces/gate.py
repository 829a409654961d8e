"""A gate of a trace: the steps of `services.gateway.gate` around the real hub, and clients that only listen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from schemas import limits, routes
from schemas.answers import Accepted, AttachAnswer, Refused
from schemas.commands import Attach, Command, Detach, Position, SetStatus
from schemas.commands import Session as SessionOfRoom
from schemas.errors import Code
from schemas.events import EVENT, Event, expulsion
from schemas.fanout import FanoutHeaders, FanoutKind, RoomTops
from schemas.frames import SERVER_FRAMES, Attached, Detached, Lagged, Reset
from schemas.ids import ClientId, CommandId, GateId, RoomId, UserId
from schemas.queries import HoleQuery, PageAnswer, QueryAnswer
from schemas.signals import SIGNAL
from services.gateway.bounds import FeedLimits
from services.gateway.hub import Hub
from services.gateway.ring import Numbered
from services.gateway.session import Ask, Effect, Ended, FellBehind, Fill, LiveEvent, Own, Replay, Session, Write
from services.gateway.wire import text_frame
from services.room.effects import FanOut
from tests.traces.broker import Delivery
from tests.traces.client import Client, payloads
from tests.traces.script import BadStep
from tests.traces.words import plural

if TYPE_CHECKING:
    from tests.traces.world import World

BOUNDS = FeedLimits(ring_events=2, resume_events=5)
"""Small, so that stories are short: two recent events in memory, and no replay above five."""
HOLE_SECONDS = 5.0


class Gate:
    """One gate. `losing` deliveries will not arrive; what it `holds` back of its commands is not sent yet."""

    def __init__(self, name: str, world: World) -> None:
        self.name = GateId(name)
        self.hub = Hub(BOUNDS)
        self.alive = True
        self.losing = 0
        self.holding = 0
        self._held: deque[Callable[[], None]] = deque()
        self._world = world
        self._clients: dict[ClientId, Client] = {}
        self._pending: dict[str, tuple[Client, Command]] = {}
        self._asked: dict[str, Ask] = {}
        self._holes: dict[str, tuple[float, Callable[[QueryAnswer | None], None]]] = {}
        self._numbers = 0

    # What clients do.

    def client(self, user: str, device: str | None) -> Client:
        """The connection of a user, or of one of their devices."""
        client = ClientId(f"{self.name}/{user}-{device}" if device else f"{self.name}/{user}")
        return self._clients.setdefault(client, Client(client, UserId(user), self._world))

    def attach(self, client: Client, room: str, position: Position | None, *, echo: bool) -> None:
        """A client wants a room."""
        before = client.sessions.get(RoomId(room))
        session = Session(RoomId(room), client.client, client.user, client, None, position, echo)
        session.status = before.status if before else None
        client.sessions[session.room] = session
        self.hub.attach(session)
        self.carry_out()

    def detach(self, client: Client, room: str) -> None:
        """A client wants a room no longer."""
        session = self.hub.detach(RoomId(room), client.client)
        if session is None:
            raise BadStep(f"{client.name} is not attached to {room}")
        client.forget(session)
        self._tell_detached(session)
        self.carry_out()

    def stop_reading(self, client: Client) -> None:
        """A client's socket is full."""
        client.backlog.pause()

    def read_on(self, client: Client) -> None:
        """A client took what waited for it."""
        client.backlog.resume()
        for session in client.take_behind():
            self.hub.catch_up(session)
            self.carry_out()

    def submit(self, client: Client, command: Command) -> None:
        """A client wishes something; the answer comes by reply, or in the place of its own event."""
        if any(command.command_id == other.command_id and client is owner for owner, other in self._pending.values()):
            self._tell(client, Refused.of(Code.DUPLICATE_IN_FLIGHT, command_id=command.command_id))
            return
        name = self._new_name()
        self._pending[name] = client, command
        self._publish(command, name)

    # What comes for it.

    def receive_reply(self, name: str | None, answer: Any) -> None:
        """An answer to a command."""
        if name in self._asked:
            ask = self._asked.pop(name)
            self._world.say(f"{self.name} hears from {ask.room}: {answer.code}")
            self.hub.receive_refusal(ask.room, ask.command_id, answer)
            self.carry_out()
        elif name in self._pending:
            client, command = self._pending.pop(name)
            if isinstance(command, SetStatus) and isinstance(answer, Accepted):
                client.remember_status(command)
            self._tell(client, answer)

    def receive(self, fan_out: FanOut) -> None:
        """A delivery of the fan-out, or the loss of one."""
        headers = fan_out.headers
        if self.losing:
            self.losing -= 1
            self._world.say(f"{self.name} loses {headers.kind} {headers.room} {headers.seq}")
            return
        match headers.kind:
            case FanoutKind.EVENT:
                self._receive_event(headers, fan_out.body)
            case FanoutKind.SIGNAL:
                self.hub.receive_signal(headers.room, text_frame(fan_out.body))
            case FanoutKind.TOPS:
                for top in RoomTops.model_validate_json(fan_out.body).tops:
                    self.hub.receive_top(top.room, top.epoch, top.seq)
            case FanoutKind.ATTACHED:
                self._receive_attached(AttachAnswer.model_validate_json(fan_out.body))
            case FanoutKind.PROBE:
                pass
        self.carry_out()

    def tell_roster(self) -> None:
        """A worker is new: tell it every session."""
        self.hub.reattach_shard(0, 1)
        self.carry_out()

    def reconnect(self) -> None:
        """The queue is a fresh one, and what stood in the old one is lost."""
        self.hub.reattach()
        self.carry_out()

    def tick(self, now: float) -> None:
        """Time passed."""
        for name, (until, answered) in list(self._holes.items()):
            if until <= now:
                self._drop_hole(name)
                answered(None)
        self.hub.ask_again()
        self.carry_out()

    def let_go(self) -> None:
        """Send what was held back."""
        self.holding = 0
        while self._held:
            self._held.popleft()()

    def die(self) -> None:
        """The process is gone, and all its sockets with it."""
        self.alive = False
        for name in list(self._holes):
            self._drop_hole(name)

    # Carrying out.

    def carry_out(self) -> None:
        """Do what the hub decided."""
        while effects := self.hub.take():
            for effect in effects:
                self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Write():
                self._write(effect)
            case Ask():
                self._ask(effect)
            case Fill(room, epoch, after, through):
                self._world.say(f"{self.name} asks history for {room} {_span(after, through)}, which it missed")
                self._fetch(
                    room, epoch, after, through, lambda events: self.hub.receive_gap(room, after, through, events)
                )
            case Replay(session, epoch, after, through):
                self._world.say(
                    f"{self.name} asks history for {session.room} {_span(after, through)}, for {_own_name(session)}"
                )
                self._fetch(
                    session.room, epoch, after, through, lambda events: self.hub.receive_replay(session, events)
                )
            case Ended(session, tell_room):
                session.outlet.forget(session)
                if tell_room:
                    self._tell_detached(session)
            case FellBehind(session):
                session.outlet.fall_behind(session)

    def _write(self, write: Write) -> None:
        """One line a frame, whoever gets it."""
        for outlet in write.outlets:
            outlet.write(write.data)
        who = " ".join(outlet.name for outlet in write.outlets)
        for payload in payloads(write.data):
            self._world.say(f"  {who} < {self._said(from_json(payload))}")

    def _tell(self, client: Client, answer: Any) -> None:
        if isinstance(answer, Accepted):
            self._world.check_answer(client.user, answer)
        self._world.say(f"  {client.name} < {self._answer(answer)}")

    def _ask(self, ask: Ask) -> None:
        users = " ".join(sorted(map(_own_name, ask.sessions)))
        self._world.say(f"{self.name} asks {ask.room} to take {plural(len(ask.sessions), 'session')}: {users}")
        name = self._new_name()
        self._asked[name] = ask
        sessions = tuple(self._session_of(session) for session in ask.sessions)
        command = Attach(room=ask.room, actor=UserId(self.name), command_id=ask.command_id, sessions=sessions)
        self._publish(command, name)

    def _session_of(self, session: Session) -> SessionOfRoom:
        return SessionOfRoom(
            client=session.client,
            user=session.user,
            position=session.position,
            attach_ref=session.attach_ref,
            status=session.status,
        )

    def _fetch(
        self, room: RoomId, epoch: str, after: int, through: int, answered: Callable[[list[Numbered] | None], None]
    ) -> None:
        def hear(answer: QueryAnswer | None) -> None:
            self._drop_hole(name)
            answered(_missing(answer, epoch, after, through))
            self.carry_out()

        query = HoleQuery(room=room, after=after, limit=min(limits.PAGE_EVENTS, through - after))
        name = self._world.history.ask(self.name, query, hear)
        self._holes[name] = self._world.seconds + HOLE_SECONDS, hear

    def _drop_hole(self, name: str) -> None:
        self._holes.pop(name, None)
        self._world.history.forget(name)

    def _receive_event(self, headers: FanoutHeaders, body: bytes) -> None:
        own = self._own(headers)
        event = LiveEvent(headers.epoch, headers.seq, text_frame(body), own, headers.expulsion)
        followed = self.hub.receive_event(headers.room, event)
        if not followed and own is not None:
            self._tell(own.outlet, _accepted(headers))

    def _own(self, headers: FanoutHeaders) -> Own | None:
        for name, (client, command) in self._pending.items():
            if (client.client, command.room, command.command_id) == (headers.skip, headers.room, headers.command_id):
                del self._pending[name]
                return Own(client.client, client, text_frame(_accepted(headers).to_json()))
        return None

    def _receive_attached(self, answer: AttachAnswer) -> None:
        name = next((name for name, ask in self._asked.items() if ask.command_id == answer.command_id), None)
        asked = self._asked.pop(name) if name is not None else None
        self.hub.receive_attached(answer)
        refused = {one.session.client for one in answer.refused}
        for session in asked.sessions if asked else ():
            if session.client not in refused and not self.hub.has(answer.room, session.client):
                self._tell_detached(session)

    def _tell_detached(self, session: Session) -> None:
        self._world.say(f"{self.name} tells {session.room} that {_own_name(session)} is gone")
        command_id = CommandId(f"{self.name}-{self._new_name()}")
        sessions = (SessionOfRoom(client=session.client, user=session.user, attach_ref=session.attach_ref),)
        self._publish(
            Detach(room=session.room, actor=UserId(self.name), command_id=command_id, sessions=sessions), None
        )

    def _publish(self, command: Command, name: str | None) -> None:
        key = routes.command_key(command.room, command.type)
        delivery = Delivery(key, command.to_json(), self.name if name else None, name)
        if self.holding:
            self.holding -= 1
            self._world.say(f"{self.name} holds back {command.type} {command.room}")
            self._held.append(lambda: self._world.commands.publish(delivery))
        else:
            self._world.commands.publish(delivery)

    def _new_name(self) -> str:
        self._numbers += 1
        return str(self._numbers)

    def _said(self, frame: dict[str, Any]) -> str:
        words = self._world.words
        if frame["type"] == "event":
            return words.event(EVENT.validate_python(frame))
        if frame["type"] == "signal":
            return words.signal(SIGNAL.validate_python(frame))
        return self._answer(SERVER_FRAMES[frame["type"]].model_validate(frame))

    def _answer(self, frame: Any) -> str:
        words = self._world.words
        match frame:
            case Accepted():
                return words.accepted(frame)
            case Refused():
                return words.refused(frame)
            case Attached():
                return words.attached(frame)
            case Detached():
                return words.detached(frame)
            case Reset():
                return words.reset(frame)
            case Lagged():
                return words.lagged(frame)
            case _:
                raise AssertionError(f"no story has a {frame.type}")


def _own_name(session: Session) -> str:
    return session.client.partition("/")[2].replace("-", ".", 1)


def _span(after: int, through: int) -> str:
    return f"{after + 1}" if through == after + 1 else f"{after + 1} to {through}"


def _missing(answer: QueryAnswer | None, epoch: str, after: int, through: int) -> list[Numbered] | None:
    if not isinstance(answer, PageAnswer) or answer.epoch != epoch:
        return None
    found = [_numbered(event) for event in answer.events if event.seq <= through]
    return found if [event.seq for event in found] == list(range(after + 1, through + 1)) else None


def _numbered(event: Event) -> Numbered:
    return Numbered(event.seq, text_frame(event.to_json()), expulsion(event))


def _accepted(headers: FanoutHeaders) -> Accepted:
    return Accepted.model_validate(
        {
            "command_id": headers.command_id,
            "room": headers.room,
            "epoch": headers.epoch,
            "seq": headers.seq,
            "message_id": headers.message_id,
            "invite": headers.invite,
            "at": headers.at,
        }
    )
