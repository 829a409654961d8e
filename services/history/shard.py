"""One shard's place in line: a channel, a consumer and a writer, made anew whenever the channel goes."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Final

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import ConsumerCancelCallback
from aiormq.channel import Channel
from pamqp import commands

from schemas import routes
from services.history.discretion import without_words
from services.history.inbound import Inbound
from services.history.metrics import HistoryMetrics
from services.history.settings import HistorySettings
from services.history.store import Store, StoreUnavailable
from services.history.writer import ShardWriter
from services.runtime.broker import BROKER_ERRORS, open_channel, raise_if_cancelled, wait_or

log = structlog.get_logger()

PAUSE_SECONDS: Final = 1.0


@dataclass(slots=True)
class HistoryShard:
    """Stands in line for `history.shard.<number>`. Whether it is the active consumer, the broker alone decides."""

    number: int
    store: Store
    metrics: HistoryMetrics
    settings: HistorySettings
    stopping: asyncio.Event
    consuming: bool = False

    async def run(self, connection: AbstractConnection, outlet: Channel) -> None:
        """Write until the process stops. Channels of `connection` may come and go; both arguments are the caller's."""
        while not self.stopping.is_set():
            try:
                await self._serve(connection, outlet)
            except (*BROKER_ERRORS, StoreUnavailable) as error:
                log.warning("shard_interrupted", shard=self.number, error=repr(error))
            except Exception as error:
                log.exception("shard_failed", shard=self.number, exc_info=without_words(error))
            raise_if_cancelled()
            await wait_or(self.stopping, PAUSE_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret

    async def _serve(self, connection: AbstractConnection, outlet: Channel) -> None:
        """One channel's life. Ends when the channel closes, when the broker takes the consumer away, or at a stop."""
        channel = await open_channel(connection, confirms=True, prefetch=self.settings.history_prefetch)
        try:
            await self._consume(channel, outlet)
        finally:
            self.consuming = False
            with contextlib.suppress(*BROKER_ERRORS):
                await asyncio.wait_for(channel.close(), self.settings.broker_timeout_seconds)

    async def _consume(self, channel: Channel, outlet: Channel) -> None:
        bound = self.settings.broker_timeout_seconds
        writer = ShardWriter(channel, outlet, self.store, self.metrics, stopping=self.stopping, timeout_seconds=bound)
        inbound = Inbound(batch=self.settings.history_batch, linger_seconds=self.settings.history_linger_seconds)
        await writer.store_answers()
        channel.on_consumer_cancel_callbacks.add(_ender(inbound))
        await channel.basic_consume(routes.history_queue(self.number), inbound.receive, timeout=bound)
        self.consuming = True
        await self._write(channel, writer, inbound)

    async def _write(self, channel: Channel, writer: ShardWriter, inbound: Inbound) -> None:
        """At a stop the batch in hand may still end, within the bound; what waits goes back with the channel."""
        writing = asyncio.create_task(writer.write(inbound))
        stopped = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait((writing, stopped, channel.closing), return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                inbound.end()
                await asyncio.wait((writing,), timeout=self.settings.drain_seconds)
            if writing.done():
                await writing
            elif channel.closing.done():
                log.warning("shard_channel_closed", shard=self.number)
        finally:
            stopped.cancel()
            writing.cancel()
            await asyncio.gather(stopped, writing, return_exceptions=True)


def _ender(inbound: Inbound) -> ConsumerCancelCallback:
    async def end(_: commands.Basic.CancelOk | commands.Basic.Cancel) -> None:
        inbound.end()

    return end
