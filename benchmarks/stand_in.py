"""A gate as the broker sees one: it sends commands for its clients, and counts what the fan-out brings it.

Every client of it holds a session in its room, so the answer to a `send` rides on the fan-out of its event.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from schemas import routes
from schemas.answers import ANSWER, Accepted, Answer, Refused
from schemas.commands import Attach, Command, Create, Send, Session
from schemas.control import CONTROL, GateHeartbeat, RosterDone, RosterRequest
from schemas.fanout import FanoutKind
from schemas.ids import ClientId, CommandId, GateId, RoomId, UserId
from services.runtime.broker import PERSISTENT, connect, headers_of, open_channel
from services.runtime.rpc import REPLY_TO, Rpc

GATE: Final = GateId("bench-gate")
CLIENT: Final = ClientId(f"{GATE}/bench-client-0001")
WRITER: Final = UserId("writer")
HEARTBEAT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
GATE_QUEUE_LENGTH: Final = 1_000_000


class SendsLost(Exception):
    """What was counted is not what had to happen."""


class StandInGate:
    """`prefix` stands before the name of every exchange and queue that it uses."""

    def __init__(self, channel: Channel, rpc: Rpc, prefix: str) -> None:
        self._channel = channel
        self._rpc = rpc
        self._prefix = prefix
        self._numbers = count(1)
        self._seqs: dict[str, int] = {}
        self._sent: dict[str, deque[float]] = {}
        self._attached: set[str] = set()
        self._in_flight = 0
        self._stirred = asyncio.Event()
        self._trouble = ""
        self.sends = 0
        self.latencies_ms: list[float] = []

    async def open(self) -> None:
        """Stand at the fan-out, and hear what room workers ask."""
        queue, heard = f"{self._prefix}{routes.gate_queue(GATE)}", routes.control_queue(GATE)
        await self._channel.queue_declare(queue, exclusive=True, arguments={"x-max-length": GATE_QUEUE_LENGTH})
        await self._channel.queue_bind(queue, f"{self._prefix}{routes.FANOUT}", routes.gate_key(GATE))
        await self._channel.basic_consume(queue, self._on_delivery, no_ack=True)
        await self._channel.queue_declare(heard, exclusive=True)
        await self._channel.queue_bind(heard, routes.CONTROL)
        await self._channel.basic_consume(heard, self._on_control, no_ack=True)

    async def beat(self) -> None:
        """Be alive, until cancelled."""
        while True:
            await self._tell(GateHeartbeat(gate=GATE, interval_seconds=HEARTBEAT_SECONDS))
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def make_rooms(self, rooms: list[RoomId]) -> None:
        """Make rooms by real commands, and attach a client to each.

        Raises:
            SendsLost: one is refused.
        """
        await asyncio.gather(*map(self._make_room, rooms))
        async with asyncio.timeout(ANSWER_SECONDS):
            while not self._attached.issuperset(rooms):
                await self._next()

    def hold(self, rooms: list[RoomId]) -> None:
        """Send to rooms that nobody numbers."""
        self._sent |= {room: deque() for room in rooms}

    async def send_steadily(self, rooms: list[RoomId], sends: int, rate: int) -> float:
        """So many sends, dealt out over the rooms, so many a second; the seconds that all of it took.

        Raises:
            SendsLost: the fan-out did not bring exactly what was sent.
        """
        return await self._timed(self._steadily(rooms, sends, rate))

    async def send_in_bursts(self, rooms: list[RoomId], sends: int, window: int) -> float:
        """The same as fast as it goes, with at most `window` of them without their answer.

        Raises:
            SendsLost: as for `send_steadily`.
        """
        return await self._timed(self._in_bursts(rooms, sends, window))

    async def _timed(self, sending: AsyncIterator[None]) -> float:
        self.latencies_ms = []
        began = time.monotonic()
        async with asyncio.timeout(ANSWER_SECONDS):
            async for _ in sending:
                self._raise_trouble()
            while self._in_flight:
                await self._next()
        return time.monotonic() - began

    async def _steadily(self, rooms: list[RoomId], sends: int, rate: int) -> AsyncIterator[None]:
        began = time.monotonic()
        for number in range(sends):
            await asyncio.sleep(began + number / rate - time.monotonic())
            await self._send(rooms[number % len(rooms)])
            yield

    async def _in_bursts(self, rooms: list[RoomId], sends: int, window: int) -> AsyncIterator[None]:
        for number in range(sends):
            while self._in_flight >= window:
                await self._next()
            await self._send(rooms[number % len(rooms)])
            yield

    async def _next(self) -> None:
        self._stirred.clear()
        await self._stirred.wait()
        self._raise_trouble()

    def _raise_trouble(self) -> None:
        if self._trouble:
            raise SendsLost(self._trouble)

    async def _make_room(self, room: RoomId) -> None:
        create = Create(room=room, actor=WRITER, command_id=self._command_id(), title="bench")
        answer = await self._ask(create)
        if isinstance(answer, Refused) and answer.retry:  # workers that have just begun take over one by one
            answer = await self._ask(create)
        if not isinstance(answer, Accepted):
            raise SendsLost(f"the room {room} cannot be made: {answer}")
        self._seqs[room], self._sent[room] = answer.seq, deque()
        session = Session(client=CLIENT, user=WRITER, attach_ref=1)
        await self._publish(Attach(room=room, actor=UserId(GATE), command_id=self._command_id(), sessions=(session,)))

    async def _ask(self, command: Command) -> Answer:
        key, body = routes.command_key(command.room, command.type), command.to_json()
        return ANSWER.validate_json(await self._rpc.call(routes.COMMANDS, key, body, timeout_seconds=ANSWER_SECONDS))

    async def _send(self, room: RoomId) -> None:
        self.sends += 1
        self._in_flight += 1
        self._sent[room].append(time.monotonic())
        await self._publish(send(room, self._command_id()))

    async def _publish(self, command: Command) -> None:
        number = command.command_id
        await self._channel.basic_publish(
            command.to_json(),
            exchange=f"{self._prefix}{routes.COMMANDS}",
            routing_key=routes.command_key(command.room, command.type),
            properties=commands.Basic.Properties(
                content_type="application/json", correlation_id=number, reply_to=REPLY_TO, delivery_mode=PERSISTENT
            ),
            wait=False,
        )

    def _command_id(self) -> CommandId:
        return CommandId(f"bench-{next(self._numbers):08d}")

    async def _on_delivery(self, delivery: DeliveredMessage) -> None:
        headers = headers_of(delivery)
        kind, room = headers["kind"], headers["room"]
        if kind == FanoutKind.EVENT and "skip" in headers:
            self._take(room, headers["seq"])
        elif kind == FanoutKind.ATTACHED:
            self._attached.add(room)
            self._stirred.set()

    def _take(self, room: str, seq: int) -> None:
        if room in self._seqs:
            if seq != self._seqs[room] + 1:
                self._trouble = f"{room}: seq {seq} came after {self._seqs[room]}"
            self._seqs[room] = seq
        if not self._sent[room]:
            self._trouble = f"{room}: an event that nobody sent"
            return
        self.latencies_ms.append((time.monotonic() - self._sent[room].popleft()) * 1000)
        self._in_flight -= 1
        self._stirred.set()

    async def _on_control(self, delivery: DeliveredMessage) -> None:
        match CONTROL.validate_json(delivery.body):
            case RosterRequest(worker=worker, shard=shard, gate=gate) if gate in (None, GATE):
                await self._tell(RosterDone(gate=GATE, worker=worker, shard=shard))
            case _:
                pass

    async def _tell(self, message: GateHeartbeat | RosterDone) -> None:
        await self._channel.basic_publish(message.to_json(), exchange=routes.CONTROL, wait=False)


def send(room: RoomId, command_id: CommandId) -> Send:
    """What every send says: 200 bytes of text."""
    return Send(room=room, actor=WRITER, command_id=command_id, client=CLIENT, text="x" * 200)


@asynccontextmanager
async def stand_in_gate(amqp_url: str, prefix: str = "") -> AsyncIterator[StandInGate]:
    """A stand-in that is open; gone with the block."""
    connection = await connect(amqp_url, "bench", timeout_seconds=10)
    channel = await open_channel(connection, confirms=False)
    rpc = Rpc(channel, in_flight_limit=1_000)
    await rpc.open()
    gate = StandInGate(channel, rpc, prefix)
    await gate.open()
    beating = asyncio.create_task(gate.beat())
    try:
        yield gate
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await rpc.close()
        await connection.close()
