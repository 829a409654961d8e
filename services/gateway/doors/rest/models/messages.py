"""Messages: written, changed, found and read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from schemas import limits
from schemas.answers import Accepted
from schemas.events import Event, MessagePosted
from schemas.fields import Emoji, Flag, Metadata, Text
from schemas.ids import CommandIdField, EpochField, MessageIdField, RoomIdField, Seq, UserIdField
from schemas.queries import PageAnswer
from schemas.roles import MessageKind
from services.gateway.doors.rest.models.incoming import Incoming


class MessageRequest(Incoming):
    """A message; `message_id` is the client's own id for it and makes a repeat harmless. `reply_to` is the sequence id
    of a message, mentions are members."""

    content: Text
    message_id: CommandIdField | None = None
    sender_id: UserIdField | None = None
    kind: MessageKind = MessageKind.TEXT
    metadata: Metadata = Field(default_factory=dict)
    reply_to: Seq | None = None
    mentions: Annotated[tuple[UserIdField, ...], Field(max_length=limits.MENTIONS)] = ()


class EditRequest(Incoming):
    """Another text for a message."""

    content: Text


class MarkRequest(Incoming):
    """Everything up to this sequence id was read, or has arrived."""

    seq: Seq


class TypingRequest(Incoming):
    """Writing, or no longer."""

    active: Flag = True


class Reaction(BaseModel):
    """How many put this to a message."""

    emoji: Emoji
    count: int


class Message(BaseModel):
    """A message as its later events left it, `sequence_id` being its seq. A `deleted` one has no content any more."""

    id: MessageIdField
    message_id: MessageIdField
    conversation_id: RoomIdField
    sequence_id: Seq
    sender_id: UserIdField
    content: str
    timestamp: datetime
    type: MessageKind
    status: Literal["delivered"] = "delivered"
    deleted: bool = False
    edited: bool = False
    metadata: dict[str, Any] = {}  # Any: free-form data
    reply_to: Seq | None = None
    mentions: list[UserIdField] = []
    reactions: list[Reaction] = []

    @classmethod
    def of(cls, event: MessagePosted) -> Message:
        """The message an event posted."""
        return cls(
            id=event.message_id,
            message_id=event.message_id,
            conversation_id=event.room,
            sequence_id=event.seq,
            sender_id=event.actor,
            content=event.text or "",
            timestamp=event.at,
            type=event.kind,
            deleted=event.deleted is True,
            edited=event.edited_seq is not None,
            metadata=event.metadata,
            reply_to=event.reply_to,
            mentions=list(event.mentions),
            reactions=[Reaction(emoji=each.emoji, count=each.count) for each in event.reactions or ()],
        )


def messages_of(events: Iterable[Event]) -> list[Message]:
    """The messages among some events."""
    return [Message.of(event) for event in events if isinstance(event, MessagePosted)]


class Sent(BaseModel):
    """The message is in the log. `is_duplicate` is there where the gate knows: true, when it had been written before
    this request; then it was so at `original_timestamp`."""

    success: Literal[True] = True
    message_id: MessageIdField | None
    client_message_id: CommandIdField
    conversation_id: RoomIdField
    sequence_id: Seq
    epoch: EpochField
    timestamp: datetime
    is_duplicate: bool | None = None
    original_timestamp: datetime | None = None

    @classmethod
    def of(cls, accepted: Accepted, *, is_duplicate: bool | None) -> Sent:
        """What the room said."""
        return cls(
            message_id=accepted.message_id,
            client_message_id=accepted.command_id,
            conversation_id=accepted.room,
            sequence_id=accepted.seq,
            epoch=accepted.epoch,
            timestamp=accepted.at,
            is_duplicate=is_duplicate,
            original_timestamp=accepted.at if is_duplicate else None,
        )


def was_written_before(accepted: Accepted, *, written_through: int | None, named_by_client: bool) -> bool | None:
    """Whether the command had been applied before its request came; None: this gate cannot know.

    `written_through` is how far its user had written then: what stands there or before is older than the request. An
    id that the gate itself made up was never used before.
    """
    if not named_by_client:
        return False
    return True if written_through is not None and accepted.seq <= written_through else None


class MessagePage(BaseModel):
    """Some messages, oldest first; `head` is the newest seq of the conversation. `behind`: what the caller wrote last
    is not stored yet."""

    conversation_id: RoomIdField
    epoch: EpochField
    head: Seq
    behind: bool
    messages: list[Message]

    @classmethod
    def of(cls, page: PageAnswer) -> MessagePage:
        """A page of history."""
        return cls(
            conversation_id=page.room,
            epoch=page.epoch,
            head=page.head,
            behind=page.behind,
            messages=messages_of(page.events),
        )


class Found(BaseModel):
    """Messages that hold the words, newest first."""

    messages: list[Message]
