"""Bad input, field by field: every verb with each field missing, of the wrong type, too long, of another room, read as
the room's worker reads it."""

import json

import pytest

from schemas import limits, routes
from schemas.commands import COMMANDS, CommandBase
from schemas.errors import Code
from services.room.orders import Misfit, read_command

MISSING = object()
SESSION = {"client": "g1/a", "user": "mia"}
GOOD = {
    "create": {"title": "General"},
    "update": {"title": "General"},
    "close": {},
    "join": {},
    "leave": {},
    "add": {"user": "bob"},
    "kick": {"user": "bob"},
    "ban": {"user": "bob"},
    "unban": {"user": "bob"},
    "set_role": {"user": "bob", "role": "reader"},
    "mute": {"user": "bob"},
    "unmute": {"user": "bob"},
    "invite": {},
    "revoke_invite": {"invite": "invite-1"},
    "send": {"text": "hi"},
    "edit": {"seq": 1, "text": "hi"},
    "delete": {"seq": 1},
    "react": {"seq": 1, "emoji": "+1"},
    "unreact": {"seq": 1, "emoji": "+1"},
    "mark_read": {"seq": 1},
    "mark_delivered": {"seq": 1},
    "typing": {},
    "set_status": {"state": "away"},
    "attach": {"sessions": [SESSION]},
    "detach": {"sessions": [SESSION]},
    "inspect": {},
}
"""What each verb cannot do without."""

NO_TEXT = [5, True, ["x"], {"x": 1}]
NO_SAYING = [*NO_TEXT, "", " \n", "a\u0000b", "x" * (limits.TEXT_BYTES + 1)]
NO_USER = [*NO_TEXT, "", "two words", "a\u0000b", "u" * 129]
NO_SEQ = ["1", 1.5, True, [1], -1, 2**53]
NO_FLAG = ["yes", "true", 1, 0, [True]]
NO_MOMENT = [1_800_000_000, "1800000000", 1.8e9, True, "tomorrow", "2026-11-20T10:00:00", "2026-11-20", ["x"]]
NO_METADATA = [5, "x", [1], {"k": "x" * limits.METADATA_BYTES}]
NO_INVITE = [*NO_TEXT, "short", "with space", "i" * 65]
NO_SESSION = [
    *({**SESSION, "client": bad} for bad in [*NO_TEXT, "", "no-gate", "g1/" + "c" * 65]),
    *({**SESSION, "user": bad} for bad in NO_USER),
    *({**SESSION, "position": bad} for bad in [5, "x", {"epoch": "e1"}, {"epoch": "E 1", "seq": 1}, {"seq": 1}]),
    *({**SESSION, "attach_ref": bad} for bad in NO_SEQ),
    *({**SESSION, "status": bad} for bad in ["away", {"state": "gone"}, {"state": "away", "mood": "m" * 65}, {}]),
    *({name: value for name, value in SESSION.items() if name != left_out} for left_out in SESSION),
    {**SESSION, "colour": "red"},
]

