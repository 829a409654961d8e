"""End to end: one client says a message, a hundred others read it, and the sender is answered.

Ours goes through gate, RabbitMQ, room, log and RabbitMQ again, and is answered once a quorum queue has it. The limit
does one such trip without any of our services. python-socketio delivers on its own server before it tells RabbitMQ, and
keeps nothing; with two servers (`-2`) its message takes the broker's road to the clients as well. Latency runs from the
moment before the sender's write until a witness has read the frame: the crowd's turn through its sockets is in it,
for everybody alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.bed import Nodes, stack
from benchmarks.company import OWNER, open_room, people, port_of, tokens
from benchmarks.contender import FIRST_PORT, python_contender
from benchmarks.crowd import Hear, Join, Report, Settle
from benchmarks.dialects import Dialect
from benchmarks.load import CrowdTrouble, Load, crowd
from benchmarks.meter import Meter
from benchmarks.sample import LIMIT, OURS, SOCKETIO, Sample, percentile
from benchmarks.scenario import Plan, Scenario
from benchmarks.sender import Sender, sender
from infra.local.ports import free_port

CLIENTS: Final = 100
WITNESS_EACH: Final = 10
SECONDS_BY_RATE: Final = {50: 4, 200: 4, 500: 2}
"""Messages a second, and for how long: the slowest of them is far behind after two seconds of the last."""
QUICK_SECONDS: Final = 1
WARM_UP: Final = 300
WARM_UP_RATE: Final = 200
QUEUE: Final = "bench.trip"
EXCHANGE: Final = "bench.socketio.chat"


@dataclass(frozen=True, slots=True)
class Server:
    """What takes a message on `inlet` and brings it to the clients on `port`; `meters` by the name of the process."""

    port: int
    inlet: int
    dialect: Dialect
    meters: Mapping[str, Meter]
    tokens: tuple[str, ...] = ("",)
    rooms: tuple[str, ...] = ()
    sender_token: str = ""


Open = Callable[[Nodes], AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def gatehouse(nodes: Nodes) -> AsyncIterator[Server]:
    """One gate, one room worker, one history."""
    with stack(nodes) as endpoints:
        users = people(90)
        room = await open_room(endpoints, users)
        port = port_of(endpoints.http)
        yield Server(
            port=port,
            inlet=port,
            dialect=Dialect.GATEHOUSE,
            meters={
                "gate": Meter(endpoints.pids_gateway),
                "room": Meter(endpoints.pids_room),
                "history": Meter(endpoints.pids_history),
            },
            tokens=tuple(tokens(endpoints, users)),
            rooms=(room.room,),
            sender_token=tokens(endpoints, [OWNER])[0],
        )


@asynccontextmanager
async def broker_trip(nodes: Nodes) -> AsyncIterator[Server]:
    """A confirmed publish to a quorum queue, a consumer, a write to each socket."""
    inlet = free_port(FIRST_PORT + 50)
    arguments = ("--amqp", nodes.amqp_url, "--queue", QUEUE, "--inlet", str(inlet))
    with python_contender("broker_trip", *arguments) as running:
        yield Server(running.port, inlet, Dialect.BARE, {"server": running.meter})


@asynccontextmanager
async def python_socketio(nodes: Nodes) -> AsyncIterator[Server]:
    """Sender and clients on one server."""
    async with _socketio_servers(nodes, 1) as server:
        yield server


@asynccontextmanager
async def python_socketio_pair(nodes: Nodes) -> AsyncIterator[Server]:
    """The sender on one server, the clients on another."""
    async with _socketio_servers(nodes, 2) as server:
        yield server


@asynccontextmanager
async def _socketio_servers(nodes: Nodes, count: int) -> AsyncIterator[Server]:
    with ExitStack() as running:
        servers = [
            running.enter_context(python_contender("socketio_server", "--amqp", nodes.amqp_url, "--channel", EXCHANGE))
            for _ in range(count)
        ]
        pids = tuple(pid for server in servers for pid in server.meter.pids)
        yield Server(servers[0].port, servers[-1].port, Dialect.SOCKETIO, {"server": Meter(pids)})


CONTENDERS: Final[dict[str, Open]] = {
    OURS: gatehouse,
    LIMIT: broker_trip,
    SOCKETIO: python_socketio,
    "python-socketio-2": python_socketio_pair,
}


async def measure(plan: Plan) -> list[Sample]:
    """Every contender at every rate, and all of it again."""
    rates = dict.fromkeys(SECONDS_BY_RATE, QUICK_SECONDS) if plan.quick else SECONDS_BY_RATE
    samples = []
    for _ in range(plan.repeats):
        for name, opened in CONTENDERS.items():
            async with opened(plan.nodes) as server, crowd() as load:
                samples += await _measure(name, server, load, rates)
    return samples


async def _measure(name: str, server: Server, load: Load, rates: Mapping[int, int]) -> list[Sample]:
    await load.tell(
        Join(
            dialect=server.dialect,
            port=server.port,
            clients=CLIENTS,
            tokens=list(server.tokens),
            rooms=list(server.rooms),
            witness_each=WITNESS_EACH,
        )
    )
    async with sender(server.inlet, server.dialect, server.sender_token, server.rooms) as speaking:
        await _heard(speaking, load, 1, 1)  # python-socketio loses what is said while it connects to publish the first
        await _heard(speaking, load, WARM_UP, WARM_UP_RATE)
        return [
            Sample(
                contender=name,
                case={"clients": CLIENTS, "rate": rate},
                values=await _at_rate(server, speaking, load, rate, rate * seconds),
            )
            for rate, seconds in rates.items()
        ]


async def _at_rate(server: Server, speaking: Sender, load: Load, rate: int, messages: int) -> dict[str, float]:
    before = {process: meter.cpu_seconds() for process, meter in server.meters.items()}
    report, sent_per_second = await _heard(speaking, load, messages, rate)
    spent = {process: meter.cpu_seconds() - before[process] for process, meter in server.meters.items()}
    delivered, answered = report.latencies_us, speaking.answers_us
    return {
        "delivery_p50_ms": percentile(delivered, 0.5) / 1000,
        "delivery_p99_ms": percentile(delivered, 0.99) / 1000,
        "delivery_p999_ms": percentile(delivered, 0.999) / 1000,
        "accepted_p50_ms": percentile(answered, 0.5) / 1000,
        "accepted_p99_ms": percentile(answered, 0.99) / 1000,
        "sent_per_second": sent_per_second,
        **{f"{process}_cpu_us_per_message": seconds * 1e6 / messages for process, seconds in spent.items()},
    }


async def _heard(speaking: Sender, load: Load, messages: int, rate: int) -> tuple[Report, float]:
    """Say so many messages and wait until every witness has them all; proves that nobody lacks anything."""
    await load.tell(Settle())
    hearing = asyncio.create_task(load.tell(Hear(stamps_each=messages)))
    sent_per_second = await speaking.speak(messages, rate)
    report = await hearing
    last = await load.tell(Settle())
    least, most = last.received
    if last.stamps != (messages, messages) or least != most or not last.stamps_in_order:
        raise CrowdTrouble(f"of {messages} messages witnesses have {last.stamps}, clients {last.received} bytes")
    return report, sent_per_second


SCENARIO = Scenario("end_to_end", "From one client to a hundred others", measure)
