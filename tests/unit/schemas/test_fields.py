"""Texts, moments and free-form data: normalised, bounded, and readable again once accepted."""

import sys
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from schemas import limits
from schemas.commands import COMMAND
from schemas.fields import (
    Emoji,
    GivenTitle,
    Metadata,
    Moment,
    Mood,
    Reason,
    Text,
    Title,
    Topic,
    checked_characters,
    checked_line,
    moment_text,
)

TEXTS = {
    "text": TypeAdapter(Text),
    "title": TypeAdapter(Title),
    "given title": TypeAdapter(GivenTitle),
    "topic": TypeAdapter(Topic),
    "reason": TypeAdapter(Reason),
    "emoji": TypeAdapter(Emoji),
    "mood": TypeAdapter(Mood),
}
METADATA = TypeAdapter(Metadata)
MOMENT = TypeAdapter(Moment)
LENGTHENED_BY_NFC = "\u0958"


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@given(kind=st.sampled_from(sorted(TEXTS)), text=st.text(max_size=300))
def test_a_text_once_accepted_is_normal_and_accepted_unchanged_for_ever(kind, text):
    try:
        accepted = TEXTS[kind].validate_python(text)
    except ValidationError:
        return
    assert accepted == unicodedata.normalize("NFC", text)
    assert TEXTS[kind].validate_python(accepted) == accepted


@pytest.mark.parametrize(
    ("kind", "longest"),
    [
        ("title", limits.TITLE_CHARACTERS),
        ("given title", limits.TITLE_CHARACTERS),
        ("topic", limits.TOPIC_CHARACTERS),
        ("reason", limits.REASON_CHARACTERS),
        ("emoji", limits.EMOJI_CHARACTERS),
        ("mood", limits.MOOD_CHARACTERS),
    ],
)
def test_a_bound_counts_the_characters_that_are_kept(kind, longest):
    assert TEXTS[kind].validate_python("x" * longest)
    assert TEXTS[kind].validate_python(LENGTHENED_BY_NFC * (longest // 2))
    for too_long in ("x" * (longest + 1), LENGTHENED_BY_NFC * (longest // 2 + 1)):
        with pytest.raises(ValidationError):
            TEXTS[kind].validate_python(too_long)


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\t", "nul\0", "bell\a", "escape\x1b[0m", "\ud800", "x" * (limits.TEXT_BYTES + 1), "é" * 8193, 7],
)
def test_a_message_text_that_is_blank_too_long_or_holds_controls_is_refused(text):
    with pytest.raises(ValidationError):
        TEXTS["text"].validate_python(text)


@pytest.mark.parametrize("text", ["x" * limits.TEXT_BYTES, "é" * 8192, "line\nfeed\r\n\ttab", "👋🏽"])
def test_a_message_text_within_its_bytes_is_kept(text):
    assert TEXTS["text"].validate_python(text) == text


@pytest.mark.parametrize("kind", ["title", "emoji"])
def test_a_title_and_an_emoji_are_not_empty(kind):
    with pytest.raises(ValidationError):
        TEXTS[kind].validate_python("")


@pytest.mark.parametrize("kind", ["given title", "emoji"])
@pytest.mark.parametrize("text", ["", " ", "\u3000\u00a0"])
def test_what_something_is_known_by_is_not_blank(kind, text):
    with pytest.raises(ValidationError):
        TEXTS[kind].validate_python(text)


@pytest.mark.parametrize("kind", ["given title", "emoji", "mood"])
@pytest.mark.parametrize("character", "\n\t\r\a\0\x85\u2028\u2029")
def test_what_stands_on_one_line_holds_nothing_that_ends_it_and_no_control_character(kind, character):
    with pytest.raises(ValidationError):
        TEXTS[kind].validate_python(f"a{character}b")
    assert TEXTS[kind].validate_python("a b") == "a b"


def test_a_title_of_before_is_read_as_it_was_kept():
    assert TEXTS["title"].validate_python("two\nlines") == "two\nlines"


@given(st.text())
def test_normalising_never_leaves_a_control_character(text):
    try:
        kept = checked_characters(text)
    except ValueError:
        return
    assert not [
        character for character in kept if unicodedata.category(character) == "Cc" and character not in "\n\t\r"
    ]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": None, "b": [1, 2.5, True, "x"], "c": {"d": {}}},
        {"smallest": -(2**63), "largest": 2**63 - 1},
        {"deep": nested(limits.METADATA_DEPTH - 1)},
        {"x": "y" * (limits.METADATA_BYTES - len('{"x":""}'))},
    ],
)
def test_metadata_that_any_store_can_hold_is_kept_as_it_is(value):
    assert METADATA.validate_python(value) == value


@pytest.mark.parametrize(
    "value",
    [
        {"x": "y" * limits.METADATA_BYTES},
        {"deep": nested(limits.METADATA_DEPTH)},
        {"nul\0": 1},
        {"inner": [{"nul\0": 1}]},
        {"n": 2**63},
        {"n": -(2**63) - 1},
        {"n": float("nan")},
        {"n": float("inf")},
        {"\ud800": 1},
        {"x": "\ud800"},
        {1: 1},
        [],
        "x",
    ],
)
def test_metadata_that_some_store_cannot_hold_is_refused(value):
    with pytest.raises(ValidationError):
        METADATA.validate_python(value)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "[" * 300, "1" * 400])
