"""The latest applied commands of a room with the answers they got: what a repeat is answered from (I2)."""

from __future__ import annotations

from collections.abc import Iterable

from schemas import limits
from schemas.answers import Accepted
from schemas.ids import CommandId, UserId
from schemas.state import AppliedCommand


class Recent:
    """Bounded; the oldest goes first. Must hold at least as many as can be in progress in a room at a time, so that
    a command whose log confirm is still awaited is always found."""

    def __init__(self, applied: Iterable[AppliedCommand] = (), *, limit: int = limits.RECENT_COMMANDS) -> None:
        """`applied` is oldest first, as in a snapshot."""
        self._limit = limit
        self._answers: dict[tuple[UserId, CommandId], Accepted] = {}
        for command in applied:
            self.remember(command.actor, command.answer)

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, actor: UserId, command_id: CommandId) -> Accepted | None:
        """The answer the command got, if it is remembered."""
        return self._answers.get((actor, command_id))

    def remember(self, actor: UserId, answer: Accepted) -> None:
        """Keep the answer of a command that was decided just now."""
        self._answers[actor, answer.command_id] = answer
        while len(self._answers) > self._limit:
            del self._answers[next(iter(self._answers))]
