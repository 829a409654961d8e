"""What becomes of a message after it was posted: edits, reactions, its end. Pure.

A message lives in the place of its own event, as its later events left it. It is the only place that holds its text:
an edit is kept without, and told with the text of its message as long as it is the newest one. So whatever takes a
text away has one thing to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.events import (
    Event,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionCount,
    ReactionRemoved,
)
from schemas.fields import Emoji
from schemas.ids import RoomIdField, Seq, UserIdField
from schemas.model import Model
from schemas.state import MessageState

_EMPTY: Final[dict[str, Any]] = {  # Any: values of the message's own fields
    "text": None,
    "metadata": {},
    "mentions": (),
    "edited_seq": None,
    "reactions": None,
    "deleted": True,
}


class MessageRecord(Model):
    """A message as the event at `seq` left it."""

    seq: Seq
    message: MessagePosted

    @property
    def place(self) -> int:
        """Where the message itself stands."""
        return self.message.seq


class ReactionRecord(Model):
    """What a user has put to the message at `target`, as of `seq`: kinds of reaction in code point order.

    It is never newer than the message's own record, which counts it: stores write the messages first and read them
    last.
    """

    room: RoomIdField
    target: Seq
    user: UserIdField
    seq: Seq
    kinds: tuple[Emoji, ...] = ()


def edited(message: MessagePosted, event: MessageEdited) -> MessagePosted:
    """The message with its new text."""
    return message.model_copy(update={"text": event.text, "edited_seq": event.seq})


def emptied(message: MessagePosted) -> MessagePosted:
    """What is left of a message that is deleted, or kept for long enough."""
    return message.model_copy(update=_EMPTY)


def reacted(
    message: MessagePosted, record: ReactionRecord, event: ReactionAdded | ReactionRemoved
) -> tuple[MessagePosted, ReactionRecord]:
    """The message and what the actor has put to it, after a reaction came or went."""
    before = set(record.kinds)
    after = before | {event.emoji} if isinstance(event, ReactionAdded) else before - {event.emoji}
    counts = _counted(message.reactions or (), event.emoji, len(after) - len(before))
    changed = record.model_copy(update={"seq": event.seq, "kinds": tuple(sorted(after))})
    return message.model_copy(update={"reactions": counts or None}), changed


def _counted(counts: Iterable[ReactionCount], emoji: str, by: int) -> tuple[ReactionCount, ...]:
    """In the order in which the kinds came up."""
    numbers = {each.emoji: each.count for each in counts}
    numbers[emoji] = numbers.get(emoji, 0) + by
    return tuple(ReactionCount(emoji=kind, count=count) for kind, count in numbers.items() if count > 0)


def message_state(message: MessagePosted) -> MessageState:
    """What a writer has to know of the message."""
    return MessageState(
        seq=message.seq,
        author=message.actor,
        posted_at=message.at,
        deleted=bool(message.deleted),
        reactions=message.reactions or (),
    )


def kept_form(event: Event) -> Event:
    """The event as it is kept in its own place: an edit without its text, which its message holds."""
    return event.model_copy(update={"text": None}) if isinstance(event, MessageEdited) else event


def edited_places(events: Iterable[Event]) -> set[int]:
    """Where the messages stand whose edits are among some events."""
    return {event.target for event in events if isinstance(event, MessageEdited)}


def told(event: Event, messages: Mapping[int, MessagePosted]) -> Event:
    """A kept event as readers get it: an edit with its text, if that is still its message's. `messages` by place."""
    if not isinstance(event, MessageEdited):
        return event
    message = messages.get(event.target)
    is_newest = message is not None and message.edited_seq == event.seq
    return event.model_copy(update={"text": message.text}) if message is not None and is_newest else event


def is_same(kept: Event, event: Event) -> bool:
    """Whether an event as it is kept came from this one: what later events change is left out of the comparison."""
    amended = _amended_fields(kept)
    return type(kept) is type(event) and kept.model_copy(update=amended) == event.model_copy(update=amended)


def _amended_fields(kept: Event) -> dict[str, Any]:  # Any: values of the event's own fields
    match kept:
        case MessageEdited():
            return {"text": None}
        case MessagePosted(deleted=True):
            return _EMPTY
        case MessagePosted(edited_seq=seq) if seq is not None:
            return {"text": None, "edited_seq": None, "reactions": None}
        case MessagePosted():
            return {"reactions": None}
        case _:
            return {}
