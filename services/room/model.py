"""A room and how each event changes it. Pure: no I/O, no clock; what a command may do is in `decide`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, assert_never
from zlib import crc32

from pydantic import JsonValue

from schemas.commands import Update
from schemas.events import (
    Event,
    InviteCreated,
    InviteRevoked,
    MemberBanned,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    MemberUnbanned,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
    Receipt,
    RoomClosed,
    RoomCreated,
    RoomUpdated,
)
from schemas.ids import Epoch, InviteId, MessageId, RoomId, UserId
from schemas.roles import Role, Visibility
from schemas.state import BanState, FormerState, InviteState, MemberState, RoomState

TICK: Final = timedelta(microseconds=1)
UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LANES: Final = 1000
_SETTABLE: Final = ("title", "topic", "capacity", "visibility", "metadata")

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Room:
    """A room after the event at (`epoch`, `seq`). Mappings are never changed in place: rooms share them.

    `updated_at` is the moment of the latest event, whatever it was; moments only grow within a room.
    """

    room: RoomId
    epoch: Epoch
    seq: int
    title: str
    visibility: Visibility
    capacity: int
    created_at: datetime
    updated_at: datetime
    topic: str = ""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    retention_days: int | None = None
    closed: bool = False
    members: Mapping[UserId, MemberState] = field(default_factory=dict)
    bans: Mapping[UserId, BanState] = field(default_factory=dict)
    formers: Mapping[UserId, FormerState] = field(default_factory=dict)
    invites: Mapping[InviteId, InviteState] = field(default_factory=dict)

    @classmethod
    def new(cls, event: RoomCreated) -> Room:
        """The room that a `room_created` begins."""
        return cls(
            room=event.room,
            epoch=event.epoch,
            seq=event.seq,
            title=event.title,
            visibility=event.visibility,
            capacity=event.capacity,
            created_at=event.at,
            updated_at=event.at,
            topic=event.topic,
            metadata=event.metadata,
            retention_days=event.retention_days,
            members={first.user: _member(first.user, first.role, event) for first in event.members},
        )

    @classmethod
    def from_state(cls, state: RoomState) -> Room:
        """The room of a snapshot."""
        return cls(
            room=state.room,
            epoch=state.epoch,
            seq=state.seq,
            title=state.title,
            visibility=state.visibility,
            capacity=state.capacity,
            created_at=state.created_at,
            updated_at=state.updated_at,
            topic=state.topic,
            metadata=state.metadata,
            retention_days=state.retention_days,
            closed=state.closed,
            members={member.user: member for member in state.members},
            bans={ban.user: ban for ban in state.bans},
            formers={former.user: former for former in state.formers},
            invites={invite.invite: invite for invite in state.invites},
        )

    def to_state(self) -> RoomState:
        """The snapshot of this room; lists are ordered by id."""
        return RoomState(
            room=self.room,
            epoch=self.epoch,
            seq=self.seq,
            title=self.title,
            visibility=self.visibility,
            capacity=self.capacity,
            topic=self.topic,
            metadata=dict(self.metadata),
            retention_days=self.retention_days,
            created_at=self.created_at,
            updated_at=self.updated_at,
            closed=self.closed,
            members=tuple(self.members[user] for user in sorted(self.members)),
            bans=tuple(self.bans[user] for user in sorted(self.bans)),
            formers=tuple(self.formers[user] for user in sorted(self.formers)),
            invites=tuple(self.invites[invite] for invite in sorted(self.invites)),
        )

    def role_of(self, user: UserId) -> Role | None:
        """The user's role; None for one who is no member."""
        member = self.members.get(user)
        return member.role if member else None

    def is_banned(self, user: UserId, now: datetime) -> bool:
        """A ban of the user is in force."""
        ban = self.bans.get(user)
        return ban is not None and (ban.until is None or ban.until > now)

    def is_muted(self, user: UserId, now: datetime) -> bool:
        """The member has no voice at present."""
        member = self.members.get(user)
        return member is not None and has_no_voice(member, now)

    def is_full(self) -> bool:
        """Nobody more fits in."""
        return len(self.members) >= self.capacity

    def owners(self) -> list[UserId]:
        """All owners; none in a room that everybody left."""
        return [user for user, member in self.members.items() if member.role is Role.OWNER]


def evolve(room: Room | None, event: Event) -> Room:
    """The room after an event. An event that does not follow is a bug of the caller.

    Raises:
        ValueError: the event is not the next one of this room.
    """
    if isinstance(event, RoomCreated):
        _check_first(room, event)
        return Room.new(event)
    if room is None:
        raise ValueError(f"{event.event} of {event.room} came before room_created")
    _check_next(room, event)
    return replace(_changed(room, event), seq=event.seq, updated_at=event.at)


def marked(room: Room, receipt: Receipt) -> Room:
    """The room with a member's marks raised to the receipt's; they never go down.

    A receipt of somebody who is no member, or older than the membership, is a repeat from an earlier one, and says
    nothing of this.
    """
    member = room.members.get(receipt.user)
    if member is None or receipt.at < member.joined_at:
        return room
    marks = {"read": max(member.read, receipt.read), "delivered": max(member.delivered, receipt.delivered)}
    return replace(room, members={**room.members, receipt.user: member.model_copy(update=marks)})


