"""What the active worker of one shard knows, and what it makes of each thing it hears. Pure; effects are values.

A hall lives exactly as long as the channel its commands come through (design §5, "One writer").
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from schemas.answers import Accepted, Refused
from schemas.commands import EVENTLESS_VERBS, GATE_VERBS, OPERATOR_VERBS, ClientCommand, Command, Detach, Session
from schemas.control import WorkerId
from schemas.errors import Code
from schemas.events import Event, MessagePosted, expulsion
from schemas.fanout import FanoutKind, RoomTop, roomless_headers
from schemas.ids import GateId, RoomId, UserId
from schemas.signals import PresenceSignal, ReceiptSignal, Signal
from schemas.state import Snapshot
from services.room.answers import accepted_at, attach_answer, inspection
from services.room.decide import decide
from services.room.decisions import (
    Admission,
    Circumstances,
    Decision,
    Dismissal,
    Inspected,
    Marked,
    Refusal,
    Signalled,
    StatusSaid,
    Unchanged,
)
from services.room.effects import (
    FanOut,
    Outcome,
    Reply,
    event_headers,
    log_entry,
    plain_headers,
    receipt_entry,
)
from services.room.model import Room, evolve, marked
from services.room.orders import Order
from services.room.presence import Presence, PresenceRules
from services.room.rooms import HeldRoom, HeldRooms
from services.room.rosters import Rosters
from services.room.sessions import Sessions
from services.room.standing import standing
from services.room.targets import Target, Targets, target_of
from services.room.tops import Tops, messages_by_gate
from services.room.typists import Typists

NEVER_LOOKED_UP: Final = GATE_VERBS | OPERATOR_VERBS | EVENTLESS_VERBS
SURE_FOR: Final = timedelta(seconds=1)
"""Who is muted for so long yet is muted when the order is decided, an instant after it was asked what it wants."""

Effects = tuple[FanOut | Reply, ...]


class Want(Enum):
    """What history is asked for before an order is decided."""

    ANSWER = auto()
    """The order is a flagged retry of something the room no longer remembers (I2)."""
    TARGET = auto()
    """The order is about a message that the writer knows too little of."""


class Hall:
    """The rooms, sessions and rosters of one shard under one channel."""

    def __init__(
        self, worker: WorkerId, rules: PresenceRules, *, quiet_seconds: float, rooms_limit: int, targets_limit: int
    ) -> None:
        self.sessions = Sessions()
        self.targets = Targets(targets_limit)
        self.rosters = Rosters()
        self.rooms = HeldRooms(rooms_limit, in_use=lambda room: bool(self.sessions.gates(room)))
        self._worker = worker
        self._presence = Presence(rules)
        self._typists = Typists()
        self._quiet = Tops(quiet_seconds)

    def wants_room(self, order: Order) -> bool:
        """The order cannot be decided before its room is loaded. Nobody has a session of a room that is not held, so
        a `detach` there is over at once."""
        return self.rooms.find(order.command.room) is None and not isinstance(order.command, Detach)

    def wants(self, order: Order, at: datetime) -> Want | None:
        """What history has to be asked before an order whose room is held can be decided; None: nothing. It is decided
        within `SURE_FOR` of `at` then."""
        held = self.rooms.find(order.command.room)
        if held is None or held.room is None or held.recent.find(order.command.actor, order.command.command_id):
            return None
        if order.command.retry and order.command.type not in NEVER_LOOKED_UP and not order.looked_up:
            return Want.ANSWER
        return Want.TARGET if self._wants_target(held.room, order.command, at) else None

    def receive_snapshot(self, snapshot: Snapshot) -> Outcome:
        """Hold a room; gates that may have missed its last event hear how far it is."""
        held = HeldRoom.from_snapshot(snapshot)
        self.rooms.put(snapshot.room, held)
        return Outcome(effects=self._tops([snapshot.room]))

    def tell_tops(self, now: float) -> Outcome:
        """Gates hear how far the rooms are that fell quiet."""
        return Outcome(effects=self._tops(self._quiet.take_due(now)))

    def _tops(self, rooms: Iterable[RoomId]) -> Effects:
        held = [found.room for room in rooms if (found := self.rooms.find(room)) is not None]
        known = [
            (RoomTop(room=room.room, epoch=room.epoch, seq=room.seq), self.reach(room.room))
            for room in held
            if room is not None
        ]
        headers = roomless_headers(FanoutKind.TOPS)
        return tuple(FanOut(headers, (gate,), tops.to_json()) for gate, tops in messages_by_gate(known))

    def receive_order(self, order: Order, at: datetime, now: float) -> Outcome:
        """Decide an order whose room is held, and take its event into the room. It is in progress until `release`.
        `at` is the moment by the calendar, `now` by the monotonic clock, in seconds."""
        command = order.command
        held = self.rooms.find(command.room)
        if held is None:
            return _ignored(order)
        known = held.recent.find(command.actor, command.command_id)
        if known is not None:
            return self._answered(order, known, "repeated")
        decision = decide(held.room, command, Circumstances(at, self._target(command), order.token))
        return self._followed(order, held, decision, at, now)

    def pin(self, room: RoomId) -> None:
        """Keep a held room until `release` while something about it is asked elsewhere."""
        held = self.rooms.find(room)
        if held is not None:
            held.in_progress += 1

    def receive_repeat(self, order: Order, answer: Accepted) -> Outcome:
        """History knows the answer that an order got long ago."""
        return self._answered(order, answer, "repeated")

    def refuse(self, order: Order, code: Code) -> Outcome:
        """Refuse an order that could not be decided."""
        return self._refused(order, Refusal(code))

    def release(self, room: RoomId | None) -> None:
        """The effects of an outcome of the room are out, or what was asked about it is known."""
        if room is not None:
            self.rooms.release(room)

    def drop_gate(self, gate: GateId, now: float, *, lost: bool) -> None:
        """A gate is gone, and its sessions with it; `lost` without a word, so that its users are gone at once."""
        self.rosters.forget(gate)
        for room, user in self.sessions.drop_gate(gate):
            if lost:
                self._presence.lose(room, user)
            else:
                self._presence.leave(room, user, now)

    def next_due(self) -> float | None:
        """When `tell_presence` may have something to say; None: not before something happens."""
        return self._presence.next_due()

    def tell_presence(self, now: float) -> Outcome:
        """Say who came and went, as far as that is due; nothing before every roster is known, because until then a
        session at another gate may yet be told."""
        if self.rosters.awaits_any(now):
            return Outcome()
        self._presence.begin(now)
        told = (self._told(signal) for signal in self._presence.signals(now))
        return Outcome(effects=tuple(effect for effects in told for effect in effects))

    def reach(self, room: RoomId) -> tuple[GateId, ...]:
        """The gates a fan-out must reach: those that hold a session, and those whose roster is not known yet."""
        return tuple(dict.fromkeys([*self.sessions.gates(room), *self.rosters.owing()]))

    def _followed(self, order: Order, held: HeldRoom, decision: Decision, at: datetime, now: float) -> Outcome:
        match decision:
            case Refusal():
                return self._refused(order, decision)
            case Signalled():
                return self._signalled(order, _existing(held), decision, at, now)
            case Marked():
                return self._marked(order, held, decision, at)
            case StatusSaid():
                self._presence.say(order.command.room, order.command.actor, decision.status)
                return self._unchanged(order, held, at)
            case Unchanged():
                return self._unchanged(order, held, at)
            case Inspected():
                return self._inspected(order, held)
            case Admission():
                return self._admitted(order, _existing(held), decision, now)
            case Dismissal():
                return self._dismissed(order, decision, now)
            case _:
                return self._happened(order, held, decision, now)

    def _happened(self, order: Order, held: HeldRoom, event: Event, now: float) -> Outcome:
        command, frame, answer = order.command, event.to_json(), Accepted.of(event)
        rides = command.client if command.client and self.sessions.holds(command.room, command.client) else None
        gates = self.reach(command.room)
        held.in_progress += 1
        held.room = evolve(held.room, event)
        held.recent.remember(command.actor, answer)
        self.targets.receive_event(event)
        self._quiet.receive_event(command.room, now)
        if isinstance(event, MessagePosted):
            self._typists.receive_message(command.room, command.actor)
        gone = expulsion(event)
        if gone is not None:
            self.sessions.expel(command.room, gone.user)
            self._presence.expel(command.room, gone.user)
        return Outcome(
            room=command.room,
            tag=order.tag,
            log=log_entry(event, frame, held.fence),
            effects=(
                *_to_gates(FanOut(event_headers(event, rides, answer), gates, frame)),
                *(() if rides else _reply(order, answer)),
            ),
            verb=command.type,
            word="accepted",
        )

    def _answered(self, order: Order, answer: Accepted, word: str, effects: Effects = ()) -> Outcome:
        return self._outcome(order, (*effects, *_reply(order, answer)), word)

    def _refused(self, order: Order, refusal: Refusal) -> Outcome:
        answer = Refused.of(refusal.code, refusal.message, command_id=order.command.command_id)
        return self._outcome(order, _reply(order, answer), refusal.code.value)

    def _marked(self, order: Order, held: HeldRoom, decision: Marked, at: datetime) -> Outcome:
        command, receipt = order.command, decision.receipt
        held.in_progress += 1
        held.room = room = marked(_existing(held), receipt)
        return Outcome(
            room=command.room,
            tag=order.tag,
            log=receipt_entry(receipt, held.fence),
            effects=(*self._receipt(room, receipt.user), *_reply(order, accepted_at(command.command_id, room, at))),
            verb=command.type,
            word="accepted",
        )

    def _receipt(self, room: Room, user: UserId) -> Effects:
        """Where too many are online to name them, nobody follows who has read what."""
        if self._presence.is_crowded(room.room):
            return ()
        marks = room.members[user]
        return self._signal(room, ReceiptSignal(room=room.room, user=user, read=marks.read, delivered=marks.delivered))

    def _unchanged(self, order: Order, held: HeldRoom, at: datetime) -> Outcome:
        """What can be repeated without harm is not worth a place among the answers that are remembered."""
        command = order.command
        answer = accepted_at(command.command_id, _existing(held), at)
        if command.type not in EVENTLESS_VERBS:
            held.recent.remember(command.actor, answer)
        return self._answered(order, answer, "accepted")

    def _inspected(self, order: Order, held: HeldRoom) -> Outcome:
        room, command_id = _existing(held), order.command.command_id
        answer = inspection(command_id, self._worker, held, room, self.sessions, self.rosters)
        return self._outcome(order, (Reply(order.reply, answer),) if order.reply else (), "accepted")

    def _wants_target(self, room: Room, command: Command, at: datetime) -> bool:
        """Only whose standing and voice allow the verb makes the room ask; all others are refused without."""
        seq = target_of(command)
        if seq is None or not 0 < seq <= room.seq or not isinstance(command, ClientCommand):
            return False
        if isinstance(standing(room, command, at + SURE_FOR), Refusal):
            return False
        return self.targets.wants(command.room, command, seq)

    def _target(self, command: Command) -> Target | None:
        seq = target_of(command)
        return None if seq is None else self.targets.find(command.room, seq)

    def _signalled(self, order: Order, room: Room, decision: Signalled, at: datetime, now: float) -> Outcome:
        typing, answer = decision.signal, accepted_at(order.command.command_id, room, at)
        is_news = self._typists.receive(room.room, typing.user, now, active=typing.active)
        return self._answered(order, answer, "accepted", self._signal(room, typing) if is_news else ())

    def _admitted(self, order: Order, room: Room, decision: Admission, now: float) -> Outcome:
        for session in decision.sessions:
            self._attach(room.room, session, now)
        answer = attach_answer(order.command.command_id, room, decision.refused, self._presence).to_json()
        headers, gate = plain_headers(FanoutKind.ATTACHED, room), GateId(order.command.actor)
        return self._outcome(order, (FanOut(headers, (gate,), answer),), "accepted")

    def _attach(self, room: RoomId, session: Session, now: float) -> None:
        attached = self.sessions.attach(room, session.client, session.user, session.attach_ref)
        if attached.taken:
            self._presence.come(room, session.user, session.status)
        if attached.gone is not None:
            self._presence.leave(room, attached.gone, now)

    def _dismissed(self, order: Order, decision: Dismissal, now: float) -> Outcome:
        room = order.command.room
        for session in decision.sessions:
            gone = self.sessions.detach(room, session.client, session.attach_ref)
            if gone is not None:
                self._presence.leave(room, gone, now)
        return self._outcome(order, (), "accepted")

    def _outcome(self, order: Order, effects: Effects, word: str) -> Outcome:
        room, held = order.command.room, self.rooms.find(order.command.room)
        if held is None:
            return Outcome(tag=order.tag, effects=effects, verb=order.command.type, word=word)
        held.in_progress += 1
        return Outcome(room=room, tag=order.tag, effects=effects, verb=order.command.type, word=word)

    def _told(self, signal: PresenceSignal) -> Effects:
        held = self.rooms.find(signal.room)
        return self._signal(held.room, signal) if held is not None and held.room is not None else ()

    def _signal(self, room: Room, signal: Signal) -> Effects:
        return _to_gates(FanOut(plain_headers(FanoutKind.SIGNAL, room), self.reach(room.room), signal.to_json()))


def _ignored(order: Order) -> Outcome:
    if not isinstance(order.command, Detach):
        raise AssertionError("only a detach is taken up without its room")  # noqa: TRY004 - a bug, not bad input
    return Outcome(tag=order.tag, verb=order.command.type, word="ignored")


def _to_gates(fan_out: FanOut) -> tuple[FanOut, ...]:
    return (fan_out,) if fan_out.gates else ()


def _reply(order: Order, answer: Accepted | Refused) -> tuple[Reply, ...]:
    return (Reply(order.reply, answer),) if order.reply else ()


def _existing(held: HeldRoom) -> Room:
    if held.room is None:
        raise AssertionError("only a room that exists takes signals and sessions")
    return held.room
