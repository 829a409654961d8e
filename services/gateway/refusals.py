"""Refusals that a gate makes by itself, whatever the door. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import TypeAdapter, ValidationError

from schemas.answers import FrameNumber, Refused
from schemas.commands import Command
from schemas.errors import Code
from schemas.frames import COMMAND_VERBS
from schemas.ids import CommandId, CommandIdField

QUEUE_FULL_SECONDS: Final = 1.0
"""When a room's queue, which was full, is worth another try."""
COMMAND_ID: Final[TypeAdapter[CommandId]] = TypeAdapter(CommandIdField)


def overloaded(command: Command, message: str | None = None) -> Refused:
    """Refuse a command that was not sent. Only a first try was certainly not applied: of one that says that it was sent
    before, the earlier one may have been."""
    if command.retry:
        return Refused.of(Code.NO_ANSWER, command_id=command.command_id)
    return Refused.of(Code.OVERLOADED, message, command_id=command.command_id)


def queue_full(command: Command, message: str | None = None) -> Refused:
    """Refuse a command that the queue of its room had no place for, and say when to come again."""
    refused = overloaded(command, message)
    return refused.model_copy(update={"retry_after_seconds": QUEUE_FULL_SECONDS})


def draining(frame: Mapping[str, object], frame_id: FrameNumber | None, wait_seconds: float) -> Refused:
    """Refuse a frame unread because this gate goes down. As above: of one that says that it was sent before, nobody
    here knows."""
    return _unread(Code.DRAINING, frame, frame_id, wait_seconds)


def rate_limited(frame: Mapping[str, object], frame_id: FrameNumber | None, wait_seconds: float) -> Refused:
    """Refuse a frame unread because too many came, whatever else may be wrong with it. As above: of one that says that
    it was sent before, nobody here knows."""
    return _unread(Code.RATE_LIMITED, frame, frame_id, wait_seconds)


def _unread(code: Code, frame: Mapping[str, object], frame_id: FrameNumber | None, wait_seconds: float) -> Refused:
    said = Code.NO_ANSWER if frame.get("retry") is True else code
    return Refused.of(said, id=frame_id, command_id=command_id_in(frame), retry_after_seconds=round(wait_seconds, 3))


def command_id_in(fields: Mapping[str, object]) -> CommandId | None:
    """The id that a command names itself by, where it can be one."""
    try:
        return COMMAND_ID.validate_python(fields.get("command_id"))
    except ValidationError:
        return None


def judge(error: ValidationError) -> tuple[Code, str]:
    """The code and the sentence for input that does not fit its shape: where, and what is wrong there."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"] if part not in COMMAND_VERBS)
    sentence = f"{place}: {first['msg']}" if place else first["msg"]
    large = first["type"] in ("string_too_long", "too_long") or "longer than" in first["msg"]
    return (Code.TOO_LARGE if large else Code.BAD_FIELD), sentence
