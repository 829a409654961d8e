"""A TCP relay between a worker and the broker. It keeps all that the worker writes, and holds the worker's side open
when the broker has hung up: what the worker still says to a broker that listens no more can be read here."""

import asyncio
import contextlib
from typing import NamedTuple
from urllib.parse import urlsplit

from pamqp import body, commands, frame, header

from tests.integration.room.around import closing

PROTOCOL_HEADER_BYTES = 8


class Publish(NamedTuple):
    """A publish as it stood in the frames of one connection."""

    exchange: str
    key: str
    body: bytes


class Line:
    """One connection. `late_from` is how much the worker had written when the broker hung up."""

    def __init__(self):
        self.written = bytearray()
        self.late_from = None
        self.over = asyncio.Event()

    def late_publishes(self):
        """What the worker published after the broker had hung up, in order."""
        done, open_on, late = PROTOCOL_HEADER_BYTES, {}, []
        data = bytes(self.written)
        while done < len(data):
            size, channel, part = frame.unmarshal(data[done:])
            done += size
            match part:
                case commands.Basic.Publish():
                    open_on[channel] = [part, None, b""]
                case header.ContentHeader():
                    open_on[channel][1] = part.body_size
                case body.ContentBody():
                    open_on[channel][2] += part.value
            begun, size, text = open_on.get(channel, (None, None, b""))
            if begun is not None and size == len(text):
                del open_on[channel]
                if done > self.late_from:
                    late.append(Publish(begun.exchange, begun.routing_key, text))
        return late


class Tap:
    """`async with Tap(amqp_url) as tap`: `tap.url` leads through it; `tap.lines` are its connections, in order."""

    def __init__(self, amqp_url):
        self._to = urlsplit(amqp_url)
        self._relaying = set()
        self.lines = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user, _, _ = self._to.netloc.rpartition("@")
        self.url = self._to._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await asyncio.sleep(0)  # who was accepted a moment ago begins, and is known
        for task in self._relaying:
            task.cancel()
        await asyncio.gather(*self._relaying, return_exceptions=True)

    async def _relay(self, reader, writer):
        self._relaying.add(asyncio.current_task())
        line = Line()
        self.lines.append(line)
        async with closing(writer):
            there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
            bringing = asyncio.create_task(self._bring(line, there, writer))
            try:
                async with closing(back):
                    await self._take(line, reader, back)
            finally:
                line.over.set()
                bringing.cancel()

    async def _take(self, line, reader, back):
        """From the worker to the broker, as long as it listens."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                line.written += data
                if line.late_from is None:
                    with contextlib.suppress(ConnectionError):
                        back.write(data)
                        await back.drain()

    async def _bring(self, line, there, writer):
        """From the broker to the worker, who does not hear of its end."""
        with contextlib.suppress(ConnectionError):
            while data := await there.read(65_536):
                writer.write(data)
                await writer.drain()
        line.late_from = len(line.written)
