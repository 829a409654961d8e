"""Queries and their answers. Reads go to `chat.queries`; barrier queries travel through the log itself (design §5).

Every read of a room that is not public checks that `actor` is a member (I10).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from schemas import limits
from schemas.answers import Accepted, MemberView, Refused
from schemas.events import Event, MessagePosted
from schemas.fields import Emoji, Flag, Metadata, Moment, Title, Topic
from schemas.ids import CommandIdField, EpochField, InviteIdField, MessageIdField, RoomIdField, Seq, UserIdField
from schemas.model import Model
from schemas.roles import Role, Visibility
from schemas.state import BanState, InviteState, MessageState, Snapshot

Limit = Annotated[int, Field(ge=1, le=limits.PAGE_EVENTS, strict=True)]
Offset = Annotated[int, Field(ge=0, le=100_000, strict=True)]


class PageQuery(Model):
    """Events of a room, oldest first: those after `after`, or the last ones before `before`, or the newest.

    With `through_seq` the answer waits, bounded, until that much is stored. `messages` leaves all other events out.
    A page ends early, but never empty, before its events are more than `limits.PAGE_BYTES` of JSON: go on from its end.
    """

    type: Literal["page"] = "page"
    room: RoomIdField
    actor: UserIdField
    after: Seq | None = None
    before: Seq | None = None
    limit: Limit = 50
    messages: Flag = False
    through_seq: Seq | None = None


class RoomQuery(Model):
    """One room as the actor sees it."""

    type: Literal["room"] = "room"
    room: RoomIdField
    actor: UserIdField
    through_seq: Seq | None = None


class RoomsQuery(Model):
    """The directory: public rooms that are open, newest activity first. With `through_seq` of `through_room` the answer
    waits, bounded, until that much of that one room is stored."""

    type: Literal["rooms"] = "rooms"
    actor: UserIdField
    limit: Limit = 50
    offset: Offset = 0
    through_room: RoomIdField | None = None
    through_seq: Seq | None = None


class MyRoomsQuery(Model):
    """The rooms the actor is a member of, newest activity first, with unread counts. `through_seq` of `through_room` as
    in the directory."""

    type: Literal["my_rooms"] = "my_rooms"
    actor: UserIdField
    limit: Limit = 50
    offset: Offset = 0
    through_room: RoomIdField | None = None
    through_seq: Seq | None = None


class MembersQuery(Model):
    """Members of a room, by user id, after the user `after`."""

    type: Literal["members"] = "members"
    room: RoomIdField
    actor: UserIdField
    after: UserIdField | None = None
    limit: Limit = 200
    through_seq: Seq | None = None


class SearchQuery(Model):
    """Messages that hold the words of `query`, in one room or in all of the actor's. `through_seq` goes with `room`."""

    type: Literal["search"] = "search"
    actor: UserIdField
    query: Annotated[str, Field(min_length=1, max_length=200)]
    room: RoomIdField | None = None
    limit: Limit = 20
    through_seq: Seq | None = None


class MessageQuery(Model):
    """One message by its id."""

    type: Literal["message"] = "message"
    room: RoomIdField
    actor: UserIdField
    message_id: MessageIdField
    through_seq: Seq | None = None


class BansQuery(Model):
    """Who is kept out of a room, by user id, after the user `after`; or what is known of one `user`. For those whose
    role may ban."""

    type: Literal["bans"] = "bans"
    room: RoomIdField
    actor: UserIdField
    user: UserIdField | None = None
    after: UserIdField | None = None
    limit: Limit = 200
    through_seq: Seq | None = None


class InvitesQuery(Model):
    """The invites of a room, by id, worthless ones too until they are swept. For those whose role may invite."""

    type: Literal["invites"] = "invites"
    room: RoomIdField
    actor: UserIdField
    through_seq: Seq | None = None


class InviteQuery(Model):
    """What an invite is for. Whoever holds it may ask: its id is the secret."""

    type: Literal["invite"] = "invite"
    room: RoomIdField
    actor: UserIdField
    invite: InviteIdField
    through_seq: Seq | None = None


Query = (
    PageQuery
    | RoomQuery
    | RoomsQuery
    | MyRoomsQuery
    | MembersQuery
    | SearchQuery
    | MessageQuery
    | BansQuery
    | InvitesQuery
    | InviteQuery
)
QUERY: Final[TypeAdapter[Query]] = TypeAdapter(Annotated[Query, Field(discriminator="type")])
"""Parses a query. Raises `pydantic.ValidationError` for anything else."""


class SnapshotQuery(Model):
    """A new writer asks for a room; history raises the room's fence and answers with `Snapshot`."""

    type: Literal["snapshot"] = "snapshot"
    room: RoomIdField
    worker: str


class LookupQuery(Model):
    """A writer asks whether a command was applied long ago."""

    type: Literal["lookup"] = "lookup"
    room: RoomIdField
    actor: UserIdField
    command_id: CommandIdField


