"""A bot on plain AMQP: joins `general`, says hello, prints the answers, then every event of the room. Ctrl-C ends it.

GATEHOUSE_AMQP_URL=amqp://robot:secret@localhost/ python examples/inbox_bot.py
"""

import asyncio
import json
import os
import sys
import uuid

import aio_pika

URL = sys.argv[1] if len(sys.argv) > 1 else os.environ["GATEHOUSE_AMQP_URL"]


async def main() -> None:
    connection = await aio_pika.connect(URL, timeout=10)
    async with connection, connection.channel() as channel:
        events = await channel.declare_queue(exclusive=True, arguments={"x-max-length": 10_000})
        await events.bind("chat.log", "room.*.general.#")
        answers = await channel.declare_queue(exclusive=True)
        inbox = await channel.get_exchange("chat.inbox", ensure=False)
        for wish in ({"type": "join"}, {"type": "send", "text": "Good morning from AMQP"}):
            body = {**wish, "room": "general", "command_id": str(uuid.uuid4())}
            message = aio_pika.Message(
                json.dumps(body).encode(),
                user_id=connection.url.user,  # the login: the broker verifies it, and it is who we are
                reply_to=answers.name,
                correlation_id=body["command_id"],
            )
            await inbox.publish(message, routing_key=f"room.general.{wish['type']}")
            async with answers.iterator(no_ack=True, timeout=30) as replies:
                print("answer", (await anext(replies)).body.decode(), flush=True)
        async with events.iterator(no_ack=True) as deliveries:
            async for delivery in deliveries:
                print("event", delivery.body.decode(), flush=True)


asyncio.run(main())
