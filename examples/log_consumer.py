"""Reads every accepted event of every room from a queue of its own that outlives it. Ctrl-C ends it; run it again and
it goes on where it stopped. The queue is bounded: nobody else waits for a reader that is away.

python examples/log_consumer.py [AMQP URL] [queue name]
"""

import asyncio
import json
import os
import sys

import aio_pika

URL = sys.argv[1] if len(sys.argv) > 1 else os.environ["GATEHOUSE_AMQP_URL"]
QUEUE = sys.argv[2] if len(sys.argv) > 2 else "outside.log-consumer"
BOUNDS = {"x-max-length": 100_000, "x-overflow": "drop-head", "x-expires": 24 * 3_600_000}


async def main() -> None:
    connection = await aio_pika.connect(URL, timeout=10)
    async with connection, connection.channel() as channel:
        await channel.set_qos(prefetch_count=100)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments=BOUNDS)
        await queue.bind("chat.log", "room.#")
        print("reading", QUEUE, flush=True)
        async with queue.iterator() as deliveries:
            async for delivery in deliveries:
                async with delivery.process():  # acknowledged once printed
                    fact = json.loads(delivery.body)
                    name = fact.get("event") or fact["record"]
                    print(fact["room"], fact.get("seq", "-"), name, fact.get("text", ""), flush=True)


asyncio.run(main())
