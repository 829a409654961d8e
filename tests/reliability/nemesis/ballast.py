"""Deliveries that no gate wants, so many that nothing more fits in between a broker and a gate that reads nothing: what
comes behind them stays in the gate's queue, and is subject to its limit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import aio_pika

from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.ids import Epoch, RoomId

LARGE, LARGE_BYTES = 16, 2**20
"""More than the buffers of two sockets hold."""
SMALL: Final = 250
"""More than the 200 deliveries that RabbitMQ hands to a consumer's channel ahead of the socket."""
OF_NO_ROOM: Final = FanoutHeaders(FanoutKind.EVENT, RoomId("ballast"), Epoch("ballast"), 1).to_headers([])


async def load(amqp_url: str, queues: Iterable[str]) -> None:
    """Put all of it into each queue.

    Raises:
        BROKER_ERRORS: the broker is away, or takes nothing.
    """
    async with await aio_pika.connect(amqp_url, timeout=10) as connection:
        channel = await connection.channel(publisher_confirms=False)
        for queue in queues:
            for body in (*(b"x" * LARGE_BYTES for _ in range(LARGE)), *(b"x" for _ in range(SMALL))):
                await channel.default_exchange.publish(aio_pika.Message(body, headers=OF_NO_ROOM), routing_key=queue)
