"""Commands: wishes in the imperative, which the room decides (design §3.1).

`type` is the verb and the last word of the routing key.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from schemas import limits
from schemas.fields import Capacity, Emoji, Flag, GivenTitle, Metadata, Moment, Mood, Reason, RetentionDays, Text, Topic
from schemas.ids import (
    ClientIdField,
    CommandIdField,
    EpochField,
    InviteIdField,
    RoomIdField,
    Seq,
    UserIdField,
)
from schemas.model import Model
from schemas.roles import MessageKind, Role, Status, Visibility


class CommandBase(Model):
    """What every command carries. `client` names the connection it came from; `retry` says it was sent before."""

    room: RoomIdField
    actor: UserIdField
    command_id: CommandIdField
    client: ClientIdField | None = None
    retry: Flag = False


class Create(CommandBase):
    """Make a room; the actor becomes its owner, `members` become members. A `direct` one names one other user, both are
    owners, and its id is `schemas.ids.direct_room_id` of the two."""

    type: Literal["create"] = "create"
    title: GivenTitle
    visibility: Visibility = Visibility.PUBLIC
    capacity: Capacity = limits.ROOM_MEMBERS
    topic: Topic = ""
    members: Annotated[tuple[UserIdField, ...], Field(max_length=limits.CREATE_MEMBERS)] = ()
    metadata: Metadata = {}
    retention_days: RetentionDays | None = None


class Update(CommandBase):
    """Change what a room says of itself; absent fields stay."""

    type: Literal["update"] = "update"
    title: GivenTitle | None = None
    topic: Topic | None = None
    capacity: Capacity | None = None
    visibility: Visibility | None = None
    metadata: Metadata | None = None


class Close(CommandBase):
    """End a room: it may still be read, nothing is written to it again."""

    type: Literal["close"] = "close"


class Join(CommandBase):
    """Become a member; a room that is not public wants an invite."""

    type: Literal["join"] = "join"
    invite: InviteIdField | None = None


class Leave(CommandBase):
    """Stop being a member. The last owner names a successor."""

    type: Literal["leave"] = "leave"
    successor: UserIdField | None = None


class Add(CommandBase):
    """Make somebody else a member."""

    type: Literal["add"] = "add"
    user: UserIdField


class Kick(CommandBase):
    """End somebody else's membership; they may come back."""

    type: Literal["kick"] = "kick"
    user: UserIdField
    reason: Reason = ""


class Ban(CommandBase):
    """End somebody's membership and keep them out, until `until` or for good."""

    type: Literal["ban"] = "ban"
    user: UserIdField
    reason: Reason = ""
    until: Moment | None = None


class Unban(CommandBase):
    """Lift a ban."""

    type: Literal["unban"] = "unban"
    user: UserIdField


class SetRole(CommandBase):
    """Give a member another role."""

    type: Literal["set_role"] = "set_role"
    user: UserIdField
    role: Role


class Mute(CommandBase):
    """Take a member's voice, until `until` or for good."""

    type: Literal["mute"] = "mute"
    user: UserIdField
    until: Moment | None = None


class Unmute(CommandBase):
    """Give a member's voice back."""

    type: Literal["unmute"] = "unmute"
    user: UserIdField


class Invite(CommandBase):
    """Make an invite that lets its holder join with `role`."""

    type: Literal["invite"] = "invite"
    expires_at: Moment | None = None
    max_uses: Annotated[int, Field(ge=1, le=limits.ROOM_MEMBERS, strict=True)] | None = None
    role: Role = Role.MEMBER


class RevokeInvite(CommandBase):
    """Make an invite worthless."""

    type: Literal["revoke_invite"] = "revoke_invite"
    invite: InviteIdField


class Send(CommandBase):
    """Write a message."""

    type: Literal["send"] = "send"
    text: Text
    kind: MessageKind = MessageKind.TEXT
    metadata: Metadata = {}
    reply_to: Seq | None = None
    mentions: Annotated[tuple[UserIdField, ...], Field(max_length=limits.MENTIONS)] = ()


class Edit(CommandBase):
    """Replace the text of the message at `seq`."""

    type: Literal["edit"] = "edit"
    seq: Seq
    text: Text


