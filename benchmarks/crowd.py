"""The load: thousands of cheap clients in a process of their own, told what to do line by line.

    python -m benchmarks.crowd

Each line on the standard input is one order as JSON; each is answered by one line on the standard output. Most
clients only count bytes; every `witness_each`-th reads what it gets and notes when.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Annotated, Final, Literal, assert_never, cast

import uvloop
from pydantic import BaseModel, Field, TypeAdapter

from benchmarks.dialects import Dialect, Greeting, client_frame, take_frames

BUFFER: Final = bytearray(256 * 1024)
VIEW: Final = memoryview(BUFFER)
OPENING_AT_ONCE: Final = 200
WITNESS_EACH: Final = 20
STAMP: Final = b"@"
STAMP_DIGITS: Final = 17
"""A message holds `@` and the monotonic nanoseconds of its sending, in so many digits."""


class Join(BaseModel):
    """Open so many clients and wait until all are ready. Client n uses `tokens[n % len(tokens)]`."""

    do: Literal["join"] = "join"
    dialect: Dialect
    port: int
    clients: int
    tokens: list[str] = [""]
    rooms: list[str] = []
    positions: list[tuple[str, int]] = []
    witness_each: int = WITNESS_EACH
    one_room_each: bool = False
    """Client n attaches to `rooms[n % len(rooms)]` alone, at the position that stands in the same place."""
    events_each: int = 0
    """A client is ready once it has so many events as well."""
    within_seconds: float = 120

    def greeting(self, number: int) -> Greeting:
        """What client `number` says."""
        token = self.tokens[number % len(self.tokens)]
        place = number % len(self.rooms) if self.one_room_each else 0
        end = place + 1 if self.one_room_each else None
        rooms, positions = tuple(self.rooms[place:end]), tuple(self.positions[place:end])
        return Greeting(self.dialect, token, rooms, positions, self.events_each)


class Say(BaseModel):
    """Each client says a frame, all at once, and waits until it got one that starts with `answer`. Client n says
    `frames[n % len(frames)]`. Nothing else may be on its way to anybody when this begins."""

    do: Literal["say"] = "say"
    frames: list[str]
    answer: str
    within_seconds: float = 120


class Settle(BaseModel):
    """Wait until nobody has received anything for so long; then the counters start at nought."""

    do: Literal["settle"] = "settle"
    quiet_seconds: float = 0.5
    within_seconds: float = 60


class Hear(BaseModel):
    """Wait until every witness has read so many stamped messages since the last `settle`."""

    do: Literal["hear"] = "hear"
    stamps_each: int
    within_seconds: float = 120


class Leave(BaseModel):
    """Cut all connections."""

    do: Literal["leave"] = "leave"


AnyOrder = Join | Say | Settle | Hear | Leave
ORDER: TypeAdapter[AnyOrder] = TypeAdapter(Annotated[AnyOrder, Field(discriminator="do")])


class Report(BaseModel):
    """The answer to any order. Times are monotonic seconds of this machine; `received` are the bytes of the client that
    has fewest and of the one that has most since the last `settle`; `stamps` counts the stamped messages of the witness
    that has fewest and of the one that has most."""

    ok: bool = True
    said: str = ""
    began: float = 0
    ended: float = 0
    received: tuple[int, int] = (0, 0)
    stamps: tuple[int, int] = (0, 0)
    latencies_us: list[float] = []
    stamps_in_order: bool = True


class Client(asyncio.BufferedProtocol):
    """One connection. Until it is ready it reads every frame; then only if it is a witness."""

    def __init__(self, crowd: Crowd, greeting: Greeting, *, witness: bool) -> None:
        self.crowd = crowd
        self.greeting = greeting
        self.witness = witness
        self.received = 0
        self.is_ready = False
        self.latencies_us: list[float] = []
        self.stamps_in_order = True
        self._last_stamp = 0
        self._awaited = b""
        self._missing = greeting.answers_wanted
        self._upgraded = greeting.dialect is Dialect.BARE
        self._buffer = bytearray()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        if opening := self.greeting.opening(f"127.0.0.1:{self.crowd.port}"):
            self.transport.write(opening)
        else:
            self._become_ready()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return VIEW

    def buffer_updated(self, size: int) -> None:
        self.received += size
        self.crowd.note_bytes()
        if not self.is_ready or self.witness or self._awaited:
            self._buffer += VIEW[:size]
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.note_lost(exc)

    def restart(self) -> None:
        """Count from nought."""
        self.received = 0
        self.latencies_us, self._last_stamp, self.stamps_in_order = [], 0, True

    def say(self, frame: bytes, answer: bytes) -> None:
        """Say it; the client is ready again with the answer."""
        self.is_ready, self._awaited, self._missing = False, answer, 1
        self.transport.write(client_frame(frame))

    def _read(self) -> None:
        if not self._upgraded:
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.crowd.note_lost(ConnectionError(bytes(self._buffer)[:300].decode(errors="replace")))
                return
            self._upgraded, self._buffer = True, bytearray(rest)
            if not self._missing:
                self._become_ready()
        for payload in take_frames(self._buffer):
            self._take(payload)

    def _take(self, payload: bytes) -> None:
        if self.is_ready:
            self._note_stamp(payload)
            return
        if (answer := self.greeting.answer(payload)) is not None:
            self.transport.write(b"".join(map(client_frame, answer.split(b"\n"))))
        if payload.startswith(self._awaited) if self._awaited else self.greeting.is_ready(payload):
            self._missing -= 1
            if not self._missing:
                self._become_ready()

    def _note_stamp(self, payload: bytes) -> None:
        place = payload.find(STAMP)
        if place >= 0:
            stamp = int(payload[place + 1 : place + 1 + STAMP_DIGITS])
            self.stamps_in_order &= stamp > self._last_stamp
            self._last_stamp = stamp
            self.latencies_us.append((time.monotonic_ns() - stamp) / 1000)
            self.crowd.note_stamp(self)

    def _become_ready(self) -> None:
        self.is_ready, self._awaited = True, b""
        if not self.witness:
            self._buffer = bytearray()
        self.crowd.note_ready()


class Crowd:
    """All clients of this process."""

    def __init__(self) -> None:
        self.port = 0
        self.clients: list[Client] = []
        self._ready = 0
        self._unready = 0
        self._deaf = 0
        self._stamps_wanted = 0
        self._last_bytes = 0.0
        self._changed = asyncio.Event()
        self._leaving = False
        self._trouble = ""

    async def obey(self, order: AnyOrder) -> Report:
        """Carry out one order within its bound; whatever goes wrong is said in the report."""
        match order:
            case Join():
                return await self._join(order)
            case Say():
                return await self._say(order)
            case Settle():
                return await self._settle(order)
            case Hear():
                return await self._hear(order)
            case Leave():
                return self._leave()
            case _:
                assert_never(order)

    def note_ready(self) -> None:
        """One more client is ready."""
        self._unready -= 1
        if not self._unready:
            self._changed.set()

    def note_bytes(self) -> None:
        """A client received something."""
        self._last_bytes = time.monotonic()

    def note_stamp(self, client: Client) -> None:
        """A witness read one more stamped message."""
        if len(client.latencies_us) == self._stamps_wanted:
            self._deaf -= 1
            if not self._deaf:
                self._changed.set()

    def note_lost(self, error: Exception | None) -> None:
        """A client's connection ended; that is trouble unless the crowd leaves."""
        if not self._leaving:
            self._trouble = f"a client was lost: {error!r}"
            self._changed.set()

    async def _join(self, order: Join) -> Report:
        self.port, self._leaving, self._trouble = order.port, False, ""
        self._unready = order.clients
        places = asyncio.Semaphore(OPENING_AT_ONCE)
        began = time.monotonic()
        async with asyncio.timeout(order.within_seconds), asyncio.TaskGroup() as group:
            for number in range(order.clients):
                is_witness = number % order.witness_each == 0
                group.create_task(self._open(Client(self, order.greeting(number), witness=is_witness), places))
        return await self._until(lambda: not self._unready, began, order.within_seconds)

    async def _open(self, client: Client, places: asyncio.Semaphore) -> None:
        self.clients.append(client)
        async with places:
            await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self.port)

    async def _say(self, order: Say) -> Report:
        self._unready = len(self.clients)
        frames, answer = [frame.encode() for frame in order.frames], order.answer.encode()
        began = time.monotonic()
        for number, client in enumerate(self.clients):
            client.say(frames[number % len(frames)], answer)
        return await self._until(lambda: not self._unready, began, order.within_seconds)

    async def _settle(self, order: Settle) -> Report:
        began = self._last_bytes = time.monotonic()
        while (quiet := time.monotonic() - self._last_bytes) < order.quiet_seconds:
            if time.monotonic() - began > order.within_seconds:
                return self._report(began, ok=False, said="it does not become quiet")
            await asyncio.sleep(order.quiet_seconds - quiet + 0.001)
        self._stamps_wanted = 0
        report = self._report(began)
        for client in self.clients:
            client.restart()
        return report

    async def _hear(self, order: Hear) -> Report:
        began = time.monotonic()
        self._stamps_wanted = order.stamps_each
        self._deaf = sum(client.witness and len(client.latencies_us) < order.stamps_each for client in self.clients)
        return await self._until(lambda: not self._deaf, began, order.within_seconds)

    def _leave(self) -> Report:
        self._leaving = True
        for client in self.clients:
            client.transport.abort()
        self.clients.clear()
        return Report()

    async def _until(self, is_so: Callable[[], bool], began: float, within_seconds: float) -> Report:
        try:
            async with asyncio.timeout(within_seconds):
                while not is_so() and not self._trouble:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._trouble = f"not done after {within_seconds:g} s"
        return self._report(began, ok=not self._trouble, said=self._trouble)

    def _report(self, began: float, *, ok: bool = True, said: str = "") -> Report:
        witnesses = [client for client in self.clients if client.witness]
        received = [client.received for client in self.clients]
        stamps = [len(client.latencies_us) for client in witnesses]
        return Report(
            ok=ok,
            said=said,
            began=began,
            ended=time.monotonic(),
            received=(min(received, default=0), max(received, default=0)),
            stamps=(min(stamps, default=0), max(stamps, default=0)),
            latencies_us=[latency for client in witnesses for latency in client.latencies_us],
            stamps_in_order=all(client.stamps_in_order for client in witnesses),
        )


async def main() -> None:
    """Obey until the standard input ends."""
    crowd = Crowd()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        report = await crowd.obey(ORDER.validate_json(line))
        sys.stdout.write(report.model_dump_json() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
