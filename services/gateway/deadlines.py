"""When to look at what again: one timer wheel for all connections instead of a timer for each."""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil, floor
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """At most one deadline for a key; setting it again replaces it and leaves nothing behind.

    The wheel has a slot for each `tick_seconds`: a key comes due never early and at most a tick late, and every call
    costs the same however many keys there are. Times are seconds of one steady clock.
    """

    def __init__(self, tick_seconds: float) -> None:
        self._tick_seconds = tick_seconds
        self._slots: dict[int, dict[K, None]] = {}
        self._slot_of: dict[K, int] = {}
        self._turned: int | None = None

    def set(self, key: K, at: float) -> None:
        """Have `key` come due at `at`."""
        self.drop(key)
        slot = ceil(at / self._tick_seconds)
        if self._turned is not None:
            slot = max(slot, self._turned + 1)
        self._slot_of[key] = slot
        self._slots.setdefault(slot, {})[key] = None

    def drop(self, key: K) -> None:
        """The key never comes due."""
        slot = self._slot_of.pop(key, None)
        if slot is None:
            return
        del self._slots[slot][key]
        if not self._slots[slot]:
            del self._slots[slot]

    def take_due(self, now: float) -> list[K]:
        """The keys whose deadline has passed, earliest first; each must be set again to come again."""
        slot = floor(now / self._tick_seconds)
        first = min(self._slots, default=slot) if self._turned is None else self._turned + 1
        due = [key for turned in range(first, slot + 1) for key in self._slots.pop(turned, ())]
        for key in due:
            del self._slot_of[key]
        self._turned = slot if self._turned is None else max(slot, self._turned)
        return due

    def __len__(self) -> int:
        return len(self._slot_of)
