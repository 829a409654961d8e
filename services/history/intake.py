"""Sorting a batch of log entries: what is new, what is here already, what must not come in, and which records the
store has to write. Pure: a store fetches what is `Known`, asks for a `Plan`, and carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.events import Event, Logged, Receipt, RoomCreated
from schemas.ids import CommandId, Epoch, InviteId, RoomId, UserId
from services.history.fold import change_of
from services.history.messages import MessageRecord, ReactionRecord, is_same, kept_form
from services.history.records import Change, InviteRecord, Projection, Put, RoomRecord, Standing


@dataclass(frozen=True, slots=True)
class Stored:
    """The entry is in the store now, and was not before. `reused`: its command_id had made another event before."""

    reused: bool = False


@dataclass(frozen=True, slots=True)
class Repeated:
    """The very same entry was in the store already: success."""


@dataclass(frozen=True, slots=True)
class StaleFence:
    """The entry came from a writer that has been replaced (I8); `fence` is the room's."""

    fence: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """The entry contradicts the store: a hole, another epoch, or another event in its place. Should be impossible."""

    detail: str


Outcome = Stored | Repeated | StaleFence | Conflict


class Place(NamedTuple):
    """Where an event stands."""

    room: RoomId
    epoch: Epoch
    seq: int


class Command(NamedTuple):
    """Whose command made an event. Meant to make one only (I2); the first one that it made is found by it."""

    room: RoomId
    actor: UserId
    command_id: CommandId


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as it is stored: in its kept form, as later events left it, with its writer's fence and with how many
    members and messages the room had behind it.

    The counts are fixed when the event first comes in. A later try, which may find records already ahead of the room,
    takes them from here instead of counting again.
    """

    event: Event
    fence: int
    members: int
    messages: int
    reused: bool = False
    """Its command_id had made another event before."""


@dataclass(slots=True)
class Known:
    """What a store holds that matters for a batch: rooms with the records touched, fences, the events kept at places
    where the batch has one not newer than its room, and those of its new events' commands that made one before."""

    rooms: dict[RoomId, Projection] = field(default_factory=dict)
    fences: dict[RoomId, int] = field(default_factory=dict)
    kept: dict[Place, Kept] = field(default_factory=dict)
    commands: set[Command] = field(default_factory=set)


@dataclass(slots=True)
class Plan:
    """What came of each entry, in order, and what is to be written: events first, rooms last (they say "done")."""

    outcomes: list[Outcome] = field(default_factory=list)
    events: dict[int, Kept] = field(default_factory=dict)
    """New events by their index in the batch."""
    begun: dict[RoomId, int] = field(default_factory=dict)
    """Rooms whose `room_created` is in the batch, new or repeated, with its fence."""
    standings: dict[tuple[RoomId, UserId], Standing] = field(default_factory=dict)
    """Standings as the whole batch leaves them: those that events `moved`, and those whose marks receipts raised."""
    moved: set[tuple[RoomId, UserId]] = field(default_factory=set)
    marked: set[tuple[RoomId, UserId]] = field(default_factory=set)
    invites: dict[tuple[RoomId, InviteId], InviteRecord] = field(default_factory=dict)
    messages: dict[tuple[RoomId, int], MessageRecord] = field(default_factory=dict)
    """Messages that later events changed, by where they stand; to be written before the reactions they count."""
    reactions: dict[tuple[RoomId, Put], ReactionRecord] = field(default_factory=dict)
    rooms: dict[RoomId, RoomRecord] = field(default_factory=dict)


def place_of(event: Event) -> Place:
    """Where the event stands."""
    return Place(event.room, event.epoch, event.seq)


def command_of(event: Event) -> Command:
    """Whose command made the event."""
    return Command(event.room, event.actor, event.command_id)


def plan(batch: Sequence[Logged], known: Known) -> Plan:
    """Sort a batch, in its order. `known` is left as it is."""
    sorting = _Sorting(known)
    for index, logged in enumerate(batch):
        sorting.take(index, logged)
    return sorting.plan


