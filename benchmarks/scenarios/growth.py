"""Growth: what a delivery and a message cost, and how many broker messages a chat message makes, while clients, gates,
rooms and members become more.

Only ours: the question is the shape of the curve. A trusted producer writes the messages. The broker's own counters say
what went into the queues of the gates and of the log; the gates' say how much of it was of another kind than events,
which arrivals and quiet rooms cause and no chat message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from benchmarks.bed import stack
from benchmarks.company import OWNER, people, port_of, tokens
from benchmarks.counters import Counters
from benchmarks.crowd import Hear, Join, Leave, Settle
from benchmarks.dialects import Dialect
from benchmarks.events import stamped_text
from benchmarks.load import CrowdTrouble, Load, crowd
from benchmarks.meter import Meter
from benchmarks.producer import Producer, producer
from benchmarks.sample import OURS, Sample
from benchmarks.scenario import Plan, Scenario
from infra.local.endpoints import Endpoints

CLIENTS: Final = (100, 300, 1_000, 3_000, 5_000)
GATES: Final = (1, 2, 3, 4)
ROOMS: Final = (10, 100, 1_000, 10_000)
"""Each is looked up in the store when it is made, so making many takes the longest of all."""
MEMBERS: Final = (10, 100, 1_000, 10_000)
CLIENTS_OF_GATES: Final = 240
"""As many on all gates together, however many gates there are."""
CLIENTS_OF_ROOMS: Final = 50
CLIENTS_OF_MEMBERS: Final = 100
RATE: Final = 20
RATE_OF_FEW: Final = 100
"""Where clients are few, so that a message costs more than its processes cost idle."""
SECONDS: Final = 3
QUICK_SECONDS: Final = 1
WARM_UP: Final = 50
NO_PROBES: Final = {"GATEHOUSE_PROBE_SECONDS": "600"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A stack, a crowd on it and a producer. `seconds` is how long messages are written for each point."""

    endpoints: Endpoints
    load: Load
    producer: Producer
    counters: Counters
    seconds: int

    async def arrive(self, clients: int, rooms: Sequence[str], users: Sequence[str] = (OWNER,), gate: int = 0) -> None:
        """So many more clients, each attached to all of these rooms."""
        await self.load.tell(
            Join(
                dialect=Dialect.GATEHOUSE,
                port=port_of(self.endpoints.gates[gate]),
                clients=clients,
                tokens=tokens(self.endpoints, list(users)),
                rooms=list(rooms),
            )
        )


@asynccontextmanager
async def scene(plan: Plan, gates: int = 1) -> AsyncIterator[Scene]:
    """Fresh workers, an empty crowd."""
    with stack(plan.nodes, gates=gates, environment=NO_PROBES) as endpoints:
        async with crowd() as load, producer(plan.nodes.amqp_url) as writer:
            counters = Counters(plan.nodes.management_url, endpoints.gates)
            yield Scene(endpoints, load, writer, counters, QUICK_SECONDS if plan.quick else SECONDS)


async def measure(plan: Plan) -> list[Sample]:
    """All curves, and all of them again."""
    samples = []
    for _ in range(plan.repeats):
        async with scene(plan) as on:
            for curve in (clients, members, rooms):
                samples += await curve(on, plan)
                await on.load.tell(Leave())
        samples += await gates(plan)
    return samples


async def clients(on: Scene, plan: Plan) -> list[Sample]:
    """One room on one gate, ever more clients in it."""
    samples, there, room = [], 0, _fresh("growing")
    await on.producer.create(OWNER, [room])
    for size in _sizes(plan, CLIENTS):
        await on.arrive(size - there, [room])
        there = size
        samples.append(await _point(on, "clients", size, [[room]], per_message=size, rate=RATE))
    return samples


