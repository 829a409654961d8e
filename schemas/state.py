"""What a room is at a position: the shape of snapshots, which history folds and the room service starts from (I7)."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from schemas.answers import Accepted
from schemas.events import ReactionCount
from schemas.fields import Metadata, Moment, Reason, Title, Topic
from schemas.ids import CommandIdField, EpochField, InviteIdField, RoomIdField, Seq, UserIdField
from schemas.model import Model
from schemas.roles import Role, Visibility


class MemberState(Model):
    """A member of a room. `read` and `delivered` are high-water marks."""

    user: UserIdField
    role: Role
    joined_at: Moment
    joined_seq: Seq
    muted: bool = False
    muted_until: Moment | None = None
    read: Seq = 0
    delivered: Seq = 0


class BanState(Model):
    """A user who is kept out."""

    user: UserIdField
    text: Reason = ""
    until: Moment | None = None


class FormerState(Model):
    """Somebody who is no member any more, and what they will be again if they come back: a reader, muted."""

    user: UserIdField
    reader: bool = False
    muted: bool = False
    muted_until: Moment | None = None


class InviteState(Model):
    """An invite and how often it was used."""

    invite: InviteIdField
    role: Role
    expires_at: Moment
    max_uses: int | None = None
    uses: int = 0

    def is_worthless(self, now: datetime) -> bool:
        """It lets nobody in any more: it has expired, or is used up."""
        return self.expires_at <= now or (self.max_uses is not None and self.uses >= self.max_uses)


class MessageState(Model):
    """What a writer has to know of a message to decide about it."""

    seq: Seq
    author: UserIdField
    posted_at: Moment
    deleted: bool = False
    reactions: tuple[ReactionCount, ...] = ()


class RoomState(Model):
    """All of a room but its messages, after the event at (`epoch`, `seq`). Lists are ordered by user or invite id."""

    room: RoomIdField
    epoch: EpochField
    seq: Seq
    title: Title
    visibility: Visibility
    capacity: int
    topic: Topic = ""
    metadata: Metadata = {}
    retention_days: int | None = None
    created_at: Moment
    updated_at: Moment
    closed: bool = False
    members: tuple[MemberState, ...] = ()
    bans: tuple[BanState, ...] = ()
    formers: tuple[FormerState, ...] = ()
    invites: tuple[InviteState, ...] = ()


class AppliedCommand(Model):
    """A command that was applied, with the answer it got: what a retry is answered from (I2)."""

    actor: UserIdField
    command_id: CommandIdField
    answer: Accepted


class Snapshot(Model):
    """A room for a new writer, or a part of one. `state` absent: there is no such room. `fence` is the writer's term
    from here on; `recent` are the latest applied commands, oldest first.

    A big room comes in parts: each repeats what is no list, and holds the next piece of the lists.
    """

    room: RoomIdField
    fence: int = Field(ge=1)
    state: RoomState | None = None
    recent: tuple[AppliedCommand, ...] = ()
