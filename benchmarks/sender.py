"""One client that speaks: messages at a steady rate over its own socket, and how long each waits for its answer.

It lives in the harness's process, which does nothing else meanwhile, and not in the crowd's: the crowd reads a hundred
sockets for each message, and the answer would wait behind them. Both read the kernel's one monotonic clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.dialects import Dialect, Greeting, answered, client_frame, spoken, take_frames
from benchmarks.events import stamped_text
from infra.local.ports import HOST

READY_SECONDS = 20.0
ANSWER_SECONDS = 30.0
CHUNK_BYTES = 256 * 1024


class Sender:
    """A connection that may speak."""

    def __init__(self, greeting: Greeting, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answers_us: list[float] = []
        self._greeting = greeting
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._sent_ns: dict[int, int] = {}
        self._number = 0

    async def greet(self) -> None:
        """Be let in.

        Raises:
            TimeoutError, IncompleteReadError: it is not.
        """
        if opening := self._greeting.opening(HOST):
            self._writer.write(opening)
            await self._reader.readuntil(b"\r\n\r\n")
        missing = self._greeting.answers_wanted
        while missing:
            for payload in await self._frames():
                if (answer := self._greeting.answer(payload)) is not None:
                    self._writer.write(b"".join(map(client_frame, answer.split(b"\n"))))
                missing -= self._greeting.is_ready(payload)

    async def speak(self, count: int, rate: float) -> float:
        """Say so many messages at `rate` a second, wait for all answers; the rate that came of it.

        Raises:
            TimeoutError: an answer does not come.
            ValueError: a message was refused.
        """
        self.answers_us = []
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear(count))
            for number in range(count):
                await asyncio.sleep(began + number / rate - time.monotonic())
                self._say()
            return count / (time.monotonic() - began + 1 / rate)

    def _say(self) -> None:
        self._number += 1
        [room] = self._greeting.rooms or ("",)
        self._sent_ns[self._number] = time.monotonic_ns()
        self._writer.write(spoken(self._greeting.dialect, self._number, room, stamped_text()))

    async def _hear(self, count: int) -> None:
        while len(self.answers_us) < count:
            async with asyncio.timeout(ANSWER_SECONDS):
                payloads = await self._frames()
            for payload in payloads:
                if (number := answered(self._greeting.dialect, payload)) is not None:
                    self.answers_us.append((time.monotonic_ns() - self._sent_ns.pop(number)) / 1000)

    async def _frames(self) -> list[bytes]:
        chunk = await self._reader.read(CHUNK_BYTES)
        if not chunk:
            raise ConnectionError("the sender's connection has ended")
        self._buffer += chunk
        return list(take_frames(self._buffer))


@asynccontextmanager
async def sender(port: int, dialect: Dialect, token: str = "", rooms: tuple[str, ...] = ()) -> AsyncIterator[Sender]:
    """A sender that is let in, and attached to its room where there is one."""
    async with asyncio.timeout(READY_SECONDS):
        reader, writer = await asyncio.open_connection(HOST, port)
        made = Sender(Greeting(dialect, token, rooms), reader, writer)
        await made.greet()
    try:
        yield made
    finally:
        writer.close()
