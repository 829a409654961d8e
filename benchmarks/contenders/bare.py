"""The bare limit of a fan-out: a uvloop server that writes what it is given to every open socket, and nothing else.

One trigger connection on `--trigger` sends blobs, each with its length in front; each blob is one write to each of the
clients that came through `--port`.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import cast

import uvloop

from benchmarks.contenders.arguments import arguments

LENGTH = struct.Struct("!I")


class Client(asyncio.Protocol):
    """A socket to write to."""

    def __init__(self, clients: set[asyncio.Transport]) -> None:
        self._clients = clients
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self._clients.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._clients.discard(self._transport)


async def obey(clients: set[asyncio.Transport], reader: asyncio.StreamReader) -> None:
    """Write what the trigger says, each blob in a turn of the loop of its own, so that sockets which were full go on.

    Raises:
        IncompleteReadError: the trigger is gone.
    """
    while True:
        [length] = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        blob = await reader.readexactly(length)
        for transport in clients:
            transport.write(blob)
        await asyncio.sleep(0)


async def main() -> None:
    """Serve until killed."""
    told = arguments(trigger=0)
    clients: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()

    async def take_trigger(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await obey(clients, reader)

    await asyncio.start_server(take_trigger, "127.0.0.1", told["trigger"])
    server = await loop.create_server(lambda: Client(clients), "127.0.0.1", told["port"], backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
