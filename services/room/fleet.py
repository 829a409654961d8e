"""This worker among all room workers: it says what it does, hears what they do, sends censuses where nobody knows who
is active, and gives up shards of which it has too many. What it makes of what it hears is decided in `balance`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from schemas.control import Control, RollCall, WorkerHeartbeat
from services.room.balance import Peers
from services.room.outlet import Outlet
from services.room.settings import RoomSettings
from services.room.shard import Shard
from services.runtime.broker import is_cancelled, wait_or

log = structlog.get_logger()

DEAF_AFTER_HEARTBEATS: Final = 1.5
"""Own heartbeats that would have come. No lease can end before that: when hearing ends, each has two of its three
intervals left, and no interval counts as shorter than ours."""

Tell = Callable[[Control], Awaitable[bool]]


class Fleet:
    """Of one connection: after an outage everybody is new."""

    def __init__(
        self, worker: str, settings: RoomSettings, tell: Tell, shards: Sequence[Shard], outlet: Outlet
    ) -> None:
        self._worker = worker
        self._settings = settings
        self._tell = tell
        self._shards = shards
        self._outlet = outlet
        self._peers = Peers(worker, settings.shards, still_seconds=settings.balance_seconds)
        self._changed = asyncio.Event()
        self._told: WorkerHeartbeat | None = None
        self._heard_self = 0.0
        self._leaving = False

    def hear(self, heartbeat: WorkerHeartbeat, now: float) -> None:
        """A worker said what it does; hearing ourselves proves that others can be heard."""
        if heartbeat.worker == self._worker:
            self._heard_self = now
        else:
            interval = max(heartbeat.interval_seconds, self._settings.heartbeat_seconds)
            self._peers.receive(heartbeat.model_copy(update={"interval_seconds": interval}), now)

    def note_change(self) -> None:
        """Say at once what this worker does, be it asked for, or another thing than before."""
        self._changed.set()

    def is_deaf(self, now: float) -> bool:
        """Nothing is heard, not even ourselves: nobody can be blamed for silence. So before a lease ends by it."""
        return now - self._heard_self > DEAF_AFTER_HEARTBEATS * self._settings.heartbeat_seconds

    async def keep_beating(self) -> None:
        """Ask once what the others do; say what this worker does, from time to time and whenever that changes."""
        asked = False
        while not is_cancelled():
            self._changed.clear()
            asked = asked or await self._tell(RollCall())
            if not is_cancelled():
                await self._beat()
            await wait_or(self._changed, self._settings.heartbeat_seconds)

    async def tick(self, now: float) -> None:
        """Time passed.

        Raises:
            AMQPError, TimeoutError, RuntimeError: the way out is closed.
        """
        said = self._heartbeat()
        if self._told is not None and said != self._told:
            self.note_change()
        self._peers.receive(said, now)
        if self.is_deaf(now):
            self._peers.receive_silence(now)
            return
        for worker in self._peers.expire(now):
            log.warning("worker_lost", worker=worker)
        for shard in self._peers.shards_to_count(now):
            await self._outlet.send_census(shard, self._settings.shards)
        given_up = self._peers.give_up(now)
        if given_up is not None:
            self._shards[given_up].give_up()

    def begin_to_leave(self) -> None:
        """Say at once that nothing more should come to this worker."""
        self._leaving = True
        self.note_change()

    async def say_good_bye(self) -> None:
        """The shards are left: say so, for others have them now and may not know."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.broker_timeout_seconds):
                await self._beat()

    async def _beat(self) -> None:
        said = self._heartbeat()
        if await self._tell(said):
            self._told = said

    def _heartbeat(self) -> WorkerHeartbeat:
        since = {shard.number: shard.active_since for shard in self._shards}
        active = sorted((moment, number) for number, moment in since.items() if moment is not None)
        return WorkerHeartbeat(
            worker=self._worker,
            interval_seconds=self._settings.heartbeat_seconds,
            shards=tuple(number for _, number in active),
            ready=not self._leaving and all(shard.is_ready for shard in self._shards),
        )
