"""The way out for fan-outs and replies: one channel of the worker, without confirms.

A lost fan-out is noticed by the gate through its seq, a lost reply by the sender, who retries. What counts was
confirmed by the log before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from aiormq.channel import Channel
from pamqp import commands

from schemas import routes
from schemas.fanout import fanout_batches
from services.room.effects import FanOut, Reply
from services.room.metrics import RoomMetrics
from services.runtime.broker import TRANSIENT


class Outlet:
    """Publishes effects in the order given. Shared by all shards of a worker."""

    def __init__(self, channel: Channel, metrics: RoomMetrics, *, timeout_seconds: float) -> None:
        self._channel = channel
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds

    async def send(self, effects: Iterable[FanOut | Reply]) -> None:
        """Hand effects to the connection, without waiting until they are written. What may wait there is bounded by
        the prefetch of the shards: a delivery in progress makes a bounded number of effects.

        Raises:
            AMQPError, TimeoutError, RuntimeError: the channel is gone, or the broker takes nothing (an alarm).
        """
        for effect in effects:
            match effect:
                case FanOut():
                    await self._fan_out(effect)
                case Reply():
                    await self._reply(effect)
                case _:
                    assert_never(effect)

    async def send_census(self, shard: int, shards: int) -> None:
        """Ask a shard's active worker to notice that it is. Lost where the queue is full: then it has noticed.

        Raises:
            As `send`.
        """
        properties = commands.Basic.Properties(content_type="application/json", delivery_mode=TRANSIENT)
        await self._publish(routes.COMMANDS, routes.census_key(shard, shards), b"{}", properties)

    async def _fan_out(self, effect: FanOut) -> None:
        """One publish for up to a thousand gates: the first is the routing key, the others are blind copies."""
        for batch in fanout_batches(list(effect.gates)):
            first, *others = (routes.gate_key(gate) for gate in batch)
            properties = commands.Basic.Properties(delivery_mode=TRANSIENT, headers=effect.headers.to_headers(others))
            await self._publish(routes.FANOUT, first, effect.body, properties)
            self._metrics.fanout_publishes.labels(effect.headers.kind.value).inc()
            self._metrics.fanout_deliveries.labels(effect.headers.kind.value).inc(len(batch))

    async def _reply(self, effect: Reply) -> None:
        properties = commands.Basic.Properties(
            content_type="application/json", correlation_id=effect.to.correlation_id, delivery_mode=TRANSIENT
        )
        await self._publish("", effect.to.queue, effect.answer.to_json(), properties)
        self._metrics.replies.inc()

    async def _publish(self, exchange: str, key: str, body: bytes, properties: commands.Basic.Properties) -> None:
        await self._channel.basic_publish(
            body,
            exchange=exchange,
            routing_key=key,
            properties=properties,
            timeout=self._timeout_seconds,
            wait=False,
        )
