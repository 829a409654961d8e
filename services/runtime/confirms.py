"""Publishing without a wait: confirms come to a future each, and no publish is a task of its own.

The driver's own `basic_publish` ends only with the confirm. Here the frames are put into the connection's queue by
hand, under the numbers by which the driver sorts the confirms that come back.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from pamqp import commands
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader


async def write_publish(
    channel: Channel, exchange: str, key: str, body: bytes, properties: commands.Basic.Properties
) -> asyncio.Future[Any] | None:  # Any: the driver's own frame
    """Write one publish. The future ends once all queues behind it have taken it, or with `DeliveryError` when one
    would not, or with whatever ended the channel. None on a channel that does not confirm.

    Publishes are written in the order of the calls. Waits only while the connection's queue of frames is full.

    Raises:
        aiormq.exceptions.AMQPError, RuntimeError: the channel is closed.
    """
    frames: list[Frame | ContentHeader | ContentBody] = [
        commands.Basic.Publish(exchange=exchange, routing_key=key),
        ContentHeader(properties=properties, body_size=len(body)),
        *(ContentBody(part) for part in _parts(body, channel.max_content_size)),
    ]
    async with channel.lock:
        number = channel.delivery_tag + 1
        confirm = channel.create_future() if channel.publisher_confirms else None
        if confirm is not None:
            channel.confirmations[number] = confirm
        try:
            await channel.write_queue.put(ChannelFrame.marshall(channel.number, frames))
        except BaseException:
            channel.confirmations.pop(number, None)
            raise
        channel.delivery_tag = number
    return confirm


def _parts(body: bytes, most_bytes: int) -> list[bytes]:
    return [body[start : start + most_bytes] for start in range(0, len(body), most_bytes)]
