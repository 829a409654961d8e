"""The broker of a trace: deliveries under way one after the other, one queue of commands, one of the log.

It stands in for RabbitMQ as far as the stories need it: a single active consumer, unacked deliveries that come back
at the head in their order, confirms. Whatever is under way arrives in the order in which it was sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in a queue."""

    key: str
    body: bytes
    reply_to: str | None = None
    correlation_id: str | None = None
    redelivered: bool = False


class Consumer(Protocol):
    """Who stands in line for the queue of commands."""

    def receive(self, tag: int, delivery: Delivery) -> None:
        """One delivery, to be acked under its tag."""


class Unacked(NamedTuple):
    """A delivery that its consumer has not acked."""

    tag: int
    delivery: Delivery


@dataclass(slots=True)
class CommandQueue:
    """`room.shard.0`: the first in line is the active consumer."""

    under_way: UnderWay
    line: list[Consumer] = field(default_factory=list)
    ready: deque[Delivery] = field(default_factory=deque)
    unacked: list[Unacked] = field(default_factory=list)
    tags: int = 0

    @property
    def active(self) -> Consumer | None:
        """Who gets the deliveries."""
        return self.line[0] if self.line else None

    def publish(self, delivery: Delivery) -> None:
        """A command arrives."""
        self.ready.append(delivery)
        self.under_way.add(self._deliver)

    def join(self, consumer: Consumer) -> None:
        """Stand in line."""
        self.line.append(consumer)
        self._deliver_all()

    def ack(self, consumer: Consumer, tag: int) -> None:
        """A delivery is settled; an ack on a channel that is closed says nothing."""
        if consumer is self.active:
            self.unacked = [each for each in self.unacked if each.tag != tag]

    def leave(self, consumer: Consumer) -> int:
        """A channel closed: what its consumer had not acked goes back to the head of the queue, in order."""
        was_active = consumer is self.active
        self.line.remove(consumer)
        if not was_active:
            return 0
        returned = [replace(each.delivery, redelivered=True) for each in self.unacked]
        self.unacked.clear()
        self.ready.extendleft(reversed(returned))
        self._deliver_all()
        return len(returned)

    def _deliver_all(self) -> None:
        for _ in self.ready:
            self.under_way.add(self._deliver)

    def _deliver(self) -> None:
        if self.active is not None and self.ready:
            delivery, self.tags = self.ready.popleft(), self.tags + 1
            self.unacked.append(Unacked(self.tags, delivery))
            self.active.receive(self.tags, delivery)


class UnderWay:
    """What was sent and has not arrived."""

    def __init__(self) -> None:
        self._deeds: deque[Callable[[], None]] = deque()

    def add(self, deed: Callable[[], None]) -> None:
        """Something sets out."""
        self._deeds.append(deed)

    def arrive(self) -> None:
        """Everything arrives, and whatever follows from it, until nothing is under way any more."""
        while self._deeds:
            self._deeds.popleft()()
