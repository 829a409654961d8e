"""The settle line of a shard: what was decided, in that order, and when its effects may go out (I4, I5). Pure.

Nothing leaves the line before its own log confirm, nor before everything in front of it has left. Deliveries are
acked in batches; rooms that wait for a snapshot make them end out of order, which `AckWindow` sorts out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Generic, NamedTuple, TypeVar

Effects = TypeVar("Effects")


@dataclass(slots=True, eq=False)
class Entry(Generic[Effects]):
    """One place in the line. `confirmed` from the start where nothing was logged."""

    effects: Effects
    confirmed: bool


class Line(Generic[Effects]):
    """A queue whose head leaves only when it is confirmed."""

    def __init__(self) -> None:
        self._entries: deque[Entry[Effects]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry[Effects]]:
        return iter(self._entries)

    def append(self, effects: Effects, *, confirmed: bool) -> Entry[Effects]:
        """Take a place at the end."""
        entry = Entry(effects, confirmed)
        self._entries.append(entry)
        return entry

    def effects_to_send(self) -> list[Effects]:
        """What the confirmed head of the line wants sent, in order. Each keeps its place until `receive_sent`: whoever
        waits for an empty line waits for what is in mid-send too."""
        return [entry.effects for entry in takewhile(lambda entry: entry.confirmed, self._entries)]

    def receive_sent(self) -> None:
        """The effects of the first are out: it leaves.

        Raises:
            ValueError: the first was not to be sent yet.
        """
        if not (self._entries and self._entries[0].confirmed):
            raise ValueError("nothing in front of the line was to be sent")
        self._entries.popleft()


class Ack(NamedTuple):
    """One ack to send; `multiple` covers every lower tag too."""

    tag: int
    multiple: bool


class AckWindow:
    """The deliveries of one channel from their arrival to their ack.

    A run of settled deliveries from the lowest tag on is one `multiple` ack; those settled behind a gap are acked one
    by one, so that a room which waits holds nobody else's prefetch.
    """

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._settled: set[int] = set()
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self._open)

    def receive(self, tag: int) -> None:
        """A delivery arrived; tags grow.

        Raises:
            ValueError: the tag does not grow.
        """
        if self._open and tag <= self._open[-1]:
            raise ValueError(f"delivery tag {tag} came after {self._open[-1]}")
        self._open.append(tag)

    def settle(self, tag: int) -> None:
        """A delivery is done and wants its ack."""
        self._settled.add(tag)

    def give_up(self, tag: int) -> None:
        """A delivery was settled in another way (rejected) and must not be acked."""
        self._gone.add(tag)

    def acks_to_send(self) -> list[Ack]:
        """The acks that are due; each is given out once."""
        run = self._take_run()
        acks = [Ack(run[-1], multiple=len(run) > 1)] if run else []
        acks += [Ack(tag, multiple=False) for tag in sorted(self._settled)]
        self._gone |= self._settled
        self._settled.clear()
        return acks

    def _take_run(self) -> list[int]:
        run = []
        while self._open and (self._open[0] in self._settled or self._open[0] in self._gone):
            tag = self._open.popleft()
            if tag in self._settled:
                self._settled.discard(tag)
                run.append(tag)
            self._gone.discard(tag)
        return run