BAD = {
    "*": {
        "room": [MISSING, None, *NO_TEXT, "", "a.b", "a b", "r" * 65],
        "actor": [MISSING, None, *NO_USER],
        "command_id": [MISSING, None, *NO_TEXT, "", "a\nb", "c" * 65],
        "client": [*NO_TEXT, "", "no-gate", "g1/" + "c" * 65],
        "retry": NO_FLAG,
        "colour": ["red"],
    },
    "create": {
        "title": [MISSING, None, *NO_TEXT, "", " ", "a\u0000b", "a\nb", "t" * 201],
        "visibility": [*NO_TEXT, "secret", ""],
        "capacity": ["10", 1.5, True, 0, -1, 10_001],
        "topic": [*NO_TEXT, "a\u0007b", "t" * 1_001],
        "members": ["bob", 5, {"bob": 1}, *([user] for user in NO_USER), [f"u{n}" for n in range(101)]],
        "metadata": NO_METADATA,
        "retention_days": ["30", 1.5, True, 0, 36_501],
    },
    "update": {
        "title": [*NO_TEXT, "", " ", "a\u0000b", "a\nb", "t" * 201],
        "topic": [*NO_TEXT, "a\u0007b", "t" * 1_001],
        "capacity": ["10", 1.5, True, 0, -1, 10_001],
        "visibility": [*NO_TEXT, "secret", ""],
        "metadata": NO_METADATA,
    },
    "close": {},
    "join": {"invite": NO_INVITE},
    "leave": {"successor": NO_USER},
    "add": {"user": [MISSING, None, *NO_USER]},
    "kick": {"user": [MISSING, None, *NO_USER], "reason": [*NO_TEXT, "a\u0000b", "r" * 501]},
    "ban": {
        "user": [MISSING, None, *NO_USER],
        "reason": [*NO_TEXT, "a\u0000b", "r" * 501],
        "until": NO_MOMENT,
    },
    "unban": {"user": [MISSING, None, *NO_USER]},
    "set_role": {"user": [MISSING, None, *NO_USER], "role": [MISSING, None, *NO_TEXT, "king", "Owner"]},
    "mute": {"user": [MISSING, None, *NO_USER], "until": NO_MOMENT},
    "unmute": {"user": [MISSING, None, *NO_USER]},
    "invite": {
        "expires_at": NO_MOMENT,
        "max_uses": ["1", 1.5, True, 0, 10_001],
        "role": [*NO_TEXT, "king"],
    },
    "revoke_invite": {"invite": [MISSING, None, *NO_INVITE]},
    "send": {
        "text": [
            MISSING,
            None,
            *NO_TEXT,
            "",
            " \n",
            "a\u0000b",
            "x" * (limits.TEXT_BYTES + 1),
            "é" * limits.TEXT_BYTES,
        ],
        "kind": [*NO_TEXT, "video"],
        "metadata": NO_METADATA,
        "reply_to": NO_SEQ,
        "mentions": ["bob", 5, *([user] for user in NO_USER), [f"u{n}" for n in range(51)]],
    },
    "edit": {
        "seq": [MISSING, None, *NO_SEQ],
        "text": [MISSING, None, *NO_SAYING],
    },
    "delete": {"seq": [MISSING, None, *NO_SEQ]},
    "react": {
        "seq": [MISSING, None, *NO_SEQ],
        "emoji": [MISSING, None, *NO_TEXT, "", " ", "a\u0000b", "a\tb", "e" * 33],
    },
    "unreact": {
        "seq": [MISSING, None, *NO_SEQ],
        "emoji": [MISSING, None, *NO_TEXT, "", " ", "a\u0000b", "a\tb", "e" * 33],
    },
    "mark_read": {"seq": [MISSING, None, *NO_SEQ]},
    "mark_delivered": {"seq": [MISSING, None, *NO_SEQ]},
    "typing": {"active": NO_FLAG},
    "set_status": {
        "state": [MISSING, None, *NO_TEXT, "gone"],
        "mood": [*NO_TEXT, "a\u0000b", "m" * 65],
        "text": [*NO_TEXT, "a\u0000b", "r" * 501],
    },
    "attach": {"sessions": [MISSING, None, [], "g1/a", SESSION, [5], *([bad] for bad in NO_SESSION)]},
    "detach": {"sessions": [MISSING, None, [], "g1/a", SESSION, [5], *([bad] for bad in NO_SESSION)]},
    "inspect": {},
}
"""Of every verb each field of its own, with values that it does not take; `*` stands for the fields that all have."""


def body(verb, **different):
    fields = {"type": verb, "room": "general", "actor": "mia", "command_id": "k1", **GOOD[verb], **different}
    return {name: value for name, value in fields.items() if value is not MISSING}


def read(verb, fields, room="general"):
    return read_command(routes.command_key(room, verb), json.dumps(fields).encode())


def told(value):
    """A value as a short name of a case."""
    text = "missing" if value is MISSING else json.dumps(value)
    return text if len(text) <= 24 else f"{text[:20]}...{len(text)}"


CASES = [
    pytest.param(verb, field, value, id=f"{verb}-{field}-{told(value)}")
    for verb in COMMANDS
    for field, values in {**BAD["*"], **BAD[verb]}.items()
    for value in values
]


@pytest.mark.parametrize("verb", COMMANDS)
def test_no_field_of_a_verb_is_forgotten(verb):
    own = set(COMMANDS[verb].model_fields) - set(CommandBase.model_fields) - {"type"}
    assert set(BAD[verb]) == own
    assert set(BAD["*"]) == {*CommandBase.model_fields, "colour"}


@pytest.mark.parametrize("verb", COMMANDS)
def test_what_a_verb_cannot_do_without_is_enough(verb):
    assert not isinstance(read(verb, body(verb)), Misfit)


@pytest.mark.parametrize(("verb", "field", "value"), CASES)
def test_a_bad_field_is_named_and_refused(verb, field, value):
    misfit = read(verb, body(verb, **{field: value}))
    assert isinstance(misfit, Misfit), misfit
    assert misfit.code is Code.BAD_FIELD
    assert misfit.detail.split(":")[0].split(".")[0] == field


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_command_of_another_room_or_verb_is_under_the_wrong_key(verb):
    elsewhere = read(verb, body(verb), room="elsewhere")
    assert isinstance(elsewhere, Misfit)
    assert elsewhere.code is Code.BAD_ROUTE
    other = read("close" if verb != "close" else "leave", body(verb))
    assert isinstance(other, Misfit)
    assert other.code is Code.BAD_ROUTE


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("named", [MISSING, None, 5, "", "explode", "Send", ["send"]], ids=told)
def test_a_body_that_names_no_verb_is_no_command(verb, named):
    misfit = read(verb, body(verb, type=named))
    assert isinstance(misfit, Misfit)
    assert misfit.code is Code.BAD_FRAME
