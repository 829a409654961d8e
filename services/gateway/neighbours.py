"""What a gate knows of the other gates: what they say of themselves on `chat.control`. Pure; times are arguments, in
monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.control import GateGone, GateHeartbeat
from schemas.ids import GateId

SILENT_INTERVALS: Final = 3
MOST: Final = 1_000
"""More gates than any installation has; beyond, what is heard of a new one is not kept."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another gate as it last said. After `until` without a word it is gone."""

    gate: GateId
    connections: int
    until: float


class Neighbours:
    """The other gates, bounded in number."""

    def __init__(self, own: GateId) -> None:
        self._own = own
        self._known: dict[GateId, Neighbour] = {}

    def receive(self, message: GateHeartbeat | GateGone, now: float) -> None:
        """A gate lives, or says good-bye; our own words come back too, and are no news."""
        if isinstance(message, GateGone):
            self._known.pop(message.gate, None)
            return
        if message.gate == self._own or (message.gate not in self._known and len(self._alive(now)) >= MOST):
            return
        until = now + SILENT_INTERVALS * message.interval_seconds
        self._known[message.gate] = Neighbour(message.gate, message.connections, until)

    def alive(self, now: float) -> list[Neighbour]:
        """Those that were heard of lately, by id."""
        return sorted(self._alive(now), key=lambda each: each.gate)

    def _alive(self, now: float) -> list[Neighbour]:
        self._known = {gate: each for gate, each in self._known.items() if each.until > now}
        return list(self._known.values())
