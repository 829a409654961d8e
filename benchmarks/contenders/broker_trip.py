"""The bare limit of a message's way: published to a quorum queue and confirmed, consumed from it, written to all.

A sender on `--inlet` says lines, `<number> <text>`. Each text becomes the JSON of an event in a persistent message; its
number goes back once the broker has confirmed it. What is consumed becomes one frame and one write to each client on
`--port`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import uvloop
from aiormq.abc import DeliveredMessage
from pamqp import commands

from benchmarks.contenders.arguments import arguments
from benchmarks.contenders.bare import Client
from benchmarks.events import message
from services.gateway.wire import text_frame
from services.runtime.broker import PERSISTENT, connect, open_channel, tag_of
from services.runtime.confirms import write_publish

PREFETCH = 1000
ACK_EACH = 20


async def main() -> None:
    """Serve until killed. `--queue` is made as a quorum queue."""
    told = arguments(amqp="", queue="", inlet=0)
    queue: str = told["queue"]
    clients: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    connection = await connect(told["amqp"], "limit", timeout_seconds=10)
    inward = await open_channel(connection, confirms=True)
    outward = await open_channel(connection, confirms=False, prefetch=PREFETCH)
    await inward.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    await inward.queue_purge(queue)

    def answer(writer: asyncio.StreamWriter, number: bytes, confirm: asyncio.Future[Any]) -> None:  # Any: a frame
        confirm.result()
        writer.write(text_frame(number))

    async def publish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        properties = commands.Basic.Properties(delivery_mode=PERSISTENT)
        with suppress(ConnectionError):
            while line := await reader.readline():
                number, _, text = line.rstrip().partition(b" ")
                body = message("room", "epoch", int(number), text.decode()).to_json()
                confirm = await write_publish(inward, "", queue, body, properties)
                if confirm is None:
                    raise AssertionError("the channel confirms")
                confirm.add_done_callback(partial(answer, writer, number))

    async def push(delivery: DeliveredMessage) -> None:
        frame = text_frame(delivery.body)
        for transport in clients:
            transport.write(frame)
        if not (tag := tag_of(delivery)) % ACK_EACH:
            await outward.basic_ack(tag, multiple=True, wait=False)

    await outward.basic_consume(queue, push)
    await asyncio.start_server(publish, "127.0.0.1", told["inlet"])
    server = await loop.create_server(lambda: Client(clients), "127.0.0.1", told["port"], backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