async def members(on: Scene, plan: Plan) -> list[Sample]:
    """The same number of clients in a room that has ever more members."""
    samples = []
    for size in _sizes(plan, MEMBERS):
        users, room = people(size - 1), _fresh("crowded")
        await on.producer.create(OWNER, [room])
        await on.producer.join(room, users)
        await on.arrive(CLIENTS_OF_MEMBERS, [room], users[:CLIENTS_OF_MEMBERS])
        samples.append(await _point(on, "members", size, [[room]], per_message=CLIENTS_OF_MEMBERS))
        await on.load.tell(Leave())
    return samples


async def rooms(on: Scene, plan: Plan) -> list[Sample]:
    """Ever more rooms on one gate, one session in each; messages go round them all."""
    samples = []
    for size in _sizes(plan, ROOMS):
        there = min(size, CLIENTS_OF_ROOMS)
        names = [_fresh("room") for _ in range(size)]
        await on.producer.create(OWNER, names)
        shares = [names[number::there] for number in range(there)]
        for share in shares:
            await on.arrive(1, share)
        samples.append(await _point(on, "rooms", size, shares, per_message=1))
        await on.load.tell(Leave())
    return samples


async def gates(plan: Plan) -> list[Sample]:
    """One room, the same clients on ever more gates."""
    samples = []
    for size in _sizes(plan, GATES):
        async with scene(plan, gates=size) as on:
            room = _fresh("spread")
            await on.producer.create(OWNER, [room])
            for gate in range(size):
                await on.arrive(CLIENTS_OF_GATES // size, [room], gate=gate)
            samples.append(await _point(on, "gates", size, [[room]], per_message=CLIENTS_OF_GATES))
    return samples


def _fresh(name: str) -> str:
    """A room that is in no store yet."""
    return f"{name}-{uuid4().hex}"


def _sizes(plan: Plan, sizes: tuple[int, ...]) -> tuple[int, ...]:
    return sizes[:2] if plan.quick else sizes


async def _point(
    on: Scene, curve: str, size: int, shares: Sequence[Sequence[str]], *, per_message: int, rate: int = RATE_OF_FEW
) -> Sample:
    """One point of a curve. `shares` are the rooms of each client, or of all; each message reaches `per_message`."""
    await on.load.tell(Settle())
    await _write(on, shares, len(shares) * -(-WARM_UP // len(shares)), rate * 2)
    gate, room = Meter(on.endpoints.pids_gateway), Meter(on.endpoints.pids_room)
    counted = await on.counters.settled()
    messages = len(shares) * (rate * on.seconds // len(shares))
    before = gate.cpu_seconds(), room.cpu_seconds()
    await _write(on, shares, messages, rate)
    spent = gate.cpu_seconds() - before[0], room.cpu_seconds() - before[1]
    after = await on.counters.settled()
    events, entries = after.events - counted.events, after.log - counted.log
    return Sample(
        contender=OURS,
        case={"curve": curve, "size": size},
        values={
            "gate_cpu_us_per_delivery": spent[0] * 1e6 / (messages * per_message),
            "gate_cpu_us_per_message": spent[0] * 1e6 / messages,
            "room_cpu_us_per_message": spent[1] * 1e6 / messages,
            "gate_deliveries_per_message": events / messages,
            "broker_messages_per_message": (events + entries) / messages,
            "bindings": await on.counters.bindings(),
        },
    )


async def _write(on: Scene, shares: Sequence[Sequence[str]], messages: int, rate: float) -> None:
    """Write messages round all rooms, as many for each client, and wait until each witness has read its own."""
    each = messages // len(shares)
    hearing = asyncio.create_task(on.load.tell(Hear(stamps_each=each)))
    began = time.monotonic()
    for number in range(messages):
        await asyncio.sleep(began + number / rate - time.monotonic())
        share = shares[number % len(shares)]
        on.producer.send(OWNER, share[number // len(shares) % len(share)], stamped_text())
    await hearing
    report = await on.load.tell(Settle())
    least, most = report.received
    is_alike = least == most or len(shares) > 1
    if report.stamps != (each, each) or not report.stamps_in_order or not is_alike:
        raise CrowdTrouble(f"of {each} messages witnesses have {report.stamps}, clients {report.received} bytes")


SCENARIO = Scenario("growth", "What grows with clients, gates, rooms and members", measure)
