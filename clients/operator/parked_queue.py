"""Looking into `chat.parked` and taking out of it: what is not taken goes back in its order when the channel closes.

A replay is acked only when the broker has confirmed it: one that is cut short leaves a delivery twice, never nowhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from clients.operator.link import ANSWER_SECONDS
from clients.operator.parked import (
    LOOKED_AT,
    Parked,
    body_to_replay,
    headers_to_replay,
    read_parked,
    why_not_replayable,
)
from schemas import routes
from services.runtime.broker import (
    PERSISTENT,
    NotConfirmed,
    headers_of,
    open_channel,
    properties_of,
    publish_confirmed,
)

QUIET_SECONDS: Final = 0.3
"""So long after the last delivery the broker is asked whether there are more."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of taking deliveries out: how many went, and what stayed, id and reason."""

    gone: int
    stayed: tuple[tuple[str, str], ...] = ()


Deal = Callable[[Parked, DeliveredMessage], Awaitable[str | None]]
"""Deals with one delivery; says why it must stay, or None when it may go."""


async def look(connection: AbstractConnection, see: Callable[[Parked], None]) -> int:
    """Show `see` every parked delivery, the oldest first, at most LOOKED_AT; nothing changes. Gives how many lie behind
    these."""
    async with _opened(connection) as lying:
        async for parked, _ in lying:
            see(parked)
        return await lying.behind()


async def drop(connection: AbstractConnection, chosen: Mapping[str, int]) -> Taken:
    """Forget so many of each id for good."""

    async def deal(_: Parked, __: DeliveredMessage) -> None:
        return None

    return await _take(connection, chosen, deal)


async def replay(connection: AbstractConnection, chosen: Mapping[str, int]) -> Taken:
    """Send so many of each id back to where they came from; those that cannot be stay."""
    replayer = _Replayer(connection)
    try:
        return await _take(connection, chosen, replayer.deal)
    finally:
        await replayer.close()


async def _take(connection: AbstractConnection, chosen: Mapping[str, int], deal: Deal) -> Taken:
    """Deal with the chosen ones, each once: what is parked again meanwhile is not met again."""
    left, gone, stayed = Counter(chosen), 0, []
    async with _opened(connection) as lying:
        async for parked, delivery in lying:
            if left[parked.id] > 0:
                left[parked.id] -= 1
                problem = await deal(parked, delivery)
                if problem is None:
                    await delivery.channel.basic_ack(delivery.delivery_tag or 0)
                    gone += 1
                else:
                    stayed.append((parked.id, problem))
            if not left.total():
                break
    return Taken(gone, tuple(stayed))


class _Replayer:
    """Publishes on a channel of its own: one that the broker closes for a bad publish costs nothing else, and is
    replaced. One that is still open after a refusal is kept: the broker bounds how many a connection has."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._channel: Channel | None = None

    async def deal(self, parked: Parked, delivery: DeliveredMessage) -> str | None:
        problem = why_not_replayable(parked)
        if problem is not None:
            return problem
        try:
            await self._publish(parked, properties_of(delivery))
        except NotConfirmed as refused:
            return f"the broker did not take it: {refused.reason}"
        return None

    async def close(self) -> None:
        """Nothing more is replayed."""
        if self._channel is not None and not self._channel.is_closed:
            await self._channel.close()

    async def _publish(self, parked: Parked, came: commands.Basic.Properties) -> None:
        channel = await self._open_channel()
        properties = commands.Basic.Properties(
            content_type=came.content_type,
            correlation_id=came.correlation_id,
            delivery_mode=PERSISTENT,
            headers=headers_to_replay(parked),
        )
        body = body_to_replay(parked)
        await publish_confirmed(channel, parked.exchange, parked.key, body, properties, timeout_seconds=ANSWER_SECONDS)

    async def _open_channel(self) -> Channel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await open_channel(self._connection, confirms=True)
        return self._channel


class _Lying:
    """The deliveries there are, the oldest first, none of them acked. One consumer gets them all: only then does the
    broker put back in order what is not taken (what single `get`s held comes back in any order)."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[tuple[Parked, DeliveredMessage]]:
        await self._channel.basic_consume(routes.PARKED_QUEUE, self._arrived.put, timeout=ANSWER_SECONDS)
        for _ in range(LOOKED_AT):
            delivery = await self._next()
            if delivery is None:
                return
            at = properties_of(delivery).timestamp
            yield read_parked(delivery.routing_key or "", delivery.body, headers_of(delivery), at), delivery

    async def behind(self) -> int:
        """How many lie there beside those that came here."""
        left = await self._channel.queue_declare(routes.PARKED_QUEUE, passive=True, timeout=ANSWER_SECONDS)
        return left.message_count or 0

    async def _next(self) -> DeliveredMessage | None:
        """The next one; None when none came for a while and the broker says that none is left."""
        while True:
            try:
                return await asyncio.wait_for(self._arrived.get(), QUIET_SECONDS)
            except TimeoutError:
                if not await self.behind() and self._arrived.empty():
                    return None


@asynccontextmanager
async def _opened(connection: AbstractConnection) -> AsyncIterator[_Lying]:
    channel = await open_channel(connection, confirms=False, prefetch=LOOKED_AT)
    try:
        yield _Lying(channel)
    finally:
        if not channel.is_closed:
            await channel.close()
