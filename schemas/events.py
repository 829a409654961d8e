"""Events: facts in the past tense with a `seq`, and state records, which have none (design §3.1).

One command makes at most one event, so that no crash can leave half of its effect (docs/decisions). The JSON of an
event *is* the frame a client receives; the log's body is the same object with the writer's `fence` at its end.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, from_json

from schemas import limits
from schemas.errors import Code
from schemas.fields import Capacity, Emoji, Metadata, Moment, Reason, RetentionDays, Text, Title, Topic
from schemas.ids import (
    CommandIdField,
    EpochField,
    InviteIdField,
    MessageIdField,
    RoomIdField,
    Seq,
    UserId,
    UserIdField,
)
from schemas.model import Model
from schemas.roles import LeaveReason, MessageKind, Role, Visibility


class EventBase(Model):
    """What every event carries. `actor` and `command_id` are those of the command that made it."""

    type: Literal["event"] = "event"
    room: RoomIdField
    epoch: EpochField
    seq: Annotated[Seq, Field(ge=1)]
    at: Moment
    actor: UserIdField
    command_id: CommandIdField


class FirstMember(Model):
    """Somebody who is a member from a room's first moment."""

    user: UserIdField
    role: Role


class RoomCreated(EventBase):
    """A room began, with its first members."""

    event: Literal["room_created"] = "room_created"
    title: Title
    visibility: Visibility
    capacity: Capacity
    topic: Topic = ""
    metadata: Metadata = {}
    retention_days: RetentionDays | None = None
    members: Annotated[tuple[FirstMember, ...], Field(max_length=limits.CREATE_MEMBERS + 1)]


class RoomUpdated(EventBase):
    """Some of what a room says of itself changed; absent fields did not."""

    event: Literal["room_updated"] = "room_updated"
    title: Title | None = None
    topic: Topic | None = None
    capacity: Capacity | None = None
    visibility: Visibility | None = None
    metadata: Metadata | None = None


class RoomClosed(EventBase):
    """A room ended; nothing is written to it again."""

    event: Literal["room_closed"] = "room_closed"


class MemberJoined(EventBase):
    """`user` became a member, by their own wish (with `invite`, or without) or by the actor's; `muted` where they were
    so when they went, and still are. What the room kept of them is forgotten."""

    event: Literal["member_joined"] = "member_joined"
    user: UserIdField
    role: Role
    invite: InviteIdField | None = None
    muted: bool | None = None
    until: Moment | None = None


class MemberLeft(EventBase):
    """`user` is no member any longer; `successor` became owner in their place. `kept`: the room remembers that they
    are muted or a reader."""

    event: Literal["member_left"] = "member_left"
    user: UserIdField
    reason: LeaveReason
    text: Reason = ""
    successor: UserIdField | None = None
    kept: bool | None = None


class MemberBanned(EventBase):
    """`user` is kept out, and is no member any longer. In a room that has all the bans it may, `swept` are users whose
    bans had ended and are forgotten with this. `kept` as in `member_left`."""

    event: Literal["member_banned"] = "member_banned"
    user: UserIdField
    text: Reason = ""
    until: Moment | None = None
    swept: Annotated[tuple[UserIdField, ...], Field(max_length=limits.BANS_SWEPT)] = ()
    kept: bool | None = None


class MemberUnbanned(EventBase):
    """`user` may come back."""

    event: Literal["member_unbanned"] = "member_unbanned"
    user: UserIdField


class MemberChanged(EventBase):
    """A member's role or voice changed; `muted` false means unmuted, absent means as before."""

    event: Literal["member_changed"] = "member_changed"
    user: UserIdField
    role: Role | None = None
    muted: bool | None = None
    until: Moment | None = None


class InviteCreated(EventBase):
    """An invite exists. `swept` are those that were worthless anyway and are forgotten with this."""

    event: Literal["invite_created"] = "invite_created"
    invite: InviteIdField
    role: Role
    expires_at: Moment
    max_uses: Annotated[int, Field(ge=1, le=limits.ROOM_MEMBERS, strict=True)] | None = None
    swept: Annotated[tuple[InviteIdField, ...], Field(max_length=limits.INVITES)] = ()


class InviteRevoked(EventBase):
    """An invite is worthless from here on."""

    event: Literal["invite_revoked"] = "invite_revoked"
    invite: InviteIdField


class ReactionCount(Model):
    """How many members reacted to a message with `emoji`."""

    emoji: Emoji
    count: Annotated[int, Field(ge=1, strict=True)]


