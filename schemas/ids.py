"""Identifiers and the rules each must obey (design §3.1). A type here is a promise that the rule was checked."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Annotated, Final, NewType

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

RoomId = NewType("RoomId", str)
UserId = NewType("UserId", str)
GateId = NewType("GateId", str)
ClientId = NewType("ClientId", str)
CommandId = NewType("CommandId", str)
MessageId = NewType("MessageId", str)
InviteId = NewType("InviteId", str)
Epoch = NewType("Epoch", str)

USER_ID_CHARACTERS: Final = 128
DIRECT_PREFIX: Final = "direct:"
COMMAND_ID_CHARACTERS: Final = 64
ROOM_ID_PATTERN: Final = r"^[A-Za-z0-9_:-]{1,64}$"
GATE_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}$"
CLIENT_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}$"
MESSAGE_ID_PATTERN: Final = r"^msg_[0-9]{1,24}$"
EPOCH_PATTERN: Final = r"^[0-9a-z]{1,32}$"
INVITE_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{8,64}$"
_PLAIN_USER_ID: Final = re.compile(f"[!-~]{{1,{USER_ID_CHARACTERS}}}")
"""What nothing can be wrong with: most ids, of which every command and event holds some."""


def checked_user_id(value: str) -> str:
    """Normalise to NFC and refuse white space and control characters.

    Raises:
        ValueError: the id is empty, longer than 128 characters, or holds a forbidden character.
    """
    if _PLAIN_USER_ID.fullmatch(value):
        return value
    text = unicodedata.normalize("NFC", value)
    if not 1 <= len(text) <= USER_ID_CHARACTERS:
        raise ValueError("a user id has 1 to 128 characters")
    if any(character.isspace() or unicodedata.category(character).startswith("C") for character in text):
        raise ValueError("a user id has no white space and no control characters")
    return text


def checked_command_id(value: str) -> str:
    """Refuse what does not print.

    Raises:
        ValueError: the id is empty, longer than 64 characters, or not printable.
    """
    if not 1 <= len(value) <= COMMAND_ID_CHARACTERS or not value.isprintable():
        raise ValueError("a command id has 1 to 64 printable characters")
    return value


RoomIdField = Annotated[RoomId, StringConstraints(pattern=ROOM_ID_PATTERN)]
GateIdField = Annotated[GateId, StringConstraints(pattern=GATE_ID_PATTERN)]
ClientIdField = Annotated[ClientId, StringConstraints(pattern=CLIENT_ID_PATTERN)]
MessageIdField = Annotated[MessageId, StringConstraints(pattern=MESSAGE_ID_PATTERN)]
InviteIdField = Annotated[InviteId, StringConstraints(pattern=INVITE_ID_PATTERN)]
EpochField = Annotated[Epoch, StringConstraints(pattern=EPOCH_PATTERN)]
UserIdField = Annotated[
    UserId,
    AfterValidator(checked_user_id),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": USER_ID_CHARACTERS, "pattern": r"^\S+$"}),
]
CommandIdField = Annotated[
    CommandId,
    AfterValidator(checked_command_id),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": COMMAND_ID_CHARACTERS}),
]
Seq = Annotated[int, Field(ge=0, le=2**53 - 1, strict=True)]
"""A place in a room's numbering; 0 stands before the first event. Within what a JavaScript number holds."""


def direct_room_id(one: UserId, other: UserId) -> RoomId:
    """The one room two users talk in alone, whoever asks first: `direct:` and the first 40 hexadecimal digits of the
    SHA-256 of both ids in UTF-8, in byte order, with a line feed between them."""
    first, second = sorted((one.encode(), other.encode()))
    digest = sha256(first + b"\n" + second).hexdigest()
    return RoomId(f"{DIRECT_PREFIX}{digest[:40]}")


def gate_of(client: ClientId) -> GateId:
    """The gate that holds a client: the part before the first slash, so no registry is needed."""
    return GateId(client.partition("/")[0])
