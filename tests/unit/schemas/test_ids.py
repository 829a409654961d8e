"""What an id may be. The tables hold one value for each way of breaking a rule."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.ids import (
    ROOM_ID_PATTERN,
    ClientId,
    ClientIdField,
    CommandIdField,
    EpochField,
    GateIdField,
    InviteIdField,
    MessageIdField,
    RoomIdField,
    Seq,
    UserId,
    UserIdField,
    checked_user_id,
    direct_room_id,
    gate_of,
)

RULES = {
    "room": TypeAdapter(RoomIdField),
    "gate": TypeAdapter(GateIdField),
    "client": TypeAdapter(ClientIdField),
    "command": TypeAdapter(CommandIdField),
    "message": TypeAdapter(MessageIdField),
    "invite": TypeAdapter(InviteIdField),
    "epoch": TypeAdapter(EpochField),
    "user": TypeAdapter(UserIdField),
    "seq": TypeAdapter(Seq),
}

GOOD = [
    ("room", "general"),
    ("room", "a"),
    ("room", "A-Z_09:" + "x" * 57),
    ("gate", "gate-7f3a"),
    ("client", "gate-7f3a/k3v9"),
    ("command", "0"),
    ("command", "with a space, and ünïcode"),
    ("command", "x" * 64),
    ("message", "msg_1795170600250000370"),
    ("invite", "inv_k3v9x2Qa"),
    ("epoch", "hoayap4m8g"),
    ("user", "alice"),
    ("user", "zoë@example/phone#1"),
    ("user", "世界"),
    ("user", "x" * 128),
    ("seq", 0),
    ("seq", 2**53 - 1),
]

BAD = [
    ("room", ""),
    ("room", "x" * 65),
    ("room", "two.words"),
    ("room", "two words"),
    ("room", "general\n"),
    ("room", "général"),
    ("room", "a/b"),
    ("room", "#"),
    ("room", "*"),
    ("room", "\ud800"),
    ("room", 7),
    ("room", None),
    ("gate", ""),
    ("gate", "a.b"),
    ("gate", "a/b"),
    ("gate", "a:b"),
    ("gate", "x" * 65),
    ("client", "no-slash"),
    ("client", "/x"),
    ("client", "x/"),
    ("client", "a/b/c"),
    ("command", ""),
    ("command", "x" * 65),
    ("command", "tab\there"),
    ("command", "line\nbreak"),
    ("command", "\ud800"),
    ("command", "\u200b"),
    ("message", "1795170600250000370"),
    ("message", "msg_"),
    ("message", "msg_12a"),
    ("message", "msg_" + "1" * 25),
    ("invite", "short"),
    ("invite", "x" * 65),
    ("invite", "has a space"),
    ("epoch", ""),
    ("epoch", "UPPER"),
    ("epoch", "x" * 33),
    ("user", ""),
    ("user", "x" * 129),
    ("user", "two words"),
    ("user", "no\u00a0break"),
    ("user", "tab\t"),
    ("user", "nul\0"),
    ("user", "zero\u200bwidth"),
    ("user", "\ud800"),
    ("user", 7),
    ("seq", -1),
    ("seq", 2**53),
    ("seq", "1"),
    ("seq", 1.0),
    ("seq", True),
]


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_an_id_within_its_rule_stays_as_it_is(kind, value):
    assert RULES[kind].validate_python(value) == value


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_an_id_against_its_rule_is_refused(kind, value):
    with pytest.raises(ValidationError):
        RULES[kind].validate_python(value)


def test_a_user_id_is_compared_in_one_normal_form():
    assert RULES["user"].validate_python("zoe\u0308") == RULES["user"].validate_python("zoë")


@given(st.text(max_size=140))
def test_a_user_id_once_accepted_is_accepted_unchanged_for_ever(text):
    try:
        user = RULES["user"].validate_python(text)
    except ValidationError:
        return
    assert RULES["user"].validate_python(user) == user == unicodedata.normalize("NFC", text)


def test_the_gate_of_a_client_is_what_stands_before_the_slash():
    assert gate_of(ClientId("gate-7f3a/k3v9")) == "gate-7f3a"


def test_the_direct_room_of_two_users_is_the_one_the_contract_names():
    assert direct_room_id(UserId("ann"), UserId("bob")) == "direct:97049da5464956062d0e94be5f061ee5c755dc92"


@given(st.text(min_size=1, max_size=128), st.text(min_size=1, max_size=128))
def test_the_direct_room_of_two_users_is_a_room_id_whoever_asks_first(one, other):
    ids = TypeAdapter(UserIdField)
    try:
        first, second = UserId(ids.validate_python(one)), UserId(ids.validate_python(other))
    except ValidationError:
        return
    room = direct_room_id(first, second)
    assert room == direct_room_id(second, first)
    assert re.fullmatch(ROOM_ID_PATTERN, room)


def test_two_pairs_of_users_do_not_share_a_direct_room():
    assert direct_room_id(UserId("a"), UserId("bc")) != direct_room_id(UserId("ab"), UserId("c"))


def test_a_user_id_holds_every_character_but_white_space_and_the_categories_of_controls():
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        allowed = not character.isspace() and not unicodedata.category(character).startswith("C")
        try:
            kept = checked_user_id(character)
        except ValueError:
            assert not allowed, f"U+{code:04X} is refused"
        else:
            assert allowed or unicodedata.normalize("NFC", character) == kept != character, f"U+{code:04X} is taken"
