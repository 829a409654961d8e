"""websockets' own server and `broadcast`: what comes from an exchange of RabbitMQ goes to every client as it is."""

from __future__ import annotations

import asyncio

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmarks.contenders.arguments import arguments


async def main() -> None:
    """Serve until killed. `--exchange` is a fanout exchange."""
    told = arguments(amqp="", exchange="")
    clients: set[ServerConnection] = set()

    async def welcome(connection: ServerConnection) -> None:
        clients.add(connection)
        await connection.wait_closed()
        clients.discard(connection)

    async def push(message: AbstractIncomingMessage) -> None:
        broadcast(clients, message.body.decode())

    connection = await aio_pika.connect(told["amqp"])
    channel = await connection.channel()
    exchange = await channel.declare_exchange(told["exchange"], "fanout", auto_delete=True)
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange)
    await queue.consume(push, no_ack=True)
    async with serve(welcome, "127.0.0.1", told["port"], compression=None, ping_interval=None, backlog=4096):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
