"""One shard's writer: takes the log from its queue in order, stores it in batches, answers barrier queries in their
turn, and acks what is stored. It knows nothing that the store does not: when its channel goes, nothing is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar, assert_never

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from schemas.errors import ParkReason
from schemas.events import Logged, Receipt
from schemas.queries import QueryAnswer
from services.history.barrier import answer_barrier
from services.history.deliveries import Asked, Entry, Garbage
from services.history.discretion import names_of, without_words
from services.history.inbound import Inbound, Received
from services.history.intake import Conflict, Outcome, Repeated, StaleFence, Stored
from services.history.metrics import HistoryMetrics
from services.history.store import Store, StoreUnavailable
from services.runtime.broker import BROKER_ERRORS, NotConfirmed, properties_of, tag_of, wait_or
from services.runtime.settle import park

log = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Poison:
    """An entry on which storing broke, by a bug, even when it was alone."""

    detail: str


@dataclass(slots=True)
class _Batch:
    """Entries on their way into the store, and deliveries to set aside, up to the next barrier query."""

    deliveries: list[DeliveredMessage] = field(default_factory=list)
    entries: list[tuple[DeliveredMessage, Logged]] = field(default_factory=list)
    parked: list[tuple[DeliveredMessage, Garbage]] = field(default_factory=list)

    def add(self, delivery: DeliveredMessage, content: Entry | Garbage) -> None:
        self.deliveries.append(delivery)
        match content:
            case Entry(logged):
                self.entries.append((delivery, logged))
            case Garbage():
                self.parked.append((delivery, content))
            case other:
                assert_never(other)


class ShardWriter:
    """Writes what comes on one channel. Made anew with every channel."""

    def __init__(
        self,
        channel: Channel,
        outlet: Channel,
        store: Store,
        metrics: HistoryMetrics,
        *,
        stopping: asyncio.Event,
        timeout_seconds: float,
    ) -> None:
        """Deliveries come and are acked on `channel`. Everything published goes through `outlet`, which confirms and
        belongs to another connection: an alarm of the broker blocks whoever publishes, and the log must drain then
        more than ever. `timeout_seconds` bounds each wait for the broker."""
        self._channel = channel
        self._outlet = outlet
        self._store = store
        self._metrics = metrics
        self._stopping = stopping
        self._timeout_seconds = timeout_seconds

    async def write(self, inbound: Inbound) -> None:
        """Store batch after batch, until `inbound` ends.

        Raises:
            StoreUnavailable: the store is away and the process is stopping.
            AMQPError: the channel is gone.
        """
        while received := await inbound.take():
            await self._settle(received)

    async def store_answers(self) -> None:
        """Return when the store answers: a writer that cannot store takes nothing up. Raises as `write` does."""
        await self._persist(self._store.ping)

    async def _settle(self, received: list[Received]) -> None:
        batch = _Batch()
        for delivery, content in received:
            if isinstance(content, Asked):
                await self._flush(batch)
                await self._answer(delivery, content)
                batch = _Batch()
            else:
                batch.add(delivery, content)
        await self._flush(batch)

    async def _flush(self, batch: _Batch) -> None:
        """Store, set aside, then ack all of it at once: an ack before the store would be a promise."""
        if batch.entries:
            outcomes = await self._append([logged for _, logged in batch.entries])
            for (delivery, logged), outcome in zip(batch.entries, outcomes, strict=True):
                if (garbage := self._judge(logged, outcome)) is not None:
                    batch.parked.append((delivery, garbage))
        rejected = {tag_of(delivery) for delivery, garbage in batch.parked if not await self._park(delivery, garbage)}
        if tags := [tag for tag in map(tag_of, batch.deliveries) if tag not in rejected]:
            await self._channel.basic_ack(tags[-1], multiple=True, wait=False)

    async def _append(self, batch: list[Logged]) -> list[Outcome | Poison]:
        """Store a batch; where that breaks, one by one, so that a poison entry takes no other with it."""
        try:
            return [*await self._timed_append(batch)]
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception(
                "batch_failed", entries=len(batch), first=names_of(batch[0].entry), exc_info=without_words(error)
            )
            if len(batch) == 1:
                return [Poison(type(error).__name__)]
        return [outcome for logged in batch for outcome in await self._append([logged])]

    async def _timed_append(self, batch: list[Logged]) -> list[Outcome]:
        started = time.monotonic()
        outcomes = await self._persist(lambda: self._store.append(batch))
        self._metrics.store_seconds.observe(time.monotonic() - started)
        self._metrics.batch_size.observe(len(batch))
        return outcomes

    def _judge(self, logged: Logged, outcome: Outcome | Poison) -> Garbage | None:
        match outcome:
            case Stored() if isinstance(logged.entry, Receipt):
                self._metrics.receipts_folded.inc()
            case Stored(reused=reused):
                self._metrics.events_stored.inc()
                if reused:
                    self._metrics.reused_command_ids.inc()
                    log.error("command_id_reused", **names_of(logged.entry))
            case Repeated():
                self._metrics.repeats.inc()
            case StaleFence(fence):
                self._metrics.stale_fences.inc()
                return Garbage(ParkReason.STALE_FENCE, f"fence {logged.fence} is below the room's {fence}")
            case Conflict(detail):
                self._metrics.conflicts.inc()
                log.error("log_conflict", **names_of(logged.entry), detail=detail)
                return Garbage(ParkReason.CONFLICT, detail)
            case Poison(detail):
                return Garbage(ParkReason.POISON, detail)
            case other:
                assert_never(other)
        return None

    async def _park(self, delivery: DeliveredMessage, garbage: Garbage) -> bool:
        """Set one delivery aside; where that fails, let the broker dead-letter it. False: it is settled by that."""
        self._metrics.parked.labels(garbage.reason.value).inc()
        try:
            await park(self._outlet, delivery, garbage.reason, garbage.detail, timeout_seconds=self._timeout_seconds)
        except NotConfirmed:
            await self._channel.basic_reject(tag_of(delivery), requeue=False)
            return False
        return True

    async def _answer(self, delivery: DeliveredMessage, asked: Asked) -> None:
        """Answer, then ack: a query may come again after its answer, which does no harm, but not be lost before.
        One on which the store breaks, by a bug, is set aside: it must not hold up the log."""
        try:
            answers = await self._persist(lambda: answer_barrier(self._store, asked, datetime.now(UTC)))
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception("query_failed", type=asked.query.type, room=asked.query.room, exc_info=without_words(error))
            await self._flush(_Batch([delivery], parked=[(delivery, Garbage(ParkReason.POISON, type(error).__name__))]))
            return
        await self._reply(properties_of(delivery), answers)
        self._metrics.barriers.labels(asked.query.type).inc()
        await self._channel.basic_ack(tag_of(delivery), wait=False)

    async def _reply(self, asked: commands.Basic.Properties, answers: Sequence[QueryAnswer]) -> None:
        """Send the parts of an answer, each once the broker has the one before. One that cannot be sent in time is
        given up, and the rest with it: so has who asked, and asks anew."""
        try:
            for answer in answers:
                await self._outlet.basic_publish(
                    answer.to_json(),
                    routing_key=asked.reply_to or "",
                    properties=commands.Basic.Properties(
                        content_type="application/json", correlation_id=asked.correlation_id
                    ),
                    timeout=self._timeout_seconds,
                    wait=False,
                )
        except BROKER_ERRORS as error:
            log.warning("barrier_answer_not_sent", parts=len(answers), error=repr(error))

    async def _persist(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        """Ask the store until it answers. The shard stands still meanwhile, and the queue keeps everything."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await ask()
            except StoreUnavailable as error:
                self._metrics.store_failures.inc()
                log.warning("store_unavailable", error=str(error), pause_seconds=pause)
                if await wait_or(self._stopping, pause):
                    raise
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
