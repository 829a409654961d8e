"""Deliveries whose handling broke, and how often: what tells a poison delivery from a bad moment. Pure.

The broker counts too, but not on every version and not for every way back into the queue.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

REMEMBERED = 1_000


class Suspects:
    """Bounded; kept by the process, because what a shard knows is forgotten after each failure."""

    def __init__(self) -> None:
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def receive_failure(self, key: str, body: bytes, broker_count: int) -> int:
        """Handling broke once more; how often it has by now, by our count or the broker's."""
        digest = blake2b(key.encode() + b"\0" + body, digest_size=16).digest()
        count = max(self._counts.pop(digest, 0), broker_count) + 1
        self._counts[digest] = count
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return count