def test_json_that_is_no_json_elsewhere_is_refused_in_a_command(word):
    body = b'{"type":"send","room":"r","actor":"a","command_id":"c","text":"x","metadata":{"n":%s}}' % word.encode()
    with pytest.raises(ValidationError):
        COMMAND.validate_json(body)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-20T12:00:00+02:00", b'"2026-11-20T10:00:00Z"'),
        ("2026-11-20T10:00:00Z", b'"2026-11-20T10:00:00Z"'),
        ("2026-11-20T10:00:00.25-00:00", b'"2026-11-20T10:00:00.250000Z"'),
    ],
)
def test_a_moment_is_told_in_utc_however_it_came(given, kept):
    assert MOMENT.dump_json(MOMENT.validate_python(given)) == kept


@pytest.mark.parametrize(
    "value", ["2026-11-20T10:00:00", "yesterday", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", None, {}]
)
def test_a_moment_without_a_zone_or_outside_the_calendar_is_refused(value):
    with pytest.raises(ValidationError):
        MOMENT.validate_python(value)


@given(st.datetimes(timezones=st.timezones() | st.just(UTC), allow_imaginary=False))
def test_a_moment_survives_its_json(moment):
    try:
        kept = MOMENT.validate_python(moment)
    except ValidationError:
        return
    assert kept == moment.astimezone(UTC)
    assert MOMENT.validate_json(MOMENT.dump_json(kept)) == kept


def test_an_aware_moment_keeps_its_microseconds():
    moment = datetime(2026, 11, 20, 10, 0, 0, 1, tzinfo=UTC)
    assert MOMENT.validate_json(MOMENT.dump_json(moment)) == moment


EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1)]


def _in_categories(*names: str) -> set[str]:
    return {character for character in EVERY_CHARACTER if unicodedata.category(character) in names}


def _refused(check, characters):
    refused = set()
    for character in characters:
        try:
            check(character)
        except ValueError:
            refused.add(character)
    return refused


def test_a_text_holds_every_character_but_controls_and_lone_surrogates():
    assert _refused(checked_characters, EVERY_CHARACTER) == _in_categories("Cc", "Cs") - set("\n\t\r")


def test_a_line_holds_no_control_at_all_and_nothing_that_begins_another():
    assert _refused(checked_line, EVERY_CHARACTER) == _in_categories("Cc", "Cs", "Zl", "Zp")


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 11, 20, 1, 2, 3, 4, tzinfo=UTC),
        datetime(2026, 11, 20, tzinfo=UTC),
        datetime(999, 1, 1, tzinfo=UTC),
    ],
)
def test_the_text_of_a_moment_is_what_a_model_writes(at):
    assert moment_text(at) == to_jsonable_python(at)