def settable(change: Update | RoomUpdated) -> dict[str, Any]:  # Any: fields of different types
    """What a room says of itself, as far as the change names it."""
    return {name: value for name in _SETTABLE if (value := getattr(change, name)) is not None}


def has_no_voice(who: MemberState | FormerState, now: datetime) -> bool:
    """A mute of theirs is in force."""
    return who.muted and (who.muted_until is None or who.muted_until > now)


def next_moment(room: Room | None, now: datetime) -> datetime:
    """When the next event of a room happens: now, but always behind its latest event, also when the clock went back."""
    return now if room is None else max(now, room.updated_at + TICK)


def microseconds(at: datetime) -> int:
    """Microseconds since the Unix epoch, exact."""
    return (at - UNIX_EPOCH) // TICK


def epoch_at(at: datetime) -> Epoch:
    """The name of a numbering that begins now."""
    return Epoch(f"{microseconds(at):x}")


def message_id_at(room: RoomId, at: datetime) -> MessageId:
    """A message's id: 16 digits of microseconds, then the room's lane, which keeps rooms of one moment apart.

    Ids grow strictly within a room because moments do.
    """
    return MessageId(f"msg_{microseconds(at):016d}{crc32(room.encode()) % LANES:03d}")


def _check_first(room: Room | None, event: RoomCreated) -> None:
    if room is not None or event.seq != 1:
        raise ValueError(f"room_created of {event.room} came at seq {event.seq} of a room that exists")


def _check_next(room: Room, event: Event) -> None:
    if (event.room, event.epoch, event.seq) != (room.room, room.epoch, room.seq + 1):
        raise ValueError(
            f"{event.event} {event.room} {event.epoch}/{event.seq} does not follow {room.epoch}/{room.seq}"
        )


def _changed(room: Room, event: Event) -> Room:  # noqa: C901 - one line for each event
    match event:
        case RoomCreated():
            raise AssertionError("room_created is handled before")
        case MessagePosted() | MessageEdited() | MessageDeleted() | ReactionAdded() | ReactionRemoved():
            return room
        case RoomUpdated():
            return _updated(room, event)
        case RoomClosed():
            return replace(room, closed=True)
        case MemberJoined():
            return _joined(room, event)
        case MemberLeft():
            return _left(room, event)
        case MemberBanned():
            return _banned(room, event)
        case MemberUnbanned():
            return replace(room, bans=_without(room.bans, event.user))
        case MemberChanged():
            return replace(room, members={**room.members, event.user: _changed_member(room, event)})
        case InviteCreated():
            invite = InviteState(
                invite=event.invite, role=event.role, expires_at=event.expires_at, max_uses=event.max_uses
            )
            kept = {name: each for name, each in room.invites.items() if name not in event.swept}
            return replace(room, invites={**kept, event.invite: invite})
        case InviteRevoked():
            return replace(room, invites=_without(room.invites, event.invite))
        case _:
            assert_never(event)


def _updated(room: Room, event: RoomUpdated) -> Room:
    return replace(room, **settable(event))


def _joined(room: Room, event: MemberJoined) -> Room:
    member = _member(event.user, event.role, event)
    if event.muted:
        member = member.model_copy(update={"muted": True, "muted_until": event.until})
    room = replace(room, formers=_without(room.formers, event.user))
    members = {**room.members, event.user: member}
    invite = room.invites.get(event.invite) if event.invite else None
    if invite is None:
        return replace(room, members=members)
    used = invite.model_copy(update={"uses": invite.uses + 1})
    return replace(room, members=members, invites={**room.invites, invite.invite: used})


def _left(room: Room, event: MemberLeft) -> Room:
    members = _without(room.members, event.user)
    if event.successor is not None:
        members[event.successor] = members[event.successor].model_copy(update={"role": Role.OWNER})
    return replace(room, members=members, formers=_formers_behind(room, event))


def _banned(room: Room, event: MemberBanned) -> Room:
    ban = BanState(user=event.user, text=event.text, until=event.until)
    standing = {user: each for user, each in room.bans.items() if user not in event.swept}
    members, bans = _without(room.members, event.user), {**standing, event.user: ban}
    return replace(room, members=members, bans=bans, formers=_formers_behind(room, event))


def _formers_behind(room: Room, event: MemberLeft | MemberBanned) -> Mapping[UserId, FormerState]:
    member = room.members.get(event.user)
    if member is None or not event.kept:
        return room.formers
    reader = member.role is Role.READER
    former = FormerState(user=event.user, reader=reader, muted=member.muted, muted_until=member.muted_until)
    return {**room.formers, event.user: former}


def _changed_member(room: Room, event: MemberChanged) -> MemberState:
    member = room.members[event.user]
    if event.role is not None:
        member = member.model_copy(update={"role": event.role})
    if event.muted is not None:
        member = member.model_copy(update={"muted": event.muted, "muted_until": event.until if event.muted else None})
    return member


def _member(user: UserId, role: Role, event: Event) -> MemberState:
    return MemberState(user=user, role=role, joined_at=event.at, joined_seq=event.seq)


def _without(mapping: Mapping[Key, Value], key: Key) -> dict[Key, Value]:
    return {name: value for name, value in mapping.items() if name != key}
