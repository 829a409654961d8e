"""What a person reads: messages, notices and problems as lines, and how events become them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from unicodedata import category

from clients.cli.wire import AnyEvent, UnknownEvent
from schemas.events import (
    Event,
    MemberBanned,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    RoomClosed,
    RoomCreated,
    RoomUpdated,
)
from schemas.queries import RoomView
from schemas.roles import LeaveReason

CONTINUED = "      | "


class Kind(StrEnum):
    """`said` is a message; `notice` is of the room; `status` and `problem` are of the client itself."""

    SAID = "said"
    NOTICE = "notice"
    STATUS = "status"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Line:
    """Something to show, in words; `at` and `user` stand before what was said."""

    kind: Kind
    text: str
    at: datetime | None = None
    user: str | None = None


def notice(text: str) -> Line:
    return Line(Kind.NOTICE, text)


def status(text: str) -> Line:
    return Line(Kind.STATUS, text)


def problem(text: str) -> Line:
    return Line(Kind.PROBLEM, text)


def said(at: datetime, user: str, text: str) -> Line:
    return Line(Kind.SAID, text, at, user)


def render(line: Line, zone: tzinfo | None) -> str:
    """A line as text; `zone` None means the machine's own. Nobody's words can pass for another line."""
    words = _harmless(line.text)
    if line.at is None:
        return {Kind.PROBLEM: "! ", Kind.SAID: ""}.get(line.kind, "* ") + words
    return f"{line.at.astimezone(zone):%H:%M} {line.user}: {words}"


def _harmless(text: str) -> str:
    """Further lines are marked as such; control and direction characters cannot move what is on the screen."""
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return f"\n{CONTINUED}".join("".join(map(_printed, row)) for row in rows)


def _printed(character: str) -> str:
    moves = (
        category(character) in ("Cc", "Zl", "Zp")
        or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    return "\ufffd" if moves and character != "\t" else character


def line_of(event: AnyEvent) -> Line | None:
    """How an event is told as it happens; None for what a reader need not see."""
    match event:
        case MessagePosted():
            return said(event.at, event.actor, event.text)
        case MessageEdited():
            return Line(Kind.SAID, f"(edited) {event.text}", event.at, event.actor)
        case UnknownEvent():
            return None
        case _:
            text = _told(event)
            return notice(text) if text else None


def _told(event: Event) -> str | None:
    match event:
        case RoomCreated():
            return f"{event.actor} created the room {event.title}"
        case RoomUpdated():
            return f"{event.actor} changed the room" + (f": it is called {event.title}" if event.title else "")
        case RoomClosed():
            return f"{event.actor} closed the room"
        case MessageDeleted():
            return f"{event.actor} deleted a message"
        case ReactionAdded():
            return f"{event.actor} reacted {event.emoji}"
        case _:
            return _member_told(event)


def _member_told(event: Event) -> str | None:
    match event:
        case MemberJoined():
            return f"{event.user} joined" + (f", added by {event.actor}" if event.actor != event.user else "")
        case MemberLeft(reason=LeaveReason.KICKED):
            return f"{event.user} was removed by {event.actor}" + (f": {event.text}" if event.text else "")
        case MemberLeft():
            return f"{event.user} left"
        case MemberBanned():
            return f"{event.user} was banned by {event.actor}" + (f": {event.text}" if event.text else "")
        case MemberChanged(role=role) if role:
            return f"{event.user} is now {role}"
        case MemberChanged():
            return f"{event.user} was {'muted' if event.muted else 'unmuted'} by {event.actor}"
        case _:
            return None


def messages_of(events: Iterable[AnyEvent]) -> list[tuple[int, Line]]:
    """The messages among stored events, by seq, as they read now: edits in place, deleted ones gone."""
    found: dict[int, Line] = {}
    for event in events:
        match event:
            case MessagePosted():
                found[event.seq] = said(event.at, event.actor, event.text)
            case MessageEdited() if event.target in found:
                before = found[event.target]
                found[event.target] = Line(before.kind, event.text, before.at, before.user)
            case MessageDeleted():
                found.pop(event.target, None)
            case _:
                pass
    return sorted(found.items())


def room_line(view: RoomView) -> str:
    """A room in a list: its id, title, size and what is unread."""
    unread = f", {view.unread} unread" if view.unread else ""
    closed = ", closed" if view.closed else ""
    members = "1 member" if view.member_count == 1 else f"{view.member_count} members"
    return f"{view.room}  {view.title} ({view.visibility}, {members}{unread}{closed})"
