"""What a person reads, as lines: messages, notices and problems. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from unicodedata import category

from schemas.queries import RoomView

CONTINUED = "      | "


class Kind(StrEnum):
    """`said` is a message; `notice` is of the room; `status` and `problem` are of the client itself."""

    SAID = "said"
    NOTICE = "notice"
    STATUS = "status"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Line:
    """Something to show, in words; `at`, `user` and `seq`, by which it is addressed, stand before what was said."""

    kind: Kind
    text: str
    at: datetime | None = None
    user: str | None = None
    seq: int | None = None


def notice(text: str) -> Line:
    return Line(Kind.NOTICE, text)


def status(text: str) -> Line:
    return Line(Kind.STATUS, text)


def problem(text: str) -> Line:
    return Line(Kind.PROBLEM, text)


def said(at: datetime, seq: int, user: str, text: str) -> Line:
    return Line(Kind.SAID, text, at, user, seq)


def render(line: Line, zone: tzinfo | None) -> str:
    """A line as text; `zone` None means the machine's own. Nobody's words can pass for another line."""
    words = _harmless(line.text)
    if line.at is None:
        return {Kind.PROBLEM: "! ", Kind.SAID: ""}.get(line.kind, "* ") + words
    return f"{line.at.astimezone(zone):%H:%M} #{line.seq} {line.user}: {words}"


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


def room_line(view: RoomView) -> str:
    """A room in a list: its id, title, size and what is unread."""
    unread = f", {view.unread} unread" if view.unread else ""
    closed = ", closed" if view.closed else ""
    members = "1 member" if view.member_count == 1 else f"{view.member_count} members"
    return f"{view.room}  {view.title} ({view.visibility}, {members}{unread}{closed})"