class _Sorting:
    """One walk through a batch."""

    def __init__(self, known: Known) -> None:
        self.plan = Plan()
        self._known = known
        self._rooms: dict[RoomId, Projection] = {}
        self._kept = dict(known.kept)
        self._commands = set(known.commands)

    def take(self, index: int, logged: Logged) -> None:
        entry = logged.entry
        projection = self._projection(entry.room)
        if isinstance(entry, Receipt):
            outcome = self._judge_receipt(entry, logged.fence, projection.room)
            if isinstance(outcome, Stored):
                self._mark(entry, projection)
        else:
            outcome = self._judge(entry, logged.fence, projection.room)
            if isinstance(outcome, Stored | Repeated):
                self._keep(index, entry, logged.fence, projection)
                self._commands.add(command_of(entry))
        self.plan.outcomes.append(outcome)

    def _judge(self, event: Event, fence: int, room: RoomRecord | None) -> Outcome:
        kept = self._kept.get(place_of(event))
        same = kept is not None and is_same(kept.event, event)
        behind = room is not None and room.epoch == event.epoch and event.seq <= room.seq
        if behind and same:
            return Repeated()
        if fence < (known := self._known.fences.get(event.room, 0)):
            return StaleFence(known)
        if behind or (kept is not None and not same):
            return Conflict(f"another event is stored at seq {event.seq}")
        if (wrong := _misplaced(event, room)) is not None:
            return Conflict(wrong)
        return Repeated() if same else Stored(reused=command_of(event) in self._commands)

    def _judge_receipt(self, receipt: Receipt, fence: int, room: RoomRecord | None) -> Outcome:
        if fence < (known := self._known.fences.get(receipt.room, 0)):
            return StaleFence(known)
        if room is None:
            return Conflict("the room does not exist")
        if receipt.epoch != room.epoch:
            return Conflict(f"the room's epoch is {room.epoch}")
        return Stored()

    def _keep(self, index: int, event: Event, fence: int, projection: Projection) -> None:
        if isinstance(event, RoomCreated):
            self.plan.begun[event.room] = fence
        if projection.room is not None and event.seq <= projection.room.seq:
            return
        change = change_of(event, projection)
        kept = self._kept.get(place_of(event))
        if kept is None:
            reused = command_of(event) in self._commands
            kept = Kept(kept_form(event), fence, change.room.members, change.room.messages, reused)
            self._kept[place_of(event)] = self.plan.events[index] = kept
        projection.apply(change)
        counts = {"members": kept.members, "messages": kept.messages}
        projection.room = self.plan.rooms[event.room] = change.room.model_copy(update=counts)
        self._save(event.room, change, projection)

    def _save(self, room: RoomId, change: Change, projection: Projection) -> None:
        """What the event changed, as the projection has it now: a record that was newer stays."""
        for standing in change.standings:
            self.plan.standings[room, standing.user] = projection.standings[standing.user]
            self.plan.moved.add((room, standing.user))
        for invite in change.invites:
            self.plan.invites[room, invite.invite] = projection.invites[invite.invite]
        for message in change.messages:
            if message.seq > message.place:
                self.plan.messages[room, message.place] = projection.messages[message.place]
        for reaction in change.reactions:
            put = Put(reaction.target, reaction.user)
            self.plan.reactions[room, put] = projection.reactions[put]

    def _mark(self, receipt: Receipt, projection: Projection) -> None:
        projection.mark(receipt)
        if receipt.user in projection.standings:
            self.plan.standings[receipt.room, receipt.user] = projection.standings[receipt.user]
            self.plan.marked.add((receipt.room, receipt.user))

    def _projection(self, room: RoomId) -> Projection:
        if room not in self._rooms:
            known = self._known.rooms.get(room, Projection())
            copies = (dict(known.standings), dict(known.invites), dict(known.messages), dict(known.reactions))
            self._rooms[room] = Projection(known.room, *copies)
        return self._rooms[room]


def _misplaced(event: Event, room: RoomRecord | None) -> str | None:
    if room is None:
        begins = isinstance(event, RoomCreated) and event.seq == 1
        return None if begins else "the room does not exist"
    if event.epoch != room.epoch:
        return f"the room's epoch is {room.epoch}"
    if event.seq != room.seq + 1:
        return f"after seq {room.seq} comes {room.seq + 1}, not {event.seq}"
    return "a room begins once" if isinstance(event, RoomCreated) else None
