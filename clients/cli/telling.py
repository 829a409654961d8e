"""How events are told: messages as lines of their writers, everything else as notices. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from clients.cli.lines import Line, notice, said
from clients.cli.wire import AnyEvent, UnknownEvent
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
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
    RoomClosed,
    RoomCreated,
    RoomUpdated,
)
from schemas.roles import LeaveReason, MessageKind

GONE = "(deleted)"


def line_of(event: AnyEvent) -> Line | None:
    """How an event is told as it happens; None for what a reader cannot be told."""
    match event:
        case MessagePosted():
            return said(event.at, event.seq, event.actor, message_words(event))
        case UnknownEvent():
            return None
        case _:
            text = _told(event)
            return notice(text) if text else None


def messages_of(events: Iterable[AnyEvent]) -> list[tuple[int, Line]]:
    """The messages among stored events, by seq, as they read now: edits and deletions in place."""
    found: dict[int, MessagePosted] = {}
    for event in events:
        match event:
            case MessagePosted():
                found[event.seq] = event
            case MessageEdited() | MessageDeleted() if event.target in found:
                found[event.target] = _later(found[event.target], event)
            case _:
                pass
    return [(seq, said(each.at, seq, each.actor, message_words(each))) for seq, each in sorted(found.items())]


def _later(message: MessagePosted, event: MessageEdited | MessageDeleted) -> MessagePosted:
    """A stored message knows its newest edit already; one that is gone stays gone."""
    if isinstance(event, MessageDeleted):
        return message.model_copy(update={"text": None})
    if message.text is None or event.text is None or event.seq <= (message.edited_seq or 0):
        return message
    return message.model_copy(update={"text": event.text, "edited_seq": event.seq})


def message_words(event: MessagePosted) -> str:
    """A message as it reads now."""
    if event.text is None:
        return GONE
    answer = f"(to #{event.reply_to}) " if event.reply_to else ""
    kind = "" if event.kind is MessageKind.TEXT else f"[{event.kind}] "
    reactions = "  ".join(f"{each.emoji} {each.count}" for each in event.reactions or ())
    edited = " (edited)" if event.edited_seq else ""
    return f"{answer}{kind}{event.text}{edited}" + (f"  [{reactions}]" if reactions else "")


def _told(event: Event) -> str | None:
    match event:
        case MessageEdited():
            return f"{event.actor} edited #{event.target}" + (f": {event.text}" if event.text else "")
        case MessageDeleted():
            return f"{event.actor} deleted #{event.target}"
        case ReactionAdded():
            return f"{event.actor} reacted to #{event.target}: {event.emoji}"
        case ReactionRemoved():
            return f"{event.actor} took {event.emoji} back from #{event.target}"
        case RoomCreated() | RoomUpdated() | RoomClosed() | InviteCreated() | InviteRevoked():
            return _room_told(event)
        case _:
            return _member_told(event)


def _room_told(event: RoomCreated | RoomUpdated | RoomClosed | InviteCreated | InviteRevoked) -> str:
    match event:
        case RoomCreated():
            return f"{event.actor} created the room {event.title}"
        case RoomUpdated():
            return f"{event.actor} changed the room{_changes(event)}"
        case RoomClosed():
            return f"{event.actor} closed the room"
        case InviteCreated():
            uses = f", {event.max_uses} uses" if event.max_uses else ""
            return f"{event.actor} made an invite: {event.invite} (as {event.role}{_until(event.expires_at)}{uses})"
        case InviteRevoked():
            return f"{event.actor} revoked the invite {event.invite}"


def _changes(event: RoomUpdated) -> str:
    named = {"called": event.title, "about": event.topic, "for at most": event.capacity, "now": event.visibility}
    told = [f"{word} {value}" for word, value in named.items() if value]
    return f": it is {', '.join(told)}" if told else ""


def _member_told(event: Event) -> str | None:
    match event:
        case MemberJoined():
            by = f", added by {event.actor}" if event.actor != event.user else ""
            return f"{event.user} joined" + (" by invite" if event.invite else "") + by
        case MemberLeft(reason=LeaveReason.KICKED):
            return f"{event.user} was removed by {event.actor}{_because(event.text)}"
        case MemberLeft():
            return f"{event.user} left" + (f"; {event.successor} is owner now" if event.successor else "")
        case MemberBanned():
            return f"{event.user} was banned by {event.actor}{_until(event.until)}{_because(event.text)}"
        case MemberUnbanned():
            return f"{event.user} was unbanned by {event.actor}"
        case MemberChanged(role=role) if role:
            return f"{event.user} is now {role}"
        case MemberChanged():
            return f"{event.user} was {'muted' if event.muted else 'unmuted'} by {event.actor}{_until(event.until)}"
        case _:
            return None


def _because(text: str) -> str:
    return f": {text}" if text else ""


def _until(moment: datetime | None) -> str:
    return f" until {moment:%Y-%m-%d %H:%M} UTC" if moment else ""
