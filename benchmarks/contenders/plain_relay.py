"""The bare limit of a room worker with aio-pika: it does the same work at the broker, and decides nothing.

As the worker, it consumes the command queue of every shard on a channel of its own with the same prefetch, and for each
delivery: publishes to the log on the shard's channel, persistent and mandatory, and awaits the confirm (as many are in
flight as the prefetch allows); then publishes to the fan-out on a channel without confirms; then acks. Bodies and
headers are of the worker's sizes: the delivery's own body filled up with blanks, and a header table of constants.
It parses nothing, keeps no order beyond the queue's, and remembers nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final

import uvloop
from aio_pika import DeliveryMode, Message, connect
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from benchmarks.contenders.arguments import arguments
from benchmarks.events import message
from benchmarks.stand_in import CLIENT, GATE, send
from schemas import routes
from schemas.answers import Accepted
from schemas.events import encode_logged
from schemas.ids import CommandId, RoomId
from services.room.effects import event_headers
from services.room.settings import RoomSettings

ROOM: Final = RoomId("room-000")
EPOCH: Final = "63c1a2b3c4d5e"
SEQ: Final = 10_000
FENCE: Final = 1


class Relay:
    """What one shard's consumer does."""

    def __init__(self, log: AbstractExchange, fanout: AbstractExchange) -> None:
        command = send(ROOM, CommandId("bench-00000001"))
        event = message(ROOM, EPOCH, SEQ, command.text).model_copy(
            update={"actor": command.actor, "command_id": command.command_id}
        )
        frame = event.to_json()
        self._log = log
        self._fanout = fanout
        self._frame_bytes = len(frame)
        self._log_bytes = len(encode_logged(frame, FENCE))
        self._headers = event_headers(event, CLIENT, Accepted.of(event)).to_headers([])

    async def relay(self, delivery: AbstractIncomingMessage) -> None:
        """Log, fan out, ack."""
        _, bucket, room, _ = (delivery.routing_key or "").split(".")
        await self._log.publish(
            Message(
                delivery.body.ljust(self._log_bytes),
                content_type="application/json",
                delivery_mode=DeliveryMode.PERSISTENT,
            ),
            f"room.{bucket}.{room}.message_posted",
        )
        await self._fanout.publish(
            Message(
                delivery.body.ljust(self._frame_bytes),
                headers=self._headers | {"room": room},
                delivery_mode=DeliveryMode.NOT_PERSISTENT,
            ),
            routes.gate_key(GATE),
            mandatory=False,
        )
        await delivery.ack()


async def main() -> None:
    """Serve until killed; `--prefix` stands before every name. Listens once it consumes."""
    told = arguments(amqp="", prefix="", shards=routes.DEFAULT_SHARDS)
    prefix = told["prefix"]
    connection = await connect(told["amqp"])
    fanout_channel = await connection.channel(publisher_confirms=False)
    fanout = await fanout_channel.get_exchange(f"{prefix}{routes.FANOUT}")
    for shard in range(told["shards"]):
        await serve_shard(await connection.channel(on_return_raises=True), fanout, prefix, shard)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", told["port"])
    await server.serve_forever()


async def serve_shard(channel: AbstractChannel, fanout: AbstractExchange, prefix: str, shard: int) -> None:
    """Consume one shard's queue."""
    await channel.set_qos(prefetch_count=RoomSettings.model_fields["prefetch"].default)
    log = await channel.get_exchange(f"{prefix}{routes.LOG}")
    queue = await channel.get_queue(f"{prefix}{routes.room_queue(shard)}")
    await queue.consume(Relay(log, fanout).relay)


if __name__ == "__main__":
    uvloop.run(main())
