"""Deliveries of one channel that wait for their batch. The broker's prefetch bounds how many there can be.

Each is read when it comes: while the store is busy with the batch before, and not when its own is due.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

import structlog
from aiormq.abc import DeliveredMessage

from schemas import routes
from schemas.errors import ParkReason
from services.history.deliveries import Asked, Content, Garbage, read_delivery
from services.history.discretion import without_words
from services.runtime.broker import key_at, properties_of

log = structlog.get_logger()


class Received(NamedTuple):
    """A delivery, and what it is."""

    delivery: DeliveredMessage
    content: Content


class Inbound:
    """Filled by the consumer's callback, emptied by the one writer of the shard."""

    def __init__(self, *, batch: int, linger_seconds: float) -> None:
        self._batch = batch
        self._linger_seconds = linger_seconds
        self._waiting: deque[Received] = deque()
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._questions = 0
        self._ended = False

    async def receive(self, delivery: DeliveredMessage) -> None:
        """Take one delivery up; never waits, so the order is the broker's. Somebody waits for the answer to a question:
        its batch is written at once."""
        received = Received(delivery, _read(delivery))
        self._waiting.append(received)
        self._questions += isinstance(received.content, Asked)
        self._some.set()
        if self._is_due():
            self._enough.set()

    def end(self) -> None:
        """Hand out nothing any more: what waits goes back to the queue with the channel."""
        self._ended = True
        self._some.set()
        self._enough.set()

    async def take(self) -> list[Received]:
        """The next batch, in order: full, or with a question behind it, or as old as it may become. Empty only after
        `end`."""
        await self._some.wait()
        if not self._is_due() and not self._ended:
            await self._linger()
        if self._ended:
            return []
        taken = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        self._questions -= sum(isinstance(received.content, Asked) for received in taken)
        if not self._waiting:
            self._some.clear()
        if not self._is_due():
            self._enough.clear()
        return taken

    def _is_due(self) -> bool:
        return self._questions > 0 or len(self._waiting) >= self._batch

    async def _linger(self) -> None:
        try:
            await asyncio.wait_for(self._enough.wait(), self._linger_seconds)
        except TimeoutError:
            return


def _read(delivery: DeliveredMessage) -> Content:
    """What the delivery is. One on which reading breaks, by a bug, is poison: it must not hold up the log."""
    properties = properties_of(delivery)
    try:
        key = key_at(routes.LOG, delivery)
        return read_delivery(key, delivery.body, properties.reply_to, properties.correlation_id)
    except Exception as error:
        log.exception("delivery_unreadable", key=delivery.routing_key, exc_info=without_words(error))
        return Garbage(ParkReason.POISON, type(error).__name__)
