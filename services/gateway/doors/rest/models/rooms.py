"""Conversations: made, changed, listed and told whole."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from schemas import limits
from schemas.answers import Accepted
from schemas.fields import Capacity, GivenTitle, Metadata, Mood, Reason, RetentionDays, Title, Topic
from schemas.ids import CommandIdField, EpochField, RoomIdField, Seq, UserIdField
from schemas.queries import RoomView
from schemas.roles import Role, Status, Visibility
from services.gateway.doors.rest.models.incoming import Incoming
from services.gateway.doors.rest.models.messages import Message
from services.gateway.doors.rest.models.participants import Participant, Person

Mode = Literal["list", "summarize", "generate"]
PEOPLE_READ = 1_000
"""A request may name so many people to be read at all; how many may be in a conversation is said by its refusal."""


class CreateRequest(Incoming):
    """A new conversation: `participant` and `additional_participants`, or `participants`. The creator is the token's
    user in both. A `direct` one names one other person; its id follows from the two."""

    title: GivenTitle | None = None
    participant: Person | None = None
    additional_participants: Annotated[tuple[Person, ...], Field(max_length=PEOPLE_READ)] = ()
    participants: Annotated[tuple[Person, ...], Field(max_length=PEOPLE_READ)] | None = None
    sites: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=32)] = ()
    mode: Mode = "list"
    visibility: Visibility = Visibility.PUBLIC
    capacity: Capacity = limits.ROOM_MEMBERS
    topic: Topic = ""
    metadata: Metadata = Field(default_factory=dict)
    retention_days: RetentionDays | None = None


class UpdateRequest(Incoming):
    """What is to change of a conversation; what is left out stays. `metadata` replaces all of it."""

    title: GivenTitle | None = None
    topic: Topic | None = None
    capacity: Capacity | None = None
    visibility: Visibility | None = None
    metadata: Metadata | None = None


class StatusRequest(Incoming):
    """How available the caller is; it lasts as long as a connection of theirs is in the conversation."""

    state: Status
    mood: Mood = ""
    text: Reason = ""


class Applied(BaseModel):
    """The command was accepted: its event, if it made one, is in the log. `sequence_id` is the event's, else the
    conversation's newest."""

    success: Literal[True] = True
    conversation_id: RoomIdField
    command_id: CommandIdField
    epoch: EpochField
    sequence_id: Seq
    timestamp: datetime

    @classmethod
    def of(cls, accepted: Accepted) -> Applied:
        """What the room said."""
        return cls(
            conversation_id=accepted.room,
            command_id=accepted.command_id,
            epoch=accepted.epoch,
            sequence_id=accepted.seq,
            timestamp=accepted.at,
        )


class Created(BaseModel):
    """A conversation was made."""

    id: RoomIdField
    conversation_id: RoomIdField
    title: Title
    sites: tuple[str, ...]
    mode: str
    participants: list[Participant]
    created_at: datetime
    capacity: int
    websocket_url: str


class Conversation(BaseModel):
    """A conversation in a list. One that is closed, or that everybody left, is inactive."""

    id: RoomIdField
    conversation_id: RoomIdField
    title: Title
    topic: str
    sites: list[str]
    mode: str
    visibility: Visibility
    status: Literal["active", "inactive"]
    participant_count: int
    message_count: int
    capacity: int
    role: Role | None
    unread_count: int
    last_message_preview: str | None
    metadata: dict[str, Any]  # Any: free-form data
    epoch: EpochField
    seq: Seq
    created_at: datetime
    updated_at: datetime
    websocket_url: str

    @classmethod
    def of(cls, view: RoomView) -> Conversation:
        """A room as history tells of it."""
        sites, mode = view.metadata.get("sites"), view.metadata.get("mode")
        return cls(
            id=view.room,
            conversation_id=view.room,
            title=view.title,
            topic=view.topic,
            sites=[site for site in sites if isinstance(site, str)] if isinstance(sites, list) else [],
            mode=mode if isinstance(mode, str) else "list",
            visibility=view.visibility,
            status="inactive" if view.closed or view.member_count == 0 else "active",
            participant_count=view.member_count,
            message_count=view.message_count,
            capacity=view.capacity,
            role=view.role,
            unread_count=view.unread or 0,
            last_message_preview=view.preview,
            metadata=view.metadata,
            epoch=view.epoch,
            seq=view.seq,
            created_at=view.created_at,
            updated_at=view.updated_at,
            websocket_url=websocket_url(view.room),
        )


class FullConversation(Conversation):
    """A conversation with its first members by id, and its last messages, oldest first."""

    participants: list[Participant]
    messages: list[Message]
    last_message_at: datetime | None

    @classmethod
    def whole(cls, view: RoomView, participants: list[Participant], messages: list[Message]) -> FullConversation:
        """The parts put together."""
        return cls(
            **Conversation.of(view).model_dump(),
            participants=participants,
            messages=messages,
            last_message_at=messages[-1].timestamp if messages else None,
        )


class Conversations(BaseModel):
    """Some of the caller's conversations."""

    conversations: list[Conversation]
    total: int
    limit: int
    offset: int


class Directory(BaseModel):
    """Some public conversations."""

    rooms: list[Conversation]
    total: int
    limit: int
    offset: int


class Joined(BaseModel):
    """The caller is a member now. Without `conversation` that could not be read just now."""

    success: Literal[True] = True
    conversation_id: RoomIdField
    participant_id: UserIdField
    conversation: FullConversation | None


def websocket_url(room: str) -> str:
    """Where a conversation's live events are, relative to the gate that said it."""
    return f"/chat/ws/{room}"
