"""What a door says of a command, in the words of all doors: accepted, or refused with a code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from schemas.errors import Code


class Accepted(NamedTuple):
    """It was applied. What a door does not tell is None."""

    room: str | None = None
    epoch: str | None = None
    seq: int | None = None
    message_id: str | None = None
    invite: str | None = None

    def agrees_with(self, other: Accepted) -> bool:
        """Whether both say the same, as far as both say anything."""
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True) if None not in (mine, theirs))


class Refused(NamedTuple):
    """It was not."""

    code: Code


Outcome = Accepted | Refused


class Door(Protocol):
    """One way into the service."""

    name: str

    async def act(
        self, user: str, verb: str, command_id: str, fields: Mapping[str, Any], *, retry: bool = False
    ) -> Outcome:
        """Have a user's command applied, and wait for the answer."""


def outcome_of(answer: dict[str, Any]) -> Outcome:
    """What an `accepted` or `refused` of the contract says."""
    if answer["type"] == "refused":
        return Refused(Code(answer["code"]))
    assert answer["type"] == "accepted", answer
    told = (answer.get(name) for name in Accepted._fields)
    return Accepted(*told)
