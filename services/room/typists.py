"""Who was said to be writing a moment ago, so that nobody is told the same again at every key. Pure; moments are
seconds of a monotonic clock."""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.ids import RoomId, UserId

QUIET_SECONDS: Final = 1.0


class Said(NamedTuple):
    """What was signalled last, and when."""

    active: bool
    at: float


class Typists:
    """Bounded by the signals of one second."""

    def __init__(self) -> None:
        self._said: dict[tuple[RoomId, UserId], Said] = {}

    def __len__(self) -> int:
        return len(self._said)

    def receive(self, room: RoomId, user: UserId, now: float, *, active: bool) -> bool:
        """A member says that they write, or no longer; False when the same was signalled within the last second."""
        self._forget_old(now)
        said = self._said.get((room, user))
        if said is not None and said.active is active:
            return False
        self._said.pop((room, user), None)
        self._said[room, user] = Said(active, now)
        return True

    def receive_message(self, room: RoomId, user: UserId) -> None:
        """What they wrote is posted: to go on writing is news."""
        self._said.pop((room, user), None)

    def _forget_old(self, now: float) -> None:
        while self._said:
            oldest = next(iter(self._said))
            if self._said[oldest].at + QUIET_SECONDS > now:
                return
            del self._said[oldest]
