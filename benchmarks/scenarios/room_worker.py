"""One room worker: what a `send` costs it, at a steady rate and as fast as it goes, in one room and in many.

The load is a stand-in gate in this process that publishes commands and counts the fan-out, which carries the answers.
Ours is the real room process, with a history process behind it; the limit does the same work at the broker with plain
aio-pika, and nothing else, on queues and exchanges of its own of the same kinds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final
from uuid import uuid4

from aiormq.channel import Channel

from benchmarks.bed import Nodes, stack
from benchmarks.contender import python_contender
from benchmarks.meter import Meter
from benchmarks.sample import LIMIT, OURS, Case, Sample, percentile
from benchmarks.scenario import Plan, Scenario
from benchmarks.stand_in import SendsLost, StandInGate, stand_in_gate
from schemas import routes, topology
from schemas.ids import RoomId
from services.runtime.broker import connect, open_channel

ROOMS: Final = (1, 200)
RATE: Final = 500
STEADY_SENDS: Final = 1_500
BURST_SENDS: Final = 5_000
WARM_UP_SENDS: Final = 1_000
WINDOW: Final = 256
"""As many as a worker has in progress of one shard."""
PREFIX: Final = "bench."


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker that takes commands, and the gate that sends them. `open_rooms` makes so many rooms for it."""

    meter: Meter
    gate: StandInGate
    open_rooms: Callable[[int], Coroutine[None, None, list[RoomId]]]


Open = Callable[[Nodes], AbstractAsyncContextManager[Serving]]


@asynccontextmanager
async def gatehouse(nodes: Nodes) -> AsyncIterator[Serving]:
    """The room process; rooms are made by commands, and every event must come under its own seq."""
    with stack(nodes, gates=0) as endpoints:
        async with stand_in_gate(nodes.amqp_url) as gate:

            async def open_rooms(count: int) -> list[RoomId]:
                rooms = room_ids(count)
                await gate.make_rooms(rooms)
                return rooms

            yield Serving(Meter(endpoints.pids_room), gate, open_rooms)


@asynccontextmanager
async def plain_relay(nodes: Nodes) -> AsyncIterator[Serving]:
    """The relay; all that was sent must stand in its log in the end."""
    connection = await connect(nodes.amqp_url, "bench", timeout_seconds=10)
    channel = await open_channel(connection, confirms=False)
    await _drop_copies(channel)
    await _declare_copies(channel)
    with python_contender("plain_relay", "--amqp", nodes.amqp_url, "--prefix", PREFIX) as running:
        async with stand_in_gate(nodes.amqp_url, PREFIX) as gate:

            async def open_rooms(count: int) -> list[RoomId]:
                rooms = room_ids(count)
                gate.hold(rooms)
                return rooms

            yield Serving(running.meter, gate, open_rooms)
            await _check_logged(channel, gate.sends)
    await _drop_copies(channel)
    await connection.close()


def room_ids(count: int) -> list[RoomId]:
    """New ones, all of one length."""
    run = uuid4().hex[:8]
    return [RoomId(f"bench-{run}-{number:03d}") for number in range(count)]


CONTENDERS: Final[dict[str, Open]] = {OURS: gatehouse, LIMIT: plain_relay}


async def measure(plan: Plan) -> list[Sample]:
    """Both with one room and with many, and all of it again."""
    samples = []
    for _ in range(plan.repeats):
        for name, opened in CONTENDERS.items():
            async with opened(plan.nodes) as serving:
                for count in ROOMS:
                    samples += await _measure(name, serving, count, share=10 if plan.quick else 1)
    return samples


async def _measure(name: str, serving: Serving, count: int, share: int) -> list[Sample]:
    """`share`: so many times fewer sends than are needed for figures that mean something."""
    rooms = await serving.open_rooms(count)
    await serving.gate.send_in_bursts(rooms, WARM_UP_SENDS // share, WINDOW)
    steady: Case = {"rooms": count, "mode": "steady", "rate": RATE}
    burst: Case = {"rooms": count, "mode": "burst"}
    return [
        Sample(contender=name, case=steady, values=await _steady(serving, rooms, STEADY_SENDS // share)),
        Sample(contender=name, case=burst, values=await _burst(serving, rooms, BURST_SENDS // share)),
    ]


async def _steady(serving: Serving, rooms: list[RoomId], sends: int) -> dict[str, float]:
    spent = serving.meter.cpu_seconds()
    await serving.gate.send_steadily(rooms, sends, RATE)
    spent = serving.meter.cpu_seconds() - spent
    latencies = serving.gate.latencies_ms
    return {
        "cpu_us_per_send": spent * 1e6 / sends,
        "latency_ms_p50": median(latencies),
        "latency_ms_p99": percentile(latencies, 0.99),
    }


async def _burst(serving: Serving, rooms: list[RoomId], sends: int) -> dict[str, float]:
    spent = serving.meter.cpu_seconds()
    seconds = await serving.gate.send_in_bursts(rooms, sends, WINDOW)
    spent = serving.meter.cpu_seconds() - spent
    return {"cpu_us_per_send": spent * 1e6 / sends, "sends_per_second": sends / seconds}


async def _declare_copies(channel: Channel) -> None:
    """The exchanges and queues of a worker once more, under other names."""
    for exchange in (routes.COMMANDS, routes.LOG, routes.FANOUT):
        await channel.exchange_declare(f"{PREFIX}{exchange}", exchange_type="topic", durable=True)
    for queue in _queues():
        await channel.queue_declare(f"{PREFIX}{queue.name}", durable=True, arguments=dict(queue.arguments))
        for binding in queue.bindings:
            await channel.queue_bind(f"{PREFIX}{queue.name}", f"{PREFIX}{binding.exchange}", binding.key)


async def _drop_copies(channel: Channel) -> None:
    for queue in _queues():
        await channel.queue_delete(f"{PREFIX}{queue.name}")
    for exchange in (routes.COMMANDS, routes.LOG, routes.FANOUT):
        await channel.exchange_delete(f"{PREFIX}{exchange}")


def _queues() -> Iterator[topology.Queue]:
    bound = (routes.COMMANDS, routes.LOG)
    return (
        queue
        for queue in topology.queues(routes.DEFAULT_SHARDS)
        if any(binding.exchange in bound for binding in queue.bindings)
    )


async def _check_logged(channel: Channel, sends: int) -> None:
    logged = 0
    for queue in _queues():
        if not queue.name.startswith("room."):
            standing = await channel.queue_declare(f"{PREFIX}{queue.name}", passive=True)
            logged += standing.message_count or 0
    if logged != sends:
        raise SendsLost(f"{sends} were sent, and {logged} logged")


SCENARIO = Scenario("room_worker", "One room worker and its sends", measure)
