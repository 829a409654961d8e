"""The way out for fan-outs and replies: one channel of the worker, without confirms.

A lost fan-out is noticed by the gate through its seq, a lost reply by the sender, who retries. What counts was
confirmed by the log before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, assert_never

from aiormq.channel import Channel
from pamqp import commands

from schemas import routes
from schemas.fanout import fanout_batches
from services.room.effects import FanOut, Reply
from services.room.metrics import RoomMetrics
from services.runtime.broker import TRANSIENT
from services.runtime.confirms import frames_of, write_unconfirmed
from services.runtime.frames import Envelope

PLAIN: Final = Envelope.of(commands.Basic.Properties(content_type="application/json", delivery_mode=TRANSIENT))


class Outlet:
    """Publishes effects in the order given. Shared by all shards of a worker."""

    def __init__(self, channel: Channel, metrics: RoomMetrics, *, timeout_seconds: float) -> None:
        self._channel = channel
        self._frames = frames_of(channel)
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds

    async def send(self, effects: Iterable[FanOut | Reply]) -> None:
        """Hand effects to the connection, all in one write, without waiting until they are written. What may wait there
        is bounded by the prefetch of the shards: a delivery in progress makes a bounded number of effects.

        Raises:
            AMQPError, TimeoutError, RuntimeError: the channel is gone, or the broker takes nothing (an alarm).
        """
        frames = b"".join(map(self._encoded, effects))
        if frames:
            await self._write(frames)

    async def send_census(self, shard: int, shards: int) -> None:
        """Ask a shard's active worker to notice that it is. Lost where the queue is full: then it has noticed.

        Raises:
            As `send`.
        """
        await self._write(
            self._frames.publish(routes.COMMANDS, routes.census_key(shard, shards), PLAIN, b"{}", mandatory=False)
        )

    def _encoded(self, effect: FanOut | Reply) -> bytes:
        match effect:
            case FanOut():
                return self._fan_out(effect)
            case Reply():
                return self._reply(effect)
            case _:
                assert_never(effect)

    def _fan_out(self, effect: FanOut) -> bytes:
        """One publish for up to a thousand gates: the first is the routing key, the others are blind copies."""
        frames = b""
        for batch in fanout_batches(list(effect.gates)):
            first, *others = map(routes.gate_key, batch)
            envelope = Envelope.of_headers(effect.headers.to_headers(others), TRANSIENT)
            frames += self._frames.publish(routes.FANOUT, first, envelope, effect.body, mandatory=False)
            self._metrics.count_fan_out(effect.headers.kind, len(batch))
        return frames

    def _reply(self, effect: Reply) -> bytes:
        properties = commands.Basic.Properties(
            content_type="application/json", correlation_id=effect.to.correlation_id, delivery_mode=TRANSIENT
        )
        self._metrics.replies.inc()
        return self._frames.publish(
            "", effect.to.queue, Envelope.of(properties), effect.answer.to_json(), mandatory=False
        )

    async def _write(self, frames: bytes) -> None:
        async with asyncio.timeout(self._timeout_seconds):
            await write_unconfirmed(self._channel, frames)
