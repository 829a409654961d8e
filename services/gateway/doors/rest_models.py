"""Shapes of the HTTP API. Both spellings of older clients are taken and given: ids as `id` and `conversation_id`,
people as `participantId`/`displayName` and `id`/`name`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from schemas import limits
from schemas.answers import Accepted, MemberView
from schemas.events import Event, MessagePosted
from schemas.fields import Capacity, GivenTitle, Metadata, Text, Title, Topic
from schemas.ids import CommandIdField, EpochField, MessageIdField, RoomIdField, Seq, UserId, UserIdField
from schemas.queries import PageAnswer, RoomView
from schemas.roles import Role, Visibility

PARTICIPANTS_PER_CREATE = 10


class Incoming(BaseModel):
    """A request body; what we do not know in it is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Person(Incoming):
    """Somebody named in a request, in either spelling."""

    user: UserIdField = Field(validation_alias=AliasChoices("participantId", "user_id"))
    name: Annotated[str, Field(max_length=limits.TITLE_CHARACTERS)] = Field(
        default="", validation_alias=AliasChoices("displayName", "name")
    )


class CreateRequest(Incoming):
    """A new conversation: `participant` and `additional_participants`, or `participants`. The creator is the token's
    user in both."""

    title: GivenTitle | None = None
    participant: Person | None = None
    additional_participants: Annotated[tuple[Person, ...], Field(max_length=limits.CREATE_MEMBERS)] = ()
    participants: Annotated[tuple[Person, ...], Field(max_length=PARTICIPANTS_PER_CREATE)] | None = None
    sites: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=32)] = ()
    mode: Literal["list", "summarize", "generate"] = "list"
    visibility: Visibility = Visibility.PUBLIC
    capacity: Capacity = limits.ROOM_MEMBERS
    topic: Topic = ""
    metadata: Metadata = {}


class JoinRequest(Incoming):
    """Joining; whoever is named must be the token's user."""

    participant: Person | None = None
    user_id: UserIdField | None = None
    invite: str | None = None


class MessageRequest(Incoming):
    """A message; `message_id` is the client's own id for it and makes a repeat harmless."""

    content: Text
    message_id: CommandIdField | None = None
    sender_id: UserIdField | None = None
    metadata: Metadata = {}


class Participant(BaseModel):
    """A member."""

    id: UserIdField
    name: str
    participantId: UserIdField  # noqa: N815 - an older client's spelling
    displayName: str  # noqa: N815 - an older client's spelling
    type: Literal["human"] = "human"
    role: Role
    isOnline: bool = False  # noqa: N815 - an older client's spelling

    @classmethod
    def of(cls, member: MemberView, name: str = "") -> Participant:
        """A member under a display name, else under their id."""
        shown = name or member.user
        user = member.user
        return cls(id=user, name=shown, participantId=user, displayName=shown, role=member.role, isOnline=member.online)


class Message(BaseModel):
    """A message as its later events left it, `sequence_id` being its seq. A `deleted` one has no content any more."""

    id: MessageIdField
    message_id: MessageIdField
    sequence_id: Seq
    sender_id: UserIdField
    content: str
    timestamp: datetime
    type: str
    status: Literal["delivered"] = "delivered"
    deleted: bool = False

    @classmethod
    def of(cls, event: MessagePosted) -> Message:
        """The message an event posted."""
        return cls(
            id=event.message_id,
            message_id=event.message_id,
            sequence_id=event.seq,
            sender_id=event.actor,
            content=event.text or "",
            timestamp=event.at,
            type=event.kind.value,
            deleted=event.deleted is True,
        )


def messages_of(events: tuple[Event, ...]) -> list[Message]:
    """The messages among some events."""
    return [Message.of(event) for event in events if isinstance(event, MessagePosted)]


class Created(BaseModel):
    """A conversation was made."""

    id: RoomIdField
    conversation_id: RoomIdField
    title: Title
    sites: tuple[str, ...]
    mode: str
    participants: list[Participant]
    created_at: datetime
    websocket_url: str


class Conversation(BaseModel):
    """A room in a list."""

    id: RoomIdField
    conversation_id: RoomIdField
    title: Title
    topic: str
    visibility: Visibility
    status: Literal["active", "inactive"]
    participant_count: int
    capacity: int
    role: Role | None
    unread_count: int
    last_message_preview: str | None
    epoch: EpochField
    seq: Seq
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: RoomView) -> Conversation:
        """A room as history tells of it."""
        return cls(
            id=view.room,
            conversation_id=view.room,
            title=view.title,
            topic=view.topic,
            visibility=view.visibility,
            status="inactive" if view.closed else "active",
            participant_count=view.member_count,
            capacity=view.capacity,
            role=view.role,
            unread_count=view.unread or 0,
            last_message_preview=view.preview,
            epoch=view.epoch,
            seq=view.seq,
            created_at=view.created_at,
            updated_at=view.updated_at,
        )


class FullConversation(Conversation):
    """A room with its members and its last messages, oldest first."""

    participants: list[Participant]
    messages: list[Message]


class Conversations(BaseModel):
    """Some of the caller's rooms."""

    conversations: list[Conversation]
    total: int
    limit: int
    offset: int


class Directory(BaseModel):
    """Some public rooms."""

    rooms: list[Conversation]
    total: int
    limit: int
    offset: int


class Joined(BaseModel):
    """The caller is a member now."""

    success: Literal[True] = True
    participant_id: UserIdField
    conversation: FullConversation


class Left(BaseModel):
    """The caller is a member no longer."""

    success: Literal[True] = True
    message: str = "Successfully left the conversation"
    conversation_id: RoomIdField
    remaining_participants: int
    conversation_archived: bool


class Sent(BaseModel):
    """The message is in the log."""

    success: Literal[True] = True
    message_id: MessageIdField | None
    client_message_id: CommandIdField
    sequence_id: Seq
    epoch: EpochField
    timestamp: datetime

    @classmethod
    def of(cls, accepted: Accepted) -> Sent:
        """What the room said."""
        return cls(
            message_id=accepted.message_id,
            client_message_id=accepted.command_id,
            sequence_id=accepted.seq,
            epoch=accepted.epoch,
            timestamp=accepted.at,
        )


class MessagePage(BaseModel):
    """Some messages, oldest first; `head` is the newest seq of the room."""

    conversation_id: RoomIdField
    epoch: EpochField
    head: Seq
    messages: list[Message]

    @classmethod
    def of(cls, page: PageAnswer) -> MessagePage:
        """A page of history."""
        return cls(conversation_id=page.room, epoch=page.epoch, head=page.head, messages=messages_of(page.events))


class SocketCheck(BaseModel):
    """The WebSocket door."""

    status: str
    connections: int
    sessions: int


class PartCheck(BaseModel):
    """Another part."""

    status: str


class Checks(BaseModel):
    """The parts of the service as this gate sees them."""

    websocket: SocketCheck
    storage: PartCheck
    queues: PartCheck


class ChatHealth(BaseModel):
    """How the service is; always 200, the word says the rest."""

    status: Literal["healthy", "degraded"]
    connections: int
    checks: Checks
    timestamp: datetime


class Login(Incoming):
    """A demo user."""

    user: UserId


class LoginToken(BaseModel):
    """A token for a demo user."""

    token: str
    user: UserId
