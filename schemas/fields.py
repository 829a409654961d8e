"""Field types with their bounds, shared by commands, events and state."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, JsonValue, StringConstraints, WithJsonSchema
from pydantic_core import to_json

from schemas import limits

_PRINTED_CONTROLS: Final = frozenset("\n\t\r")


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
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in _PRINTED_CONTROLS:
            raise ValueError(f"the text holds the control character U+{ord(character):04X}")
    return text


def checked_metadata(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Bound the size of free-form data.

    Raises:
        ValueError: its JSON is longer than the limit.
    """
    if len(to_json(value)) > limits.METADATA_BYTES:
        raise ValueError(f"metadata is longer than {limits.METADATA_BYTES} bytes of JSON")
    return value


Text = Annotated[
    str,
    AfterValidator(checked_text),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": limits.TEXT_BYTES}),
]
Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=limits.TITLE_CHARACTERS),
    AfterValidator(checked_characters),
]
Topic = Annotated[str, StringConstraints(max_length=limits.TOPIC_CHARACTERS), AfterValidator(checked_characters)]
Reason = Annotated[str, StringConstraints(max_length=limits.REASON_CHARACTERS), AfterValidator(checked_characters)]
Emoji = Annotated[
    str,
    StringConstraints(min_length=1, max_length=limits.EMOJI_CHARACTERS),
    AfterValidator(checked_characters),
]
Mood = Annotated[str, StringConstraints(max_length=limits.MOOD_CHARACTERS), AfterValidator(checked_characters)]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(checked_metadata)]
Capacity = Annotated[int, Field(ge=1, le=limits.ROOM_MEMBERS, strict=True)]
RetentionDays = Annotated[int, Field(ge=1, le=36_500, strict=True)]
Moment = AwareDatetime
"""A moment in UTC; on the wire RFC 3339 with microseconds."""