class MessagePosted(EventBase):
    """A message was written.

    As it happens, it has a text and none of the fields behind `mentions`. Read from history it is as its later events
    left it: with its newest text, the seq of the edit that made it, its reactions; once `deleted`, or kept longer than
    the room's `retention_days`, it has no text, metadata and mentions any more.
    """

    event: Literal["message_posted"] = "message_posted"
    message_id: MessageIdField
    text: Text | None = None
    kind: MessageKind = MessageKind.TEXT
    metadata: Metadata = {}
    reply_to: Seq | None = None
    mentions: Annotated[tuple[UserIdField, ...], Field(max_length=limits.MENTIONS)] = ()
    edited_seq: Seq | None = None
    deleted: bool | None = None
    reactions: Annotated[tuple[ReactionCount, ...], Field(max_length=limits.REACTION_KINDS)] | None = None


class MessageEdited(EventBase):
    """The message at seq `target` has another text. Read from history without `text`: a later edit replaced it, or the
    message is gone."""

    event: Literal["message_edited"] = "message_edited"
    target: Seq
    text: Text | None = None


class MessageDeleted(EventBase):
    """The text of the message at seq `target` is gone for good."""

    event: Literal["message_deleted"] = "message_deleted"
    target: Seq


class ReactionAdded(EventBase):
    """The actor reacted to the message at seq `target`."""

    event: Literal["reaction_added"] = "reaction_added"
    target: Seq
    emoji: Emoji


class ReactionRemoved(EventBase):
    """The actor took a reaction to the message at seq `target` back."""

    event: Literal["reaction_removed"] = "reaction_removed"
    target: Seq
    emoji: Emoji


Event = (
    RoomCreated
    | RoomUpdated
    | RoomClosed
    | MemberJoined
    | MemberLeft
    | MemberBanned
    | MemberUnbanned
    | MemberChanged
    | InviteCreated
    | InviteRevoked
    | MessagePosted
    | MessageEdited
    | MessageDeleted
    | ReactionAdded
    | ReactionRemoved
)

EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Annotated[Event, Field(discriminator="event")])
"""Parses an event. Raises `pydantic.ValidationError` for anything else."""

EVENTS: Final[dict[str, type[Event]]] = {model.model_fields["event"].default: model for model in Event.__args__}
"""Every event name with its shape."""


class Expulsion(NamedTuple):
    """A user is no member any more: their sessions in the room end, and are told the code."""

    user: UserId
    code: Code = Code.NOT_A_MEMBER


def expulsion(event: Event) -> Expulsion | None:
    """Who is no member any more behind an event."""
    match event:
        case MemberLeft():
            return Expulsion(event.user)
        case MemberBanned():
            return Expulsion(event.user, Code.BANNED)
        case _:
            return None


class Receipt(Model):
    """A state record: how far a member has received and read. Marks only grow: one lost or repeated does no harm."""

    type: Literal["record"] = "record"
    record: Literal["receipt"] = "receipt"
    room: RoomIdField
    epoch: EpochField
    user: UserIdField
    read: Seq
    delivered: Seq
    at: Moment


RECORDS: Final[dict[str, type[Receipt]]] = {"receipt": Receipt}
"""Every state record by name."""


class Logged(NamedTuple):
    """What one delivery of the log holds: the fact, and the term of its writer."""

    entry: Event | Receipt
    fence: int


def encode_logged(frame: bytes, fence: int) -> bytes:
    """The log's body for an event or record whose JSON is `frame`: encoded once, the fence put at the end."""
    return b'%b,"fence":%d}' % (frame[:-1], fence)


def decode_logged(body: bytes) -> Logged:
    """Read a log body.

    Raises:
        pydantic.ValidationError: it is not JSON, or no event or record with a fence.
    """
    try:
        fields = from_json(body)
    except ValueError as error:
        raise _no_log_body(str(error), body) from error
    if not isinstance(fields, dict):
        raise _no_log_body("not a JSON object", body)
    fence = fields.pop("fence", None)
    if not isinstance(fence, int) or isinstance(fence, bool) or fence < 0:
        raise _no_log_body("no fence", body)
    entry = Receipt.model_validate(fields) if fields.get("type") == "record" else EVENT.validate_python(fields)
    return Logged(entry, fence)


def _no_log_body(reason: str, body: Any) -> ValidationError:  # Any: pydantic keeps the input as it came
    error = PydanticCustomError("log_body", "no log body: {reason}", {"reason": reason})
    return ValidationError.from_exception_data("Logged", [{"type": error, "loc": (), "input": body}])
