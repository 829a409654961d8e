"""A delivery of the shard's queue read as a command, or named as what it is instead. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from schemas import routes
from schemas.commands import COMMAND, Command
from schemas.errors import Code, ParkReason
from schemas.ids import InviteId


class ReplyAddress(NamedTuple):
    """Where an answer goes, through the default exchange."""

    queue: str
    correlation_id: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """A command as it was delivered.

    Attributes:
        again: this is not its first try, so an earlier one may have been applied.
        looked_up: history was asked, and knows of no earlier try that was.
        token: a fresh secret, for a command that makes one known.
    """

    command: Command
    tag: int
    reply: ReplyAddress | None = None
    again: bool = False
    looked_up: bool = False
    token: InviteId | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """A delivery that is no command: parked for `reason`, and refused with `code` where somebody waits."""

    reason: ParkReason
    code: Code
    detail: str


def read_command(key: str, body: bytes) -> Command | Misfit:
    """Parse a body and hold it against its routing key."""
    try:
        command = COMMAND.validate_json(body)
    except ValidationError as error:
        return _malformed(error)
    if routes.read_command_key(key) != routes.CommandRoute(command.room, command.type):
        wanted = routes.command_key(command.room, command.type)
        return Misfit(ParkReason.MISROUTED, Code.BAD_ROUTE, f"the body belongs under {wanted}, not {key!r}")
    return command


def _malformed(error: ValidationError) -> Misfit:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if not first["loc"]:
        return Misfit(ParkReason.MALFORMED, Code.BAD_FRAME, first["msg"])
    _, *field = first["loc"]
    return Misfit(ParkReason.MALFORMED, Code.BAD_FIELD, f"{'.'.join(map(str, field))}: {first['msg']}")
