"""What the active worker of one shard knows, and what it makes of each thing it hears. Pure; effects are values.

A hall lives exactly as long as the channel its commands come through (design §5, "One writer").
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum, auto
from itertools import islice
from typing import Final

from schemas import limits
from schemas.answers import Accepted, AttachAnswer, MemberView, Refused
from schemas.commands import EVENTLESS_VERBS, GATE_VERBS, OPERATOR_VERBS, Command, Detach
from schemas.control import WorkerId
from schemas.errors import Code
from schemas.events import Event
from schemas.fanout import FanoutKind
from schemas.ids import GateId, RoomId, UserId
from schemas.operations import GateSessions, Inspection
from schemas.roles import Status
from schemas.signals import PresenceChange, PresenceSignal, ReceiptSignal, Signal
from schemas.state import Snapshot
from services.room.decide import (
    Admission,
    Circumstances,
    Dismissal,
    Inspected,
    Marked,
    Refusal,
    Signalled,
    StatusSaid,
    Unchanged,
    decide,
)
from services.room.effects import (
    FanOut,
    Outcome,
    Reply,
    accepted,
    event_headers,
    expelled,
    log_entry,
    plain_headers,
    receipt_entry,
)
from services.room.model import Room, evolve, marked
from services.room.orders import Order
from services.room.presence import Rosters, Sessions
from services.room.rooms import HeldRoom, HeldRooms
from services.room.targets import Target, Targets, target_of

GATE_LOST: Final = "gate_lost"
NEVER_LOOKED_UP: Final = GATE_VERBS | OPERATOR_VERBS | EVENTLESS_VERBS
Effects = tuple[FanOut | Reply, ...]


class Want(Enum):
    """What history is asked for before an order is decided."""

    ANSWER = auto()
    """The order is a flagged retry of something the room no longer remembers (I2)."""
    TARGET = auto()
    """The order is about a message that the writer knows too little of."""


class Hall:
    """The rooms, sessions and rosters of one shard under one channel."""

    def __init__(self, worker: WorkerId, *, rooms_limit: int, targets_limit: int) -> None:
        self.sessions = Sessions()
        self.targets = Targets(targets_limit)
        self._worker = worker
        self.rosters = Rosters()
        self.rooms = HeldRooms(rooms_limit, in_use=lambda room: bool(self.sessions.gates(room)))
        self._perhaps_offline: dict[tuple[RoomId, UserId], str | None] = {}

    def wants_room(self, order: Order) -> bool:
        """The order cannot be decided before its room is loaded. Nobody has a session of a room that is not held, so
        a `detach` there is over at once."""
        return self.rooms.find(order.command.room) is None and not isinstance(order.command, Detach)

    def wants(self, order: Order) -> Want | None:
        """What history has to be asked before an order whose room is held can be decided; None: nothing."""
        held = self.rooms.find(order.command.room)
        if held is None or held.room is None or held.recent.find(order.command.actor, order.command.command_id):
            return None
        if order.command.retry and order.command.type not in NEVER_LOOKED_UP and not order.looked_up:
            return Want.ANSWER
        return Want.TARGET if self._wants_target(held.room, order.command) else None

    def receive_snapshot(self, snapshot: Snapshot) -> Outcome:
        """Hold a room; gates that may have missed its last event hear how far it is."""
        held = HeldRoom.from_snapshot(snapshot)
        self.rooms.put(snapshot.room, held)
        gates = self.reach(snapshot.room)
        if held.room is None or not gates:
            return Outcome()
        return Outcome(effects=(FanOut(plain_headers(FanoutKind.TOP, held.room), gates, b""),))

    def receive_order(self, order: Order, now: datetime) -> Outcome:
        """Decide an order whose room is held, and take its event into the room. It is in progress until `release`."""
        command = order.command
        held = self.rooms.find(command.room)
        if held is None:
            return _ignored(order)
        known = held.recent.find(command.actor, command.command_id)
        if known is not None:
            return self._answered(order, known, "repeated")
        decision = decide(held.room, command, Circumstances(now, self._target(command), order.token))
        match decision:
            case Refusal():
                return self._refused(order, decision)
            case Signalled():
                return self._signalled(order, _existing(held), decision, now)
            case Marked():
                return self._marked(order, held, decision, now)
            case StatusSaid() | Unchanged():
                return self._unchanged(order, held, now)
            case Inspected():
                return self._inspected(order, held)
            case Admission():
                return self._admitted(order, _existing(held), decision)
            case Dismissal():
                return self._dismissed(order, decision)
            case _:
                return self._happened(order, held, decision)

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

    def drop_gate(self, gate: GateId) -> Outcome:
        """A gate is gone: its sessions are over."""
        self.rosters.forget(gate)
        for room, user in self.sessions.drop_gate(gate):
            self._perhaps_offline[room, user] = GATE_LOST
        return self.settle_presence()

    def settle_presence(self) -> Outcome:
        """Say who is offline, once every roster is known: until then their session at another gate may yet be told."""
        if self.rosters.awaits_any() or not self._perhaps_offline:
            return Outcome()
        gone, self._perhaps_offline = self._perhaps_offline, {}
        signals = (self._offline(room, user, reason) for (room, user), reason in gone.items())
        return Outcome(effects=tuple(effect for effects in signals for effect in effects))

    def reach(self, room: RoomId) -> tuple[GateId, ...]:
        """The gates a fan-out must reach: those that hold a session, and those whose roster is not known yet."""
        return tuple(dict.fromkeys([*self.sessions.gates(room), *self.rosters.owing()]))

    def _happened(self, order: Order, held: HeldRoom, event: Event) -> Outcome:
        command, frame, answer = order.command, event.to_json(), accepted(event)
        rides = command.client if command.client and self.sessions.holds(command.room, command.client) else None
        gates = self.reach(command.room)
        held.in_progress += 1
        held.room = evolve(held.room, event)
        held.recent.remember(command.actor, answer)
        self.targets.receive_event(event)
        gone = expelled(event)
        if gone is not None:
            self.sessions.expel(command.room, gone)
        return Outcome(
            room=command.room,
            tag=order.tag,
            log=log_entry(event, frame, held.fence),
            effects=(
                *_to_gates(FanOut(event_headers(event, rides), gates, frame)),
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

    def _marked(self, order: Order, held: HeldRoom, decision: Marked, now: datetime) -> Outcome:
        command, receipt, room = order.command, decision.receipt, _existing(held)
        held.in_progress += 1
        held.room = marked(room, receipt)
        member = held.room.members[receipt.user]
        signal = ReceiptSignal(room=room.room, user=member.user, read=member.read, delivered=member.delivered)
        return Outcome(
            room=command.room,
            tag=order.tag,
            log=receipt_entry(receipt, held.fence),
            effects=(*self._signal(room, signal), *_reply(order, _accepted_at(order, room, now))),
            verb=command.type,
            word="accepted",
        )

    def _unchanged(self, order: Order, held: HeldRoom, now: datetime) -> Outcome:
        answer = _accepted_at(order, _existing(held), now)
        held.recent.remember(order.command.actor, answer)
        return self._answered(order, answer, "accepted")

    def _inspected(self, order: Order, held: HeldRoom) -> Outcome:
        effects = (Reply(order.reply, self._inspection(order, held)),) if order.reply else ()
        return self._outcome(order, effects, "accepted")

    def _inspection(self, order: Order, held: HeldRoom) -> Inspection:
        room = _existing(held)
        counts = self.sessions.counts(room.room)
        return Inspection(
            command_id=order.command.command_id,
            room=room.room,
            epoch=room.epoch,
            seq=room.seq,
            fence=held.fence,
            writer=self._worker,
            title=room.title,
            visibility=room.visibility,
            closed=room.closed,
            updated_at=room.updated_at,
            members=len(room.members),
            bans=len(room.bans),
            invites=len(room.invites),
            online=len(self.sessions.online(room.room)),
            gates=tuple(GateSessions(gate=gate, sessions=counts[gate]) for gate in sorted(counts)),
            rosters_owed=tuple(sorted(self.rosters.owing())),
            remembered=len(held.recent),
            in_progress=held.in_progress,
        )

    def _wants_target(self, room: Room, command: Command) -> bool:
        """Only who may speak in the room makes it ask; all others are refused without."""
        seq = target_of(command)
        if seq is None or not 0 < seq <= room.seq or room.closed or command.actor not in room.members:
            return False
        return self.targets.wants(command.room, command, seq)

    def _target(self, command: Command) -> Target | None:
        seq = target_of(command)
        return None if seq is None else self.targets.find(command.room, seq)

    def _signalled(self, order: Order, room: Room, decision: Signalled, now: datetime) -> Outcome:
        return self._answered(order, _accepted_at(order, room, now), "accepted", self._signal(room, decision.signal))

    def _admitted(self, order: Order, room: Room, decision: Admission) -> Outcome:
        gate = GateId(order.command.actor)
        came = [each.user for each in decision.sessions if self.sessions.attach(room.room, each.client, each.user)]
        answer = FanOut(plain_headers(FanoutKind.ATTACHED, room), (gate,), self._attach_answer(order, room, decision))
        announced = () if self.rosters.awaits(gate) else self._online(room, came)
        return self._outcome(order, (answer, *announced), "accepted")

    def _dismissed(self, order: Order, decision: Dismissal) -> Outcome:
        room = order.command.room
        gone = [self.sessions.detach(room, session.client) for session in decision.sessions]
        self._perhaps_offline |= {(room, user): None for user in gone if user is not None}
        return self._outcome(order, self.settle_presence().effects, "accepted")

    def _outcome(self, order: Order, effects: Effects, word: str) -> Outcome:
        room, held = order.command.room, self.rooms.find(order.command.room)
        if held is None:
            return Outcome(tag=order.tag, effects=effects, verb=order.command.type, word=word)
        held.in_progress += 1
        return Outcome(room=room, tag=order.tag, effects=effects, verb=order.command.type, word=word)

    def _attach_answer(self, order: Order, room: Room, decision: Admission) -> bytes:
        return AttachAnswer(
            command_id=order.command.command_id,
            room=room.room,
            epoch=room.epoch,
            seq=room.seq,
            title=room.title,
            visibility=room.visibility,
            closed=room.closed,
            member_count=len(room.members),
            members=tuple(self._members_to_show(room)),
            refused=decision.refused,
        ).to_json()

    def _members_to_show(self, room: Room) -> Iterable[MemberView]:
        online = self.sessions.online(room.room)
        order = dict.fromkeys([*online, *islice(room.members, limits.ATTACHED_MEMBERS)])
        for user in islice(order, limits.ATTACHED_MEMBERS):
            here = self.sessions.is_online(room.room, user)
            yield MemberView(user=user, role=room.members[user].role, online=here)

    def _online(self, room: Room, users: list[UserId]) -> Effects:
        return tuple(effect for user in users for effect in self._presence(room, user, Status.ONLINE, None))

    def _offline(self, name: RoomId, user: UserId, reason: str | None) -> Effects:
        held = self.rooms.find(name)
        if held is None or held.room is None:
            return ()
        if user not in held.room.members or self.sessions.is_online(name, user):
            return ()
        return self._presence(held.room, user, Status.OFFLINE, reason)

    def _presence(self, room: Room, user: UserId, state: Status, reason: str | None) -> Effects:
        count = len(self.sessions.online(room.room))
        changes = (PresenceChange(user=user, state=state, reason=reason),)
        return self._signal(room, PresenceSignal(room=room.room, online_count=count, changes=changes))

    def _signal(self, room: Room, signal: Signal) -> Effects:
        return _to_gates(FanOut(plain_headers(FanoutKind.SIGNAL, room), self.reach(room.room), signal.to_json()))


def _accepted_at(order: Order, room: Room, now: datetime) -> Accepted:
    """The answer to a command that makes no event: the room's position as it is."""
    return Accepted(command_id=order.command.command_id, room=room.room, epoch=room.epoch, seq=room.seq, at=now)


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
