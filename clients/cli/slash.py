"""What a person types: a message, or a line that begins with / and is a command of the one table below. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from schemas.commands import CLIENT_COMMAND

DURATION: Final = re.compile(r"(\d{1,6})([mhd])")
UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
NUMBER: Final = re.compile(r"#?(\d{1,16})")
LONGEST_COUNT: Final = 6
PARTS_OF_TWO: Final = 2

Fields = dict[str, Any]  # Any: a JSON object
Read = Callable[[str, datetime], Fields | None]
"""Reads what stands behind the verb; None when it is not what the usage says."""


@dataclass(frozen=True, slots=True)
class Say:
    """Words for the room."""

    text: str


@dataclass(frozen=True, slots=True)
class Deed:
    """A command for the room: a frame without id, and without `room` where it is this one."""

    fields: Fields


@dataclass(frozen=True, slots=True)
class Local:
    """Something the client answers by itself or by a query."""

    name: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that cannot be obeyed, and why."""

    sentence: str


Typed = Say | Deed | Local | Wrong


@dataclass(frozen=True, slots=True)
class Slash:
    """One command. `read` None: the client's own, with at most a number behind it."""

    usage: str
    told: str
    read: Read | None = None

    @property
    def name(self) -> str:
        """The word behind the slash."""
        return self.usage.split()[0]


def read_typed(text: str, room: str, now: datetime) -> Typed:
    """What a typed line means in `room`; durations count from `now`. `//` begins a message with a slash."""
    if not text.startswith("/") or text.startswith("//"):
        return Say(text.removeprefix("/") if text.startswith("//") else text)
    word, _, rest = text[1:].partition(" ")
    slash = BY_NAME.get(word)
    if slash is None:
        return Wrong(f"/{word} is not known here; /help lists what is")
    if slash.read is None:
        return _local(slash, rest.strip())
    fields = slash.read(rest.strip(), now)
    return Wrong(f"it is /{slash.usage}") if fields is None else _checked(slash, fields, room)


def help_lines() -> list[str]:
    """Every command with what it does."""
    width = max(len(slash.usage) for slash in TABLE)
    listed = [f"/{slash.usage.ljust(width)}  {slash.told}" for slash in TABLE]
    return [*listed, "a line that begins with / is said with // before it; SEQ is the number a message is shown with"]


def _local(slash: Slash, rest: str) -> Typed:
    takes_count = len(slash.usage.split()) == PARTS_OF_TWO
    if not rest:
        return Local(slash.name)
    if takes_count and rest.isdecimal() and len(rest) <= LONGEST_COUNT:
        return Local(slash.name, int(rest))
    return Wrong(f"it is /{slash.usage}")


def _checked(slash: Slash, fields: Fields, room: str) -> Typed:
    """By the kernel's own rules, so that what is refused for its form never leaves."""
    try:
        CLIENT_COMMAND.validate_python({"room": room, "actor": "me", "command_id": "c", **fields})
    except ValidationError as wrong:
        return Wrong(f"/{slash.name}: {wrong.errors()[0]['msg']}")
    return Deed(fields)


# How what stands behind a verb is read


def _nothing(verb: str) -> Read:
    return lambda rest, _: None if rest else {"type": verb}


def _user(verb: str) -> Read:
    return lambda rest, _: {"type": verb, "user": rest} if len(rest.split()) == 1 else None


def _words(verb: str, field: str) -> Read:
    return lambda rest, _: {"type": verb, field: rest} if rest else None


def _about(verb: str, field: str | None = None) -> Read:
    """A message by its seq, and behind it words where a field wants them."""

    def read(rest: str, _: datetime) -> Fields | None:
        number, words = _split(rest)
        found = NUMBER.fullmatch(number)
        if found is None or bool(words) != (field is not None):
            return None
        return {"type": verb, "seq": int(found[1])} | ({field: words} if field else {})

    return read


def _reply(rest: str, now: datetime) -> Fields | None:
    fields = _about("send", "text")(rest, now)
    return None if fields is None else {"type": "send", "text": fields["text"], "reply_to": fields["seq"]}


