"""Field types with their bounds, shared by commands, events and state."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, JsonValue, StringConstraints, WithJsonSchema
from pydantic_core import to_json

from schemas import limits

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""The categories Cc, but for line feed, return and tab, and Cs. Every text of every message is searched, so it is a
pattern and no loop."""
_FORBIDDEN_IN_LINE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""The categories Cc, Zl, Zp and Cs."""


def checked_text(value: str) -> str:
    """Normalise to NFC; refuse control characters other than line feed, return and tab.

    Raises:
        ValueError: the text is blank, too long in bytes, or holds a control character or a lone surrogate.
    """
    text = checked_characters(value)
    if not text.strip():
        raise ValueError("the text is blank")
    if len(text.encode()) > limits.TEXT_BYTES:
        raise ValueError(f"the text is longer than {limits.TEXT_BYTES} bytes")
    return text


def checked_characters(value: str) -> str:
    """Normalise to NFC; refuse control characters (line feed, return and tab stay) and lone surrogates.

    Raises:
        ValueError: a forbidden character was found.
    """
    text = unicodedata.normalize("NFC", value)
    if (found := _FORBIDDEN.search(text)) is not None:
        raise ValueError(f"the text holds the control character U+{ord(found[0]):04X}")
    return text


def checked_line(value: str) -> str:
    """The same for what stands on one line: no control character at all, and nothing that begins another line.

    Raises:
        ValueError: a forbidden character was found.
    """
    text = checked_characters(value)
    if (found := _FORBIDDEN_IN_LINE.search(text)) is not None:
        raise ValueError(f"a single line holds the character U+{ord(found[0]):04X}")
    return text


def checked_name(value: str) -> str:
    """The same for a line that something is known by.

    Raises:
        ValueError: a forbidden character was found, or there is nothing to see.
    """
    text = checked_line(value)
    if not text.strip():
        raise ValueError("the text is blank")
    return text


def checked_metadata(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Bound free-form data to what every JSON reader and the store can hold, so that what was accepted can be kept.

    Raises:
        ValueError: its JSON is longer than the limit or nested too deep, a key holds NUL, or a number is not finite
            or no 64-bit integer.
    """
    if len(to_json(value)) > limits.METADATA_BYTES:
        raise ValueError(f"metadata is longer than {limits.METADATA_BYTES} bytes of JSON")
    _check_storable(value, limits.METADATA_DEPTH)
    return value


def _check_storable(value: JsonValue, depth: int) -> None:
    if depth < 0:
        raise ValueError(f"metadata is nested deeper than {limits.METADATA_DEPTH} levels")
    match value:
        case dict():
            if any("\0" in key for key in value):
                raise ValueError("a metadata key holds the control character U+0000")
            for inner in value.values():
                _check_storable(inner, depth - 1)
        case list():
            for inner in value:
                _check_storable(inner, depth - 1)
        case int() if not -(2**63) <= value < 2**63:
            raise ValueError("a metadata number is no 64-bit integer")
        case float() if not isfinite(value):
            raise ValueError("a metadata number is not finite")


def in_utc(value: datetime) -> datetime:
    """The same moment, told in UTC.

    Raises:
        ValueError: it lies outside the years 1 to 9999 there.
    """
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment is outside the years 1 to 9999") from error


def moment_text(at: datetime) -> str:
    """A moment in UTC as it stands on the wire."""
    return f"{at.replace(tzinfo=None).isoformat()}Z"


def no_count(value: object) -> object:
    """Leave numbers out: whether they count seconds or milliseconds, and from when, nobody can tell.

    Raises:
        ValueError: it is a number, also one in a text.
    """
    if isinstance(value, int | float) or (isinstance(value, str) and value[4:5] != "-"):
        raise ValueError("a moment is a text as in RFC 3339")
    return value


Text = Annotated[
    str,
    AfterValidator(checked_text),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": limits.TEXT_BYTES}),
]
# The bounds stand behind the normalisation, which may lengthen a text: what an event carries must be readable again.
Title = Annotated[
    str,
    AfterValidator(checked_characters),
    StringConstraints(min_length=1, max_length=limits.TITLE_CHARACTERS),
]
"""A title as it is kept: rooms of 0.1.0 may have one that holds line feeds, and have to be read for ever."""
GivenTitle = Annotated[
    str,
    AfterValidator(checked_name),
    StringConstraints(min_length=1, max_length=limits.TITLE_CHARACTERS),
]
Topic = Annotated[str, AfterValidator(checked_characters), StringConstraints(max_length=limits.TOPIC_CHARACTERS)]
Reason = Annotated[str, AfterValidator(checked_characters), StringConstraints(max_length=limits.REASON_CHARACTERS)]
Emoji = Annotated[
    str,
    AfterValidator(checked_name),
    StringConstraints(min_length=1, max_length=limits.EMOJI_CHARACTERS),
]
Mood = Annotated[str, AfterValidator(checked_line), StringConstraints(max_length=limits.MOOD_CHARACTERS)]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(checked_metadata)]
Capacity = Annotated[int, Field(ge=1, le=limits.ROOM_MEMBERS, strict=True)]
RetentionDays = Annotated[int, Field(ge=1, le=36_500, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
"""True or false, and not a word or number that could be taken for one."""
Moment = Annotated[AwareDatetime, BeforeValidator(no_count), AfterValidator(in_utc)]
"""A moment in UTC; on the wire RFC 3339 ending in `Z`, with a fraction of six digits unless it is zero."""
