"""A trusted service writes to `chat.commands` in anybody's name: it computes the room's bucket itself, in one line.

python examples/trusted_producer.py alice general "The build is green" [AMQP URL]
"""

import asyncio
import json
import os
import sys
import uuid
import zlib

import aio_pika

ACTOR, ROOM, TEXT = sys.argv[1:4]
URL = sys.argv[4] if len(sys.argv) > 4 else os.environ["GATEHOUSE_AMQP_URL"]


async def main() -> None:
    connection = await aio_pika.connect(URL, timeout=10)
    async with connection, connection.channel() as channel:
        bucket = zlib.crc32(ROOM.encode()) % 64
        command = {"type": "send", "room": ROOM, "actor": ACTOR, "command_id": str(uuid.uuid4()), "text": TEXT}
        answers = await channel.declare_queue(exclusive=True)
        message = aio_pika.Message(
            json.dumps(command).encode(),
            reply_to=answers.name,
            correlation_id=command["command_id"],
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        commands = await channel.get_exchange("chat.commands", ensure=False)
        await commands.publish(message, routing_key=f"room.{bucket:02d}.{ROOM}.send")
        async with answers.iterator(no_ack=True, timeout=30) as replies:
            print((await anext(replies)).body.decode(), flush=True)


asyncio.run(main())
