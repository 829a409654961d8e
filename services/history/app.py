"""The history process: the only place that knows which store it is, reads settings, and ties everything together."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel
from prometheus_client import CollectorRegistry

from schemas import routes
from schemas.control import Control
from services.history.keeper import Keeper
from services.history.metrics import HistoryMetrics
from services.history.queries import Queries
from services.history.reader import Reader
from services.history.settings import HistorySettings
from services.history.shard import PAUSE_SECONDS, HistoryShard
from services.history.store import Store, StoreUnavailable
from services.history.store_mongo import MongoStore
from services.runtime.broker import BROKER_ERRORS, connect, declare_topology, keep_connected, open_channel, wait_or
from services.runtime.control import ControlPlane
from services.runtime.observe import Health, configure_logging
from services.runtime.process import run, serve_ops

log = structlog.get_logger()

STARTING_SECONDS: Final = 0.2


@dataclass(slots=True)
class LogWriting:
    """All shards of one worker, on two connections: one consumes, the other publishes (see `ShardWriter`)."""

    worker: str
    settings: HistorySettings
    shards: list[HistoryShard]
    metrics: HistoryMetrics
    health: Health
    stopping: asyncio.Event

    async def serve(self, connection: AbstractConnection) -> None:
        """Write the log until the process stops or a connection goes.

        Raises:
            AMQPError, OSError: the broker is away, or takes what we need away from us.
        """
        bound = self.settings.broker_timeout_seconds
        publishing = await connect(self.settings.amqp_url, f"{self.worker} publishes", timeout_seconds=bound)
        try:
            outlet = await open_channel(publishing, confirms=True)
            await declare_topology(outlet, self.settings.shards, declares=self.settings.declares)
            await self._work(connection, outlet)
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        finally:
            self.health.fail("broker")
            self.health.fail("shards")
            await asyncio.wait_for(publishing.close(), bound)

    async def _work(self, connection: AbstractConnection, outlet: Channel) -> None:
        async with asyncio.TaskGroup() as tasks:
            watches = (tasks.create_task(_fail_with(outlet)), tasks.create_task(self._pulse(connection)))
            shards = [tasks.create_task(shard.run(connection, outlet)) for shard in self.shards]
            await asyncio.wait(shards)
            for watch in watches:
                watch.cancel()

    async def _pulse(self, connection: AbstractConnection) -> None:
        """Round trips that prove the connection, and that our queues are there."""
        channel = await open_channel(connection, confirms=False)
        while not self.stopping.is_set():
            for shard in self.shards:
                queue = routes.history_queue(shard.number)
                await channel.queue_declare(queue, passive=True, timeout=self.settings.broker_timeout_seconds)
            complete = self._beat()
            await wait_or(self.stopping, self.settings.heartbeat_seconds if complete else STARTING_SECONDS)

    def _beat(self) -> bool:
        """Take stock; True when every shard stands in line."""
        consumed = sum(shard.consuming for shard in self.shards)
        self.metrics.shards_consumed.set(consumed)
        self.health.beat("broker", time.monotonic())
        complete = consumed == len(self.shards)
        if complete:
            self.health.beat("shards", time.monotonic())
        else:
            self.health.fail("shards")
        return complete


async def _fail_with(channel: Channel) -> None:
    """Raise when the channel closes under us."""
    await asyncio.wait((channel.closing,))
    raise ConnectionError("the channel that answers and parks was closed")


async def _prepare(store: Store, stopping: asyncio.Event) -> None:
    """Make the indexes, trying until it works: without them nothing may be written."""
    while not stopping.is_set():
        try:
            await store.prepare()
        except StoreUnavailable as error:
            log.warning("store_not_prepared", error=str(error))
            await wait_or(stopping, PAUSE_SECONDS)
        else:
            return


async def _watch_store(store: Store, health: Health, stopping: asyncio.Event, seconds: float) -> None:
    while not stopping.is_set():
        try:
            await store.ping()
            health.beat("store", time.monotonic())
        except StoreUnavailable:
            health.fail("store")
        await wait_or(stopping, seconds)


async def _watch_reads(
    control: ControlPlane, reader: Reader, health: Health, stopping: asyncio.Event, seconds: float
) -> None:
    while not stopping.is_set():
        if await _serves_reads(control, reader, seconds):
            health.beat("queries", time.monotonic())
        else:
            health.fail("queries")
        await wait_or(stopping, seconds)


async def _serves_reads(control: ControlPlane, reader: Reader, seconds: float) -> bool:
    """The broker answers on the connection of the reads, and our consumer is there."""
    try:
        return await control.broker.ping(timeout=seconds) and await reader.is_consuming()
    except BROKER_ERRORS:
        return False


async def _ignore(_: Control) -> None:
    """History has nothing to hear on the control plane."""


async def serve(settings: HistorySettings, stopping: asyncio.Event) -> None:
    """Run a history worker until `stopping` is set; return when it is drained."""
    worker = f"history-{uuid4().hex[:12]}"
    registry, health = CollectorRegistry(), Health()
    metrics = HistoryMetrics(registry)
    for part in ("broker", "shards", "store", "queries"):
        health.expect(part)
    store = MongoStore(settings.mongo_url, timeout_seconds=settings.store_timeout_seconds)
    shards = [HistoryShard(number, store, metrics, settings, stopping) for number in range(settings.shards)]
    writing = LogWriting(worker, settings, shards, metrics, health, stopping)
    bound, beat = settings.broker_timeout_seconds, settings.heartbeat_seconds
    control = ControlPlane(settings.amqp_url, worker, _ignore, timeout_seconds=bound, declares=settings.declares)
    reader = Reader(Queries(store, settings.history_through_seconds), metrics)
    reader.subscribe(control.broker, at_once=settings.history_queries, declares=settings.declares)
    async with control, asyncio.TaskGroup() as tasks:
        tasks.create_task(
            serve_ops(health, registry, host=settings.ops_host, port=settings.ops_port, stopping=stopping)
        )
        tasks.create_task(_watch_store(store, health, stopping, beat))
        await _prepare(store, stopping)
        tasks.create_task(_read(control, reader, health, stopping, beat))
        tasks.create_task(Keeper(store, metrics, stopping, settings.retention_seconds).run())
        await keep_connected(settings.amqp_url, worker, writing.serve, stopping=stopping, timeout_seconds=bound)
    await store.close()


async def _read(
    control: ControlPlane, reader: Reader, health: Health, stopping: asyncio.Event, beat_seconds: float
) -> None:
    await control.start(stopping)
    await _watch_reads(control, reader, health, stopping, beat_seconds)


def main() -> None:
    """`python -m services history`."""
    settings = HistorySettings()
    configure_logging(settings.log_level)
    run(lambda stopping: serve(settings, stopping))
