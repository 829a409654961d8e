"""Watching what is known to have happened and has not come: it has its time, is asked for, and is given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOLE_SECONDS: Final = 1.0
"""The gate fills holes itself; one that stays this long is asked for."""
HOLE_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class _Watched:
    behind: int
    since: float
    tries: int


class HoleWatch:
    """Watches one hole at a time, known by the seq it lies behind."""

    def __init__(self) -> None:
        self._watched: _Watched | None = None

    def forget(self) -> None:
        """There is none, or the next one begins anew."""
        self._watched = None

    def is_overdue(self, behind: int, now: float) -> bool:
        """Whether the hole behind this seq has had its time; one that is new is given it."""
        if self._watched is None or self._watched.behind != behind:
            self._watched = _Watched(behind, now, 0)
            return False
        return now - self._watched.since >= HOLE_SECONDS

    def stays(self, now: float) -> bool:
        """Asking was in vain: it has its time again. True when it was asked for often enough."""
        if self._watched is None:
            return False
        self._watched = _Watched(self._watched.behind, now, self._watched.tries + 1)
        return self._watched.tries >= HOLE_TRIES
