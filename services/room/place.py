"""A place in a shard's line at the broker: one consumer on one channel. Whether it is the active one, nobody says; its
first delivery shows it."""

from __future__ import annotations

import asyncio
from collections import deque

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from schemas import routes
from services.room.surroundings import Surroundings
from services.runtime.broker import Patience


class ChannelLost(Exception):
    """The shard's channel or its consumer is gone; the broker may have woken a successor already."""


class Place:
    """Taken once, and held until the channel closes. It only keeps what arrives, bounded by the channel's prefetch.

    Attributes:
        arrived: deliveries in their order, for its owner to take out.
        stirred: set when something arrives; its owner clears it, and may set it for reasons of its own.
    """

    def __init__(self, shard: int, channel: Channel, around: Surroundings) -> None:
        self._shard = shard
        self._channel = channel
        self._around = around
        self._lost = asyncio.Event()
        self._consumer = ""
        self.arrived: deque[DeliveredMessage] = deque()
        self.stirred = asyncio.Event()

    @property
    def is_held(self) -> bool:
        """The consumer stands in line at the broker."""
        return self._consumer in self._channel.consumers and not self._lost.is_set()

    async def take(self) -> None:
        """Stand in line, at its end, and send a census along it: whoever is at its head learns that it is active,
        also where nobody says anything to its rooms.

        Raises:
            AMQPError, TimeoutError: the broker does not let us.
        """
        self._channel.closing.add_done_callback(lambda _: self._lost.set())
        self._channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
        async with Patience(self._channel, self._around.settings.broker_timeout_seconds):
            consuming = await self._channel.basic_consume(routes.room_queue(self._shard), self._on_delivery)
        self._consumer = consuming.consumer_tag or ""
        await self._around.outlet.send_census(self._shard, self._around.settings.shards)

    async def deliveries_waiting(self) -> int:
        """How many deliveries were in the queue, or have arrived here and were not taken out yet.

        Raises:
            AMQPError, TimeoutError, RuntimeError: the channel is gone.
        """
        async with Patience(self._channel, self._around.settings.broker_timeout_seconds):
            standing = await self._channel.queue_declare(routes.room_queue(self._shard), passive=True)
        return (standing.message_count or 0) + len(self.arrived)

    async def watch(self) -> None:
        """Wait for the loss of the place.

        Raises:
            ChannelLost: it is lost.
        """
        await self._lost.wait()
        raise ChannelLost(f"the channel or the consumer of shard {self._shard} is gone")

    async def _on_cancelled(self, _: commands.Basic.CancelOk | commands.Basic.Cancel) -> None:
        """The broker took the consumer away, because its queue is gone or moves: the channel hears nothing more."""
        self._lost.set()

    async def _on_delivery(self, delivery: DeliveredMessage) -> None:
        self.arrived.append(delivery)
        self.stirred.set()