def _against(verb: str, *, for_a_while: bool, reason: bool) -> Read:
    """A user, how long, and why, as far as the verb takes them."""

    def read(rest: str, now: datetime) -> Fields | None:
        user, more = _split(rest)
        until, more = _until(more, now) if for_a_while else (None, more)
        if not user or (more and not reason):
            return None
        return {"type": verb, "user": user} | ({"until": until} if until else {}) | ({"reason": more} if more else {})

    return read


def _role(rest: str, _: datetime) -> Fields | None:
    match rest.split():
        case [user, role]:
            return {"type": "set_role", "user": user, "role": role}
        case _:
            return None


def _leave(rest: str, _: datetime) -> Fields | None:
    match rest.split():
        case []:
            return {"type": "leave"}
        case [successor]:
            return {"type": "leave", "successor": successor}
        case _:
            return None


def _join(rest: str, _: datetime) -> Fields | None:
    match rest.split():
        case [room]:
            return {"type": "join", "room": room}
        case [room, invite]:
            return {"type": "join", "room": room, "invite": invite}
        case _:
            return None


def _invite(rest: str, now: datetime) -> Fields | None:
    """A role, a number of uses and how long, in any order, each at most once."""
    fields: Fields = {"type": "invite"}
    for word in rest.split():
        until, _left = _until(word, now)
        if until is not None:
            found: Fields = {"expires_at": until}
        else:
            found = {"max_uses": int(word)} if word.isdecimal() and len(word) <= LONGEST_COUNT else {"role": word}
        if found.keys() & fields.keys():
            return None
        fields |= found
    return fields


def _status(rest: str, _: datetime) -> Fields | None:
    state, words = _split(rest)
    if not state:
        return None
    return {"type": "set_status", "state": state} | ({"text": words} if words else {})


def _split(words: str) -> tuple[str, str]:
    """The first word, and what stands behind it."""
    first, _, rest = words.partition(" ")
    return first, rest.strip()


def _until(words: str, now: datetime) -> tuple[str | None, str]:
    """A duration at the beginning as the moment it ends, and the rest."""
    first, rest = _split(words)
    found = DURATION.fullmatch(first)
    if found is None:
        return None, words
    end = now + timedelta(**{UNITS[found[2]]: int(found[1])})
    return end.isoformat(), rest


TABLE: Final = (
    Slash("who", "who is here, and who is away"),
    Slash("rooms", "the rooms you are in"),
    Slash("history N", "the last messages again"),
    Slash("reply SEQ TEXT", "answer a message", _reply),
    Slash("edit SEQ TEXT", "give a message another text", _about("edit", "text")),
    Slash("delete SEQ", "take a message away for good", _about("delete")),
    Slash("react SEQ EMOJI", "react to a message", _about("react", "emoji")),
    Slash("unreact SEQ EMOJI", "take a reaction back", _about("unreact", "emoji")),
    Slash("status STATE [TEXT]", "online, away, dnd or offline, and why", _status),
    Slash("topic TEXT", "say what the room is about", _words("update", "topic")),
    Slash("title TEXT", "call the room something else", _words("update", "title")),
    Slash("invite [ROLE] [USES] [10m|2h|7d]", "make an invite", _invite),
    Slash("revoke INVITE", "make an invite worthless", _words("revoke_invite", "invite")),
    Slash("join ROOM [INVITE]", "become a member of another room", _join),
    Slash("leave [SUCCESSOR]", "stop being a member of this one", _leave),
    Slash("add USER", "make somebody a member", _user("add")),
    Slash("kick USER [REASON]", "end a membership", _against("kick", for_a_while=False, reason=True)),
    Slash("ban USER [10m|2h|7d] [REASON]", "keep somebody out", _against("ban", for_a_while=True, reason=True)),
    Slash("unban USER", "let somebody come back", _user("unban")),
    Slash("role USER ROLE", "owner, admin, moderator, member or reader", _role),
    Slash("mute USER [10m|2h|7d]", "take a voice away", _against("mute", for_a_while=True, reason=False)),
    Slash("unmute USER", "give it back", _user("unmute")),
    Slash("close", "end the room; it can still be read", _nothing("close")),
    Slash("help", "this"),
    Slash("quit", "end this program"),
)
BY_NAME: Final = {slash.name: slash for slash in TABLE}
