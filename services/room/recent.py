"""The latest applied commands of a room with the answers they got: what a repeat is answered from (I2)."""

from __future__ import annotations

from collections.abc import Iterable

from schemas import limits
from schemas.answers import Accepted
from schemas.ids import CommandId, UserId
from schemas.state import AppliedCommand


class Recent:
    """Bounded; the oldest goes first. Must hold at least as many as can be in progress in a room at a time, so that
    a command whose log confirm is still awaited is always found.

    Answers are kept as they go over the wire, a fifth of what the objects take: there are hundreds in every room, and
    hardly one is ever asked for.
    """

    def __init__(self, applied: Iterable[AppliedCommand] = (), *, limit: int = limits.RECENT_COMMANDS) -> None:
        """`applied` is oldest first, as in a snapshot."""
        self._limit = limit
        self._answers: dict[bytes, bytes] = {}
        for command in applied:
            self.remember(command.actor, command.answer)

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, actor: UserId, command_id: CommandId) -> Accepted | None:
        """The answer the command got, if it is remembered."""
        answer = self._answers.get(_key(actor, command_id))
        return None if answer is None else Accepted.model_validate_json(answer)

    def remember(self, actor: UserId, answer: Accepted) -> None:
        """Keep the answer of a command that was decided just now."""
        self._answers[_key(actor, answer.command_id)] = answer.to_json()
        while len(self._answers) > self._limit:
            del self._answers[next(iter(self._answers))]


def _key(actor: UserId, command_id: CommandId) -> bytes:
    """No id holds a line feed."""
    return f"{actor}\n{command_id}".encode()
