"""When to look at what again: one heap for all connections instead of a timer for each."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """At most one deadline for a key; setting it again replaces it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._number = 0

    def set(self, key: K, at: float) -> None:
        """Have `key` come due at `at`."""
        self._due[key] = at
        self._number += 1
        heappush(self._heap, (at, self._number, key))

    def drop(self, key: K) -> None:
        """The key never comes due."""
        self._due.pop(key, None)

    def take_due(self, now: float) -> list[K]:
        """The keys whose deadline has passed, earliest first; each must be set again to come again."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                due.append(key)
        return due

    def __len__(self) -> int:
        return len(self._due)
