"""What a client of the conversation socket may say, and the native frame each of it becomes. Pure.

Only these shapes are known here: rules, rates and bounds are those of the native connection the frames are given to.
What we do not know in a frame is left alone; ids of native frames name what was asked, so that answers find back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from schemas import limits
from schemas.answers import Refused
from schemas.commands import Position
from schemas.errors import Code
from schemas.fields import Flag, Metadata, Text
from schemas.ids import CommandIdField, RoomId, Seq
from services.gateway.refusals import command_id_in, judge

Frame = dict[str, Any]  # Any: a JSON object

ATTACH: Final = "attach"
MESSAGE: Final = "message"
TYPING: Final = "typing"
SYNC: Final = "sync"
PING: Final = "ping"

Site = Annotated[str, Field(max_length=256)]


class Said(BaseModel):
    """What every frame of a client is."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class MessageFrame(Said):
    """A message; `message_id` is the client's own id for it and makes a repeat harmless."""

    type: Literal["message"]
    content: Text
    message_id: CommandIdField | None = None
    sites: Site | Annotated[tuple[Site, ...], Field(max_length=32)] | None = None
    mode: Annotated[str, Field(max_length=64)] | None = None
    metadata: Metadata = {}
    retry: Flag = False


class TypingFrame(Said):
    """The user writes, or stopped."""

    type: Literal["typing"]
    writes: Flag = Field(default=True, alias="isTyping")


class SyncFrame(Said):
    """Give me the messages behind this one."""

    type: Literal["sync"]
    last_sequence_id: Seq = 0


class PingFrame(Said):
    """Is anybody there."""

    type: Literal["ping"]


AnyFrame = MessageFrame | TypingFrame | SyncFrame | PingFrame
TYPES: Final = frozenset({MESSAGE, TYPING, SYNC, PING})
_FRAME: Final[TypeAdapter[AnyFrame]] = TypeAdapter(Annotated[AnyFrame, Field(discriminator="type")])


def parse(data: bytes) -> AnyFrame | Refused:
    """Read one frame of a client; a refusal says what is wrong, and of which message."""
    try:
        fields = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        return Refused.of(Code.BAD_FRAME, f"the frame is not JSON: {error}")
    if not isinstance(fields, dict):
        return Refused.of(Code.BAD_FRAME, "a frame is a JSON object")
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        return Refused.of(Code.UNKNOWN_COMMAND, f"type: one of {', '.join(sorted(TYPES))}")
    try:
        return _FRAME.validate_python(fields)
    except ValidationError as error:
        return _misfit(fields, error)


def native(frame: AnyFrame, room: RoomId) -> Frame:
    """The frame of the native protocol that asks for the same."""
    match frame:
        case MessageFrame():
            return _send(frame, room)
        case TypingFrame():
            return {"type": "typing", "id": TYPING, "room": room, "active": frame.writes}
        case SyncFrame():
            return history(room, frame.last_sequence_id)
        case PingFrame():
            return {"type": "ping", "id": PING}
        case _:
            assert_never(frame)


def attach(room: RoomId, position: Position) -> Frame:
    """Go on behind `position`."""
    return {"type": "attach", "id": ATTACH, "room": room, "position": position.to_dict()}


def history(room: RoomId, after: int) -> Frame:
    """A page of what is behind `after`."""
    return {"type": "history", "id": SYNC, "room": room, "after": after, "limit": limits.PAGE_EVENTS}


def _send(frame: MessageFrame, room: RoomId) -> Frame:
    known = {"sites": frame.sites, "mode": frame.mode}
    metadata = {name: value for name, value in known.items() if value is not None} | frame.metadata
    named = {} if frame.message_id is None else {"command_id": frame.message_id}
    return {
        "type": "send",
        "id": MESSAGE,
        "room": room,
        "text": frame.content,
        "metadata": metadata,
        "retry": frame.retry,
        **named,
    }


def _misfit(fields: Mapping[str, object], error: ValidationError) -> Refused:
    code, sentence = judge(error)
    named = command_id_in({"command_id": fields.get("message_id")})
    return Refused.of(code, sentence.removeprefix(f"{fields['type']}."), command_id=named)