class TargetQuery(Model):
    """A writer asks about the message at `seq`, and what `actor` has put to it."""

    type: Literal["target"] = "target"
    room: RoomIdField
    actor: UserIdField
    seq: Seq


class HoleQuery(Model):
    """A gate asks for events it missed: those after `after`, oldest first, at most `limit`. Gates are trusted: only
    who may write to the log can ask, and no membership is checked."""

    type: Literal["hole"] = "hole"
    room: RoomIdField
    after: Seq
    limit: Limit = limits.PAGE_EVENTS


Barrier = SnapshotQuery | LookupQuery | TargetQuery | HoleQuery
BARRIER: Final[TypeAdapter[Barrier]] = TypeAdapter(Annotated[Barrier, Field(discriminator="type")])
"""Parses a barrier query. Raises `pydantic.ValidationError` for anything else."""


class PageAnswer(Model):
    """Events oldest first; `head` is the newest seq stored. `through_seq` was not reached in time: `behind`."""

    type: Literal["page"] = "page"
    room: RoomIdField
    epoch: EpochField
    head: Seq
    events: tuple[Annotated[Event, Field(discriminator="event")], ...]
    behind: bool = False


class RoomView(Model):
    """A room in a list. `role` and `unread` are the actor's own, absent for a stranger. `message_count` counts every
    message ever written."""

    room: RoomIdField
    epoch: EpochField
    seq: Seq
    title: Title
    topic: Topic = ""
    visibility: Visibility
    capacity: int
    closed: bool = False
    member_count: int
    created_at: Moment
    updated_at: Moment
    role: Role | None = None
    unread: int | None = None
    preview: str | None = None
    metadata: Metadata = {}
    message_count: int = 0


class RoomAnswer(Model):
    """One room."""

    type: Literal["room"] = "room"
    view: RoomView


class RoomsAnswer(Model):
    """Some rooms, and how many there are in all."""

    type: Literal["rooms"] = "rooms"
    rooms: tuple[RoomView, ...]
    total: int


class MembersAnswer(Model):
    """Some members of a room; `next` continues after the last of them."""

    type: Literal["members"] = "members"
    room: RoomIdField
    members: tuple[MemberView, ...]
    total: int
    next: UserIdField | None = None


class SearchAnswer(Model):
    """Messages found, newest first."""

    type: Literal["found"] = "found"
    events: tuple[Annotated[Event, Field(discriminator="event")], ...]


class MessageAnswer(Model):
    """One message, as its later events left it."""

    type: Literal["message"] = "message"
    event: MessagePosted


class BansAnswer(Model):
    """Some users who are kept out; `next` continues after the last of them. A ban whose `until` has passed keeps nobody
    out, and stays until it is lifted or swept."""

    type: Literal["bans"] = "bans"
    room: RoomIdField
    bans: tuple[BanState, ...]
    next: UserIdField | None = None


class InvitesAnswer(Model):
    """The invites of a room."""

    type: Literal["invites"] = "invites"
    room: RoomIdField
    invites: Annotated[tuple[InviteState, ...], Field(max_length=limits.INVITES)]


class InviteAnswer(Model):
    """The room that an invite leads to, for who holds it; `role` is what one becomes there."""

    type: Literal["invite"] = "invite"
    room: RoomIdField
    title: Title
    topic: Topic = ""
    member_count: int
    role: Role
    expires_at: Moment


class SnapshotAnswer(Model):
    """A snapshot for a new writer, or part number `part` of one; with `more` the next part follows with the same
    correlation (see `schemas.parts`)."""

    type: Literal["snapshot"] = "snapshot"
    snapshot: Snapshot
    part: Annotated[int, Field(ge=0, strict=True)] = 0
    more: bool = False


class LookupAnswer(Model):
    """The answer the command got, if it was ever applied."""

    type: Literal["lookup"] = "lookup"
    answer: Accepted | None = None


class TargetAnswer(Model):
    """The message, absent where none stands at that seq, and the kinds of reaction of who asked."""

    type: Literal["target"] = "target"
    message: MessageState | None = None
    reacted: Annotated[tuple[Emoji, ...], Field(max_length=limits.REACTION_KINDS)] = ()


QueryAnswer = (
    PageAnswer
    | RoomAnswer
    | RoomsAnswer
    | MembersAnswer
    | SearchAnswer
    | MessageAnswer
    | BansAnswer
    | InvitesAnswer
    | InviteAnswer
    | SnapshotAnswer
    | LookupAnswer
    | TargetAnswer
    | Refused
)
QUERY_ANSWER: Final[TypeAdapter[QueryAnswer]] = TypeAdapter(Annotated[QueryAnswer, Field(discriminator="type")])
"""Parses the answer to a query. Raises `pydantic.ValidationError` for anything else."""
