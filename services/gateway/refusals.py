"""Refusals that a gate makes by itself, whatever the door. Pure."""

from __future__ import annotations

from pydantic import ValidationError

from schemas.answers import Refused
from schemas.commands import Command
from schemas.errors import Code
from schemas.frames import COMMAND_VERBS


def overloaded(command: Command, message: str | None = None, *, again: bool = False) -> Refused:
    """Refuse a command that was not sent. Only a first try was certainly not applied: where it was sent before, which
    it says itself or `again` says, the earlier one may have been."""
    if command.retry or again:
        return Refused.of(Code.NO_ANSWER, command_id=command.command_id)
    return Refused.of(Code.OVERLOADED, message, command_id=command.command_id)


def judge(error: ValidationError) -> tuple[Code, str]:
    """The code and the sentence for input that does not fit its shape: where, and what is wrong there."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"] if part not in COMMAND_VERBS)
    sentence = f"{place}: {first['msg']}" if place else first["msg"]
    large = first["type"] in ("string_too_long", "too_long") or "longer than" in first["msg"]
    return (Code.TOO_LARGE if large else Code.BAD_FIELD), sentence
