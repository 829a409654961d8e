"""Commands without an answer yet: one on its way at a time, so that their order is the order they were given in. Pure.

A command keeps its command_id for ever: sent again with `retry: true` it is applied at most once (I2).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

PENDING_LIMIT: Final = 200


@dataclass(slots=True)
class PendingCommand:
    """A command frame without `id` and `retry`, and how often it was sent."""

    command_id: str
    fields: dict[str, Any]  # Any: a JSON object
    sent: int = 0
    due: float = 0.0


class Pending:
    """A bounded queue whose first command is on its way, or due to be."""

    def __init__(self) -> None:
        self._queue: deque[PendingCommand] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether `add` would break the bound."""
        return len(self._queue) >= PENDING_LIMIT

    def add(self, command_id: str, fields: dict[str, Any]) -> None:  # Any: a JSON object
        """Stand in line. The caller checks `full` first."""
        if self.full:
            raise AssertionError("the caller checks `full` first")
        self._queue.append(PendingCommand(command_id, {**fields, "command_id": command_id}))

    def due_to_send(self, now: float) -> dict[str, Any] | None:  # Any: a JSON object
        """The frame to send now, if any; it counts as sent and is due again when it is `put_off`."""
        if not self._queue or now < self._queue[0].due:
            return None
        first = self._queue[0]
        again = {"retry": True} if first.sent else {}
        first.sent += 1
        first.due = float("inf")
        return {**first.fields, **again}

    def link_lost(self) -> None:
        """Nothing is on its way any longer: the first command is due at once."""
        if self._queue:
            self._queue[0].due = 0.0

    def put_off(self, command_id: str, until: float) -> bool:
        """The command was not taken this time; False when it waits for no answer."""
        if not self._queue or self._queue[0].command_id != command_id:
            return False
        self._queue[0].due = until
        return True

    def settle(self, command_id: str) -> PendingCommand | None:
        """The command has its answer: forget it and give it back, None when it waits for none."""
        for command in self._queue:
            if command.command_id == command_id:
                self._queue.remove(command)
                return command
        return None
