"""The records that make up the stored projection of a room, and which of them an entry of the log touches. Pure.

Five kinds: the room itself, one standing per user who ever mattered to it, one entry per invite, its messages, and what
each user has put to each (the last two are in `services.history.messages`). Each is the whole truth about its subject
as of its own `seq`, so a store keeps the newer of two and is right whoever wrote them, however often. A standing stays
behind as a tombstone when its user goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

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
    ReactionAdded,
    ReactionRemoved,
    Receipt,
    RoomCreated,
)
from schemas.fields import Metadata, Moment, Title, Topic
from schemas.ids import EpochField, InviteId, InviteIdField, RoomIdField, Seq, UserId, UserIdField
from schemas.model import Model
from schemas.roles import Visibility
from schemas.state import BanState, FormerState, InviteState, MemberState
from services.history.messages import MessageRecord, ReactionRecord

Key = TypeVar("Key")


class RoomRecord(Model):
    """A room without its people, after the event at `seq`. `messages` counts every `message_posted` so far."""

    room: RoomIdField
    epoch: EpochField
    seq: Seq
    title: Title
    visibility: Visibility
    capacity: int
    topic: Topic
    metadata: Metadata
    retention_days: int | None
    created_at: Moment
    updated_at: Moment
    closed: bool = False
    members: int = 0
    messages: int = 0
    last_message_seq: Seq = 0
    preview: str = ""


class Standing(Model):
    """What a user is to a room as of `seq`: a member, banned, a former member of whom it remembers something, or
    nothing (a tombstone). Marks move without a seq."""

    room: RoomIdField
    user: UserIdField
    seq: Seq
    membership: MemberState | None = None
    ban: BanState | None = None
    former: FormerState | None = None


class InviteRecord(Model):
    """An invite as of `seq`; `state` absent: it was revoked."""

    room: RoomIdField
    invite: InviteIdField
    seq: Seq
    state: InviteState | None = None


class Put(NamedTuple):
    """Whose reactions to which message."""

    target: int
    user: UserId


Record = TypeVar("Record", Standing, InviteRecord, MessageRecord, ReactionRecord)


@dataclass(frozen=True, slots=True)
class Change:
    """The records one event leaves behind."""

    room: RoomRecord
    standings: tuple[Standing, ...] = ()
    invites: tuple[InviteRecord, ...] = ()
    messages: tuple[MessageRecord, ...] = ()
    reactions: tuple[ReactionRecord, ...] = ()


@dataclass(slots=True)
class Projection:
    """A room's records, or as many of them as an event touches. Messages are found by where they stand, reactions by
    that and their user."""

    room: RoomRecord | None = None
    standings: dict[UserId, Standing] = field(default_factory=dict)
    invites: dict[InviteId, InviteRecord] = field(default_factory=dict)
    messages: dict[int, MessageRecord] = field(default_factory=dict)
    reactions: dict[Put, ReactionRecord] = field(default_factory=dict)

    def apply(self, change: Change) -> None:
        """Take over what is newer than what is here."""
        self.room = change.room
        _take_newer(self.standings, {each.user: each for each in change.standings})
        _take_newer(self.invites, {each.invite: each for each in change.invites})
        _take_newer(self.messages, {each.place: each for each in change.messages})
        _take_newer(self.reactions, {Put(each.target, each.user): each for each in change.reactions})

    def mark(self, receipt: Receipt) -> None:
        """Raise a member's marks; for anyone else a receipt says nothing."""
        standing = self.standings.get(receipt.user)
        if standing is not None:
            self.standings[receipt.user] = marked(standing, receipt)


def touched_users(entry: Event | Receipt) -> frozenset[UserId]:
    """Whose standings an entry reads or changes."""
    match entry:
        case RoomCreated():
            return frozenset(member.user for member in entry.members)
        case MemberLeft(successor=successor) if successor is not None:
            return frozenset({entry.user, successor})
        case MemberBanned():
            return frozenset({entry.user, *entry.swept})
        case MemberJoined() | MemberLeft() | MemberUnbanned() | MemberChanged() | Receipt():
            return frozenset({entry.user})
        case _:
            return frozenset()


def touched_invites(entry: Event | Receipt) -> frozenset[InviteId]:
    """Which invites an entry reads or changes."""
    match entry:
        case InviteCreated():
            return frozenset({entry.invite, *entry.swept})
        case InviteRevoked():
            return frozenset({entry.invite})
        case MemberJoined(invite=invite) if invite is not None:
            return frozenset({invite})
        case _:
            return frozenset()


def touched_message(entry: Event | Receipt) -> int | None:
    """Where the message stands that an entry is about."""
    match entry:
        case MessageEdited() | MessageDeleted() | ReactionAdded() | ReactionRemoved():
            return entry.target
        case _:
            return None


def touched_reactions(entry: Event | Receipt) -> Put | None:
    """Whose reactions to which message an entry changes."""
    match entry:
        case ReactionAdded() | ReactionRemoved():
            return Put(entry.target, entry.actor)
        case _:
            return None


def marked(standing: Standing, receipt: Receipt) -> Standing:
    """The standing with marks raised to the receipt's; they never go down.

    A receipt older than the membership is a repeat from an earlier one, and says nothing of this.
    """
    member = standing.membership
    if member is None or receipt.at < member.joined_at:
        return standing
    marks = {"read": max(member.read, receipt.read), "delivered": max(member.delivered, receipt.delivered)}
    return standing.model_copy(update={"membership": member.model_copy(update=marks)})


def _take_newer(known: dict[Key, Record], changed: Mapping[Key, Record]) -> None:
    for key, record in changed.items():
        if key not in known or record.seq > known[key].seq:
            known[key] = record
