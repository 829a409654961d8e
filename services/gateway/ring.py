"""The recent events of one room, bounded in number and bytes: what most resumes are served from."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from schemas.events import Expulsion


class Numbered(NamedTuple):
    """One event of a room as WebSocket bytes; `expel` is who is no member behind it."""

    seq: int
    frame: bytes
    expel: Expulsion | None = None


class Ring:
    """Events in order without a gap; the oldest make room for new ones."""

    __slots__ = ("_bytes", "_bytes_limit", "_events", "_events_limit")

    def __init__(self, events_limit: int, bytes_limit: int) -> None:
        self._events: deque[Numbered] = deque()
        self._events_limit = events_limit
        self._bytes_limit = bytes_limit
        self._bytes = 0

    def append(self, event: Numbered) -> None:
        """Put the next event behind the others."""
        if self._events and event.seq != self._events[-1].seq + 1:
            raise AssertionError(f"the ring holds up to {self._events[-1].seq} and was given {event.seq}")
        self._events.append(event)
        self._bytes += len(event.frame)
        while len(self._events) > self._events_limit or self._bytes > self._bytes_limit:
            self._bytes -= len(self._events.popleft().frame)

    def prepend(self, events: Sequence[Numbered], top: int) -> None:
        """Put events of before in front of the others, the latest of them and as many as there is a place for; nothing
        where they do not reach to the first one, or in an empty ring to `top`."""
        first = self._events[0].seq if self._events else top + 1
        if not events or events[-1].seq < first - 1:
            return
        for event in reversed([event for event in events if event.seq < first]):
            size = len(event.frame)
            if len(self._events) >= self._events_limit or self._bytes + size > self._bytes_limit:
                return
            self._events.appendleft(event)
            self._bytes += size

    def reaches(self, seq: int) -> bool:
        """Whether all events behind `seq` are here."""
        return bool(self._events) and seq + 1 >= self._events[0].seq

    def since(self, seq: int) -> list[Numbered] | None:
        """All events behind `seq`, or None when some of them are here no longer."""
        if not self.reaches(seq):
            return None
        return list(islice(self._events, seq + 1 - self._events[0].seq, None))

    def clear(self) -> None:
        """Forget everything."""
        self._events.clear()
        self._bytes = 0
