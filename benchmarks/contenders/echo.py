"""The bare limit of questions and answers: a uvloop server that writes one frame of a given size for each frame that
comes, and looks at neither."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

from benchmarks.contenders.arguments import arguments
from services.gateway.wire import text_frame


class Client(asyncio.Protocol):
    """A socket that is answered. Clients ask for one thing at a time, so what comes together is one frame."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport.write(self._answer)


async def main() -> None:
    """Serve until killed. `--bytes` is the payload of an answer."""
    told = arguments(bytes=0)
    answer = text_frame(b"x" * told["bytes"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(answer), "127.0.0.1", told["port"], backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
