"""What clients may send, from nearly right to nonsense, and how often it is tried.

In the suite every example is the same each time. `GATEHOUSE_FUZZ=20` tries twenty times as many, by chance.
"""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from schemas.frames import COMMAND_VERBS, OWN_FRAMES

ROOM = "fuzzed"
USER = "ann"
TIMES = int(os.environ.get("GATEHOUSE_FUZZ", "0"))

VALUES: dict[str, Any] = {
    "room": ROOM,
    "title": "A room",
    "user": "bob",
    "role": "reader",
    "invite": "an-invite",
    "text": "hello",
    "seq": 1,
    "emoji": "+1",
    "state": "away",
    "token": "no token",
    "query": "words",
    "command_id": "c-1",
    "retry": True,
    "position": {"epoch": "e1", "seq": 1},
    "metadata": {"a": [1, 2.5, None]},
    "mentions": ["bob"],
    "members": ["bob", "carol"],
    "until": "2030-01-01T00:00:00Z",
    "after": 1,
    "limit": 5,
}
"""A good value for every field that a frame may carry and that is worth breaking."""

FIELDS: dict[str, tuple[str, ...]] = {
    "create": ("room", "title", "members", "metadata"),
    "update": ("room", "title", "metadata"),
    "join": ("room", "invite"),
    "leave": ("room",),
    "add": ("room", "user"),
    "kick": ("room", "user"),
    "ban": ("room", "user", "until"),
    "unban": ("room", "user"),
    "set_role": ("room", "user", "role"),
    "mute": ("room", "user", "until"),
    "unmute": ("room", "user"),
    "revoke_invite": ("room", "invite"),
    "send": ("room", "text", "metadata", "mentions"),
    "edit": ("room", "seq", "text"),
    "delete": ("room", "seq"),
    "react": ("room", "seq", "emoji"),
    "unreact": ("room", "seq", "emoji"),
    "mark_read": ("room", "seq"),
    "mark_delivered": ("room", "seq"),
    "set_status": ("room", "state"),
    "hello": ("token",),
    "attach": ("room", "position"),
    "history": ("room", "after", "limit"),
    "rooms": ("limit",),
    "search": ("query", "room"),
    "ping": (),
}
"""Beside `type` and `id`; a type that is not here carries a room."""

TYPES = sorted(COMMAND_VERBS | OWN_FRAMES.keys())
ODD_TEXTS = (
    "",
    " ",
    "\0",
    "\ud800",
    "a\ud800b",
    "\u202eolleh",
    "\u2028",
    "é" * 3,
    "e\u0301",
    "\ufdfa" * 200,
    "👩‍👩‍👧‍👦",
    "x" * 65,
    "x" * 20_000,
    "../../etc/passwd",
    "room.10.general.send",
    "direct:0123",
    "{}",
    "$where",
    "2030-01-01",
    "9999-12-31T23:59:59-23:59",
    "0000-00-00T00:00:00Z",
)
ODD_NUMBERS = (0, -1, 1.5, -0.0, 1e308, 2**31, 2**53 - 1, 2**53, 2**63, 2**64, 10**400)


def nested(depth: int, inner: Any = None) -> Any:
    """Lists and objects in each other."""
    for number in range(depth):
        inner = [inner] if number % 2 else {"a": inner}
    return inner


DEEP = tuple(nested(depth) for depth in (1, 16, 17, 100, 500))

scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from(ODD_NUMBERS)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(ODD_TEXTS)
    | st.text(max_size=40)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
garbage = scalars | json_values | st.sampled_from(DEEP)


@st.composite
def near_valid_frames(draw: st.DrawFn) -> dict[str, Any]:
    """A good frame of any type, with up to two fields replaced, left out or made up."""
    kind = draw(st.sampled_from(TYPES))
    frame: dict[str, Any] = {"id": draw(st.sampled_from(("n", 7))), "type": kind}
    frame |= {name: VALUES[name] for name in FIELDS.get(kind, ("room",))}
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([*frame, *VALUES, "actor", "client", "sessions", "x", "__proto__"]))
        if draw(st.integers(0, 4)):
            frame[name] = draw(garbage)
        else:
            frame.pop(name, None)
    return frame


def texts_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    """As JSON; what UTF-8 cannot hold is escaped, as any client's JSON library does."""
    return values.map(json.dumps)


def with_a_field_twice(frame: dict[str, Any]) -> str:
    """The same frame, each of its fields told twice, the second time as a number."""
    members = ",".join(f"{json.dumps(name)}:{json.dumps(value)},{json.dumps(name)}:1" for name, value in frame.items())
    return f"{{{members}}}"


odd_json = st.sampled_from(
    (
        "",
        " ",
        "null",
        "{",
        "[" * 10_000,
        '{"a":' * 10_000,
        "{" * 60_000,
        "NaN",
        '{"type": "ping", "id": NaN}',
        '{"type": "ping", "id": 1e999}',
        '{"type": "ping", "id": ' + "9" * 5_000 + "}",
        '{"type": "ping",}',
        "{'type': 'ping'}",
        '\ufeff{"type": "ping"}',
        '{"type": "ping"} {"type": "ping"}',
        '{"type": "ping"}\0',
        '{"type": "\\ud800"}',
        '{"type": "\\udc00\\ud800"}',
        '{"type": "ping" /* so */}',
        '{"type": "ping\\x00"}',
        json.dumps({"type": "send", "room": ROOM, "text": "x" * 65_000}),
        json.dumps({"type": "x" * 60_000}),
    )
)
frame_texts = (
    texts_of(near_valid_frames()) | texts_of(json_values) | odd_json | near_valid_frames().map(with_a_field_twice)
)


def tried(examples: int) -> settings:
    """How often: the same each time, or by chance and more often where GATEHOUSE_FUZZ says so."""
    return settings(
        max_examples=examples * max(1, TIMES),
        derandomize=not TIMES,
        deadline=None,
        database=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,  # one gate takes all of it: that is the point
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )
