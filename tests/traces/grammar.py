"""What a step may say, read into what it means; the README lists it for people. No rules of rooms here."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime
from typing import Any, Final, NamedTuple

from schemas.commands import COMMANDS
from schemas.ids import UserId, direct_room_id
from tests.traces.script import BadStep
from tests.traces.words import moment_from

SAYING: Final = re.compile(r"(?P<user>[^\s@.>]+)(\.(?P<device>\w+))?(@(?P<gate>\w+))?> (?P<said>.+)")
DIRECT: Final = re.compile(r"direct\((?P<one>\w+),(?P<other>\w+)\)")
POSITIONAL: Final = {
    "create": ("visibility", "title"),
    "add": ("user",),
    "kick": ("user", "reason"),
    "ban": ("user", "reason"),
    "unban": ("user",),
    "set_role": ("user", "role"),
    "mute": ("user",),
    "unmute": ("user",),
    "revoke_invite": ("invite",),
    "send": ("text",),
    "edit": ("seq", "text"),
    "delete": ("seq",),
    "react": ("seq", "emoji"),
    "unreact": ("seq", "emoji"),
    "mark_read": ("seq",),
    "mark_delivered": ("seq",),
    "set_status": ("state",),
    "search": ("query",),
}
"""The words behind the room, in order; all other fields are named."""
READS: Final = ("page", "rooms", "members", "search")
EVERYWHERE: Final = frozenset({"rooms", "search"})
"""Verbs without a room behind them."""
NUMBERS: Final = frozenset({"seq", "reply_to", "capacity", "max_uses", "retention_days", "after", "before", "limit"})
LISTS: Final = frozenset({"mentions", "members"})
MOMENTS: Final = frozenset({"until", "expires_at"})
FLAGS: Final = frozenset({"retry", "echo"})


class Saying(NamedTuple):
    """What somebody wishes: at a gate, or with `gate` None from outside, to be answered alone."""

    user: str
    device: str | None
    gate: str | None
    verb: str
    fields: dict[str, Any]


def read_saying(text: str, now: datetime) -> Saying | None:
    """Read `ann.phone@g1> verb room words name=value ...`; None: the step is of another kind.

    Raises:
        BadStep: it is of this kind, and cannot be read.
    """
    match = SAYING.fullmatch(text)
    if match is None:
        return None
    try:
        verb, *words = shlex.split(match["said"])
        if verb not in {*COMMANDS, *READS}:
            raise BadStep(f"nobody can {verb!r}")
        fields = _fields(verb, words, now)
    except ValueError as error:
        raise BadStep(str(error)) from error
    return Saying(match["user"], match["device"], match["gate"], verb, fields)


def room_from(text: str) -> str:
    """A room's id; `direct(ann,bob)` is that of the two."""
    match = DIRECT.fullmatch(text)
    return direct_room_id(UserId(match["one"]), UserId(match["other"])) if match else text


def _fields(verb: str, words: list[str], now: datetime) -> dict[str, Any]:
    names = list(POSITIONAL.get(verb, ())) if verb in EVERYWHERE else ["room", *POSITIONAL.get(verb, ())]
    fields: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if word in FLAGS:
            fields[word] = True
        elif equals and name.isidentifier():
            fields[name] = _value(name, value, now)
        elif names:
            name = names.pop(0)
            fields[name] = _value(name, word, now)
        else:
            raise BadStep(f"one word too many: {word!r}")
    return fields


def _value(name: str, text: str, now: datetime) -> Any:
    if name == "room":
        return room_from(text)
    if name in NUMBERS:
        return int(text)
    if name in LISTS:
        return text.split(",")
    if name in MOMENTS:
        return moment_from(text, now)
    if name == "metadata":
        return json.loads(text)
    if name in {"active", "muted"}:
        return text == "yes"
    return text
