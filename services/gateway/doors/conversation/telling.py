"""What the conversation socket says of events and signals. Pure.

A frame carries the keys of both shapes that clients know: the documented ones at its top, those of the running servers
under `message`. Native frames are read as the JSON objects they are: what a newer room adds to them is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from services.gateway.doors.conversation.asking import Frame
from services.gateway.doors.conversation.people import People, person

SINGLE: Final = ("single", 100)
MULTI: Final = ("multi", 2000)
"""How a conversation with one, and with more participants is conducted: its mode, and its input timeout in ms."""


def message(event: Frame) -> Frame:
    """A message, as its later events left it where it comes from history."""
    nested = _nested(event)
    deleted = {"deleted": True} if event.get("deleted") else {}
    return {
        "type": "message",
        "id": nested["message_id"],
        "sequence_id": nested["sequence_id"],
        "conversation_id": nested["conversation_id"],
        "participant": person(event["actor"]),
        "content": nested["content"],
        "timestamp": nested["timestamp"],
        "client_message_id": event.get("command_id"),
        **deleted,
        "message": nested,
    }


def _nested(event: Frame) -> Frame:
    return {
        "message_id": event["message_id"],
        "conversation_id": event["room"],
        "sequence_id": event["seq"],
        "sender_id": event["actor"],
        "sender_name": event["actor"],
        "content": event.get("text", ""),
        "message_type": event.get("kind", "text"),
        "timestamp": event["at"],
        "status": "delivered",
        "metadata": event.get("metadata", {}),
    }


def messages(events: Iterable[Frame]) -> list[Frame]:
    """The messages among some events."""
    return [message(event) for event in events if event["event"] == "message_posted"]


def ack(accepted: Frame) -> Frame:
    """The sender's own message is in the log: `message_id` is the client's id for it, `id` ours."""
    return {
        "type": "message_ack",
        "message_id": accepted["command_id"],
        "id": accepted.get("message_id"),
        "sequence_id": accepted["seq"],
        "conversation_id": accepted["room"],
        "timestamp": accepted["at"],
    }


def connected(room: str, user: str, count: int) -> Frame:
    """The first frame."""
    mode, timeout = MULTI if count > 1 else SINGLE
    return {
        "type": "connected",
        "conversation_id": room,
        "participant_id": user,
        "mode": mode,
        "input_timeout": timeout,
    }


def participant_list(room: str, people: People, at: datetime) -> Frame:
    """Everybody."""
    return {
        "type": "participant_list",
        "participants": people.participants(),
        "participant_count": people.count,
        "conversation_id": room,
        "timestamp": at,
    }


def came_or_went(room: str, people: People, user: str, action: str) -> Frame:
    """A participant's first socket opened, or the last one closed."""
    return {
        "type": "participant_update",
        "action": action,
        "participant": people.shown(user),
        "participants": people.participants(only=(user,)),
        "participant_count": people.count,
        "conversation_id": room,
    }


def sync(room: str, found: list[Frame], current: int, people: People, **marks: bool) -> Frame:
    """Messages of history, and how far the conversation is. `marks`: `reset`, `has_more`."""
    return {
        "type": "sync",
        "messages": found,
        "current_sequence_id": current,
        "participants": people.participants(),
        "conversation_id": room,
        **marks,
    }


def typing(signal: Frame) -> Frame:
    """Somebody writes, or stopped."""
    return {
        "type": "typing",
        "participant": person(signal["user"]),
        "isTyping": signal["active"],
        "conversation_id": signal["room"],
    }


def joined(event: Frame, people: People) -> Frame:
    """A new participant."""
    people.join(event["user"], event["role"])
    return _membership("participant_joined", event, people)


def left(event: Frame, people: People) -> Frame | None:
    """A participant no longer. Nothing is said of a ban of somebody who was none."""
    if not people.leave(event["user"]):
        return None
    reason = "banned" if event["event"] == "member_banned" else event["reason"]
    return _membership("participant_left", event, people) | {"reason": reason}


def _membership(kind: str, event: Frame, people: People) -> Frame:
    return {
        "type": kind,
        "participant": person(event["user"]),
        "participant_count": people.count,
        "sequence_id": event["seq"],
        "conversation_id": event["room"],
        "timestamp": event["at"],
    }


def _of(kind: str, event: Frame) -> Frame:
    return {
        "type": kind,
        "sequence_id": event["seq"],
        "participant": person(event["actor"]),
        "timestamp": event["at"],
        "conversation_id": event["room"],
    }


def _updated(event: Frame) -> Frame:
    content = {"content": event["text"]} if "text" in event else {}
    return _of("message_updated", event) | {"target_sequence_id": event["target"], **content}


def _deleted(event: Frame) -> Frame:
    return _of("message_deleted", event) | {"target_sequence_id": event["target"]}


def _reaction(event: Frame) -> Frame:
    action = "add" if event["event"] == "reaction_added" else "remove"
    return _of("reaction", event) | {
        "action": action,
        "emoji": event["emoji"],
        "target_sequence_id": event["target"],
    }


def _conversation_updated(event: Frame) -> Frame:
    return _of("conversation_updated", event) | {key: event[key] for key in ("title", "topic") if key in event}


def _archived(event: Frame) -> Frame:
    return _of("conversation_archived", event)


ALIKE: Final[dict[str, Callable[[Frame], Frame]]] = {
    "message_posted": message,
    "message_edited": _updated,
    "message_deleted": _deleted,
    "reaction_added": _reaction,
    "reaction_removed": _reaction,
    "room_updated": _conversation_updated,
    "room_closed": _archived,
}
"""Events that are said to every client in the same bytes. Those of members are said with counts; all others not at
all."""

MEMBERS: Final[dict[str, Callable[[Frame, People], Frame | None]]] = {
    "member_joined": joined,
    "member_left": left,
    "member_banned": left,
}