class Delete(CommandBase):
    """Take the text of the message at `seq` away for good; its row stays."""

    type: Literal["delete"] = "delete"
    seq: Seq


class React(CommandBase):
    """Put a reaction to the message at `seq`."""

    type: Literal["react"] = "react"
    seq: Seq
    emoji: Emoji


class Unreact(CommandBase):
    """Take one's reaction back."""

    type: Literal["unreact"] = "unreact"
    seq: Seq
    emoji: Emoji


class MarkRead(CommandBase):
    """Everything up to `seq` was read; the mark only grows."""

    type: Literal["mark_read"] = "mark_read"
    seq: Seq


class MarkDelivered(CommandBase):
    """Everything up to `seq` has reached one of the user's devices; the mark only grows."""

    type: Literal["mark_delivered"] = "mark_delivered"
    seq: Seq


class Typing(CommandBase):
    """Say that one is writing, or no longer. Never logged."""

    type: Literal["typing"] = "typing"
    active: Flag = True


class SetStatus(CommandBase):
    """Say how available one is."""

    type: Literal["set_status"] = "set_status"
    state: Status
    mood: Mood = ""
    text: Reason = ""


class Position(Model):
    """A place in one incarnation of a room's numbering: all up to and including `seq` was seen."""

    epoch: EpochField
    seq: Seq


class SaidStatus(Model):
    """How available a user says they are."""

    state: Status
    mood: Mood = ""
    text: Reason = ""


class Session(Model):
    """One client of a gate that wants, or no longer wants, a room's events.

    Attributes:
        attach_ref: grows with every attach at the gate and stays the session's own: a `detach` that names a lower one
            than the room holds is late, and changes nothing.
        status: what the user last said here, so that a new writer of the room knows it too.
    """

    client: ClientIdField
    user: UserIdField
    position: Position | None = None
    attach_ref: Seq = 0
    status: SaidStatus | None = None


class Attach(CommandBase):
    """A gate says which of its clients hold a session of the room. `actor` is the gate; the answer comes through
    the gate's own queue, in order with the events, so that "from here on" is exact (design §6)."""

    type: Literal["attach"] = "attach"
    sessions: Annotated[tuple[Session, ...], Field(min_length=1, max_length=limits.SESSIONS_PER_ATTACH)]


class Detach(CommandBase):
    """A gate says which of its clients hold a session no longer. `actor` is the gate; there is no answer."""

    type: Literal["detach"] = "detach"
    sessions: Annotated[tuple[Session, ...], Field(min_length=1, max_length=limits.SESSIONS_PER_ATTACH)]


class Inspect(CommandBase):
    """An operator asks the room's writer what it knows of the room; answered with `schemas.operations.Inspection`."""

    type: Literal["inspect"] = "inspect"


ClientCommand = (
    Create
    | Update
    | Close
    | Join
    | Leave
    | Add
    | Kick
    | Ban
    | Unban
    | SetRole
    | Mute
    | Unmute
    | Invite
    | RevokeInvite
    | Send
    | Edit
    | Delete
    | React
    | Unreact
    | MarkRead
    | MarkDelivered
    | Typing
    | SetStatus
)
"""What a person or a program may wish, over any door."""

Command = ClientCommand | Attach | Detach | Inspect

CLIENT_COMMAND: Final[TypeAdapter[ClientCommand]] = TypeAdapter(Annotated[ClientCommand, Field(discriminator="type")])
"""Parses a command body from outside. Raises `pydantic.ValidationError` for anything else, gate verbs included."""

COMMAND: Final[TypeAdapter[Command]] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
"""Parses a command body. Raises `pydantic.ValidationError` for anything else."""

COMMANDS: Final[dict[str, type[Command]]] = {model.model_fields["type"].default: model for model in Command.__args__}
"""Every verb with its shape."""

GATE_VERBS: Final = frozenset({"attach", "detach"})
"""Verbs only a gate may use; every door for people and programs refuses them."""

OPERATOR_VERBS: Final = frozenset({"inspect"})
"""Verbs only who may write to `chat.commands` can use; every door refuses them as well."""

EVENTLESS_VERBS: Final = frozenset({"mark_read", "mark_delivered", "typing", "set_status"})
"""Verbs of people that never make an event: to repeat one does no harm, so nobody looks for its first answer."""
