"""Calling the roll: every room worker says at once what it is active on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final
from uuid import uuid4

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp import commands
from pydantic import ValidationError

from clients.operator.link import ANSWER_SECONDS
from clients.operator.shards import Line, Roll
from schemas import routes
from schemas.control import CONTROL, RollCall, WorkerHeartbeat
from services.runtime.broker import TRANSIENT, open_channel

HEARTBEATS_HELD: Final = 1_000


async def standing(connection: AbstractConnection) -> list[Line]:
    """The shards there are, and what the broker says of each one's queue.

    Raises:
        ChannelNotFoundEntity: there is none.
    """
    channel = await open_channel(connection, confirms=False)
    lines = [await _line(channel, 0)]
    with contextlib.suppress(ChannelNotFoundEntity):  # the first that is not there ends the row, and the channel
        for shard in range(1, routes.BUCKETS):
            lines.append(await _line(channel, shard))  # noqa: PERF401 - those before the end are kept
    return lines


async def call_roll(connection: AbstractConnection, shards: int, seconds: float) -> Roll:
    """Ask, and listen until every shard is accounted for, or for so long."""
    roll, complete = Roll(), asyncio.Event()

    async def hear(delivery: DeliveredMessage) -> None:
        with contextlib.suppress(ValidationError):
            heard = CONTROL.validate_json(delivery.body)
            if isinstance(heard, WorkerHeartbeat):
                roll.receive(heard)
                if not roll.unclaimed(shards):
                    complete.set()

    channel = await open_channel(connection, confirms=False)
    queue = routes.control_queue(f"operator-{uuid4().hex[:12]}")
    await channel.queue_declare(
        queue, exclusive=True, arguments={"x-max-length": HEARTBEATS_HELD}, timeout=ANSWER_SECONDS
    )
    await channel.queue_bind(queue, routes.CONTROL, timeout=ANSWER_SECONDS)
    await channel.basic_consume(queue, hear, no_ack=True, timeout=ANSWER_SECONDS)
    properties = commands.Basic.Properties(content_type="application/json", delivery_mode=TRANSIENT)
    await channel.basic_publish(RollCall().to_json(), exchange=routes.CONTROL, properties=properties, wait=False)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await complete.wait()
    return roll


async def _line(channel: Channel, shard: int) -> Line:
    found = await channel.queue_declare(routes.room_queue(shard), passive=True, timeout=ANSWER_SECONDS)
    return Line(shard, found.message_count or 0, bool(found.consumer_count))
