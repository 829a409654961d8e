"""Retention: a worker goes through the rooms every now and then and empties what they have kept for long enough.

Every history worker does. Two at once do the same twice, and the second finds nothing left to do.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Final

import structlog

from services.history.discretion import without_words
from services.history.metrics import HistoryMetrics
from services.history.records import RoomRecord
from services.history.retention import kept_since
from services.history.store import Store, StoreUnavailable
from services.runtime.broker import wait_or

log = structlog.get_logger()

ROOMS_AT_ONCE: Final = 200
EVENTS_AT_ONCE: Final = 500


class Keeper:
    """Keeps rooms to their `retention_days`."""

    def __init__(self, store: Store, metrics: HistoryMetrics, stopping: asyncio.Event, every_seconds: float) -> None:
        """It stops between two steps when `stopping` is set, and begins anew `every_seconds` after it began, more or
        less, so that workers drift apart."""
        self._store = store
        self._metrics = metrics
        self._stopping = stopping
        self._every_seconds = every_seconds

    async def run(self) -> None:
        """Go through the rooms again and again, until the process stops."""
        while not self._stopping.is_set():
            try:
                await self.empty_rooms(datetime.now(UTC))
            except StoreUnavailable as error:
                self._metrics.store_failures.inc()
                log.warning("retention_interrupted", error=str(error))
            except Exception as error:
                log.exception("retention_failed", exc_info=without_words(error))
            drift = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            await wait_or(self._stopping, self._every_seconds * drift)

    async def empty_rooms(self, now: datetime) -> None:
        """Empty whatever is due in any room.

        Raises:
            StoreUnavailable: it goes on from there the next time.
        """
        rooms = await self._store.rooms_to_empty(None, ROOMS_AT_ONCE)
        while rooms and not self._stopping.is_set():
            for room in rooms:
                await self._empty(room, now)
            rooms = await self._store.rooms_to_empty(rooms[-1].room, ROOMS_AT_ONCE)

    async def _empty(self, room: RoomRecord, now: datetime) -> None:
        since = kept_since(room, now)
        more = since is not None
        while since is not None and more and not self._stopping.is_set():
            messages, more = await self._store.empty(room, since, EVENTS_AT_ONCE)
            self._metrics.messages_emptied.inc(messages)
