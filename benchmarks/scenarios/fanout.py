"""Fan-out: one event to every client of one room on one server, at a steady rate and as fast as it goes.

Everybody pushes the same JSON. Ours, python-socketio, websockets and ws take it from RabbitMQ; the limit is given its
bytes on a socket and writes them, once for each client and event. The events have no sender among the clients, who
would get an answer in place of its own: `end_to_end` has one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import socketio
from pamqp import commands
from pydantic_core import from_json

from benchmarks.bed import Nodes, stack
from benchmarks.company import open_room, people, port_of, tokens
from benchmarks.contender import FIRST_PORT, Running, contender, python_contender
from benchmarks.contenders.bare import LENGTH
from benchmarks.crowd import Hear, Join, Settle
from benchmarks.dialects import Dialect
from benchmarks.events import event_json
from benchmarks.load import CrowdTrouble, Load, crowd
from benchmarks.meter import Meter
from benchmarks.node_peer import node_command
from benchmarks.sample import LIMIT, OURS, SOCKETIO, Case, Sample
from benchmarks.scenario import Plan, Scenario
from infra.local.ports import HOST, free_port
from schemas import routes
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.ids import Epoch, GateId, RoomId
from services.gateway.wire import text_frame
from services.runtime.broker import connect, open_channel

USERS: Final = 90
WARM_UP: Final = 20
RATE: Final = 20
STEADY_SECONDS: Final = 5
CLIENTS: Final = (100, 500, 1_000, 5_000)
CLIENTS_OF_PEERS: Final = (100, 1_000, 5_000)
CLIENTS_OF_SOCKETIO: Final = (100, 1_000)
"""At 20 messages a second to 5,000 it would need five cores."""
BURST_DELIVERIES: Final = 1_000_000
BURST_DELIVERIES_OF_SOCKETIO: Final = 100_000
"""It needs more time for each than all others together."""
EXCHANGE: Final = "bench.events"
EXCHANGE_OF_SOCKETIO: Final = "bench.socketio"
NO_BACKLOG: Final = {
    "GATEHOUSE_BACKLOG_FRAMES": "1000000",
    "GATEHOUSE_BACKLOG_BYTES": "1000000000",
    "GATEHOUSE_QUEUE_LENGTH": "1000000",
}
"""Nobody else has a bound on what waits for a client, and a bound that is met would be another measurement."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that waits for clients; `push` hands it so many events at once."""

    port: int
    meter: Meter
    dialect: Dialect
    push: Callable[[int], Coroutine[None, None, None]]
    tokens: tuple[str, ...] = ("",)
    rooms: tuple[str, ...] = ()


Open = Callable[[Nodes], AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def gatehouse(nodes: Nodes) -> AsyncIterator[Server]:
    """A gate; the events come through its own queue as the room service sends them."""
    with stack(nodes, environment=NO_BACKLOG) as endpoints:
        users = people(USERS)
        room = await open_room(endpoints, users)
        connection = await connect(nodes.amqp_url, "bench", timeout_seconds=10)
        channel = await open_channel(connection, confirms=False)
        seq = room.seq

        async def push(count: int) -> None:
            nonlocal seq
            for _ in range(count):
                seq += 1
                headers = FanoutHeaders(FanoutKind.EVENT, RoomId(room.room), Epoch(room.epoch), seq)
                await channel.basic_publish(
                    event_json(room.room, room.epoch, seq),
                    exchange=routes.FANOUT,
                    routing_key=routes.gate_key(GateId(room.gate)),
                    properties=commands.Basic.Properties(headers=headers.to_headers([])),
                    wait=False,
                )

        port = port_of(endpoints.http)
        meter = Meter(endpoints.pids_gateway)
        yield Server(port, meter, Dialect.GATEHOUSE, push, tuple(tokens(endpoints, users)), (room.room,))
        await connection.close()


@asynccontextmanager
async def bare(nodes: Nodes) -> AsyncIterator[Server]:  # noqa: ARG001 - a contender's signature
    """One `transport.write` for each client and event."""
    trigger = free_port(FIRST_PORT + 50)
    with python_contender("bare", "--trigger", str(trigger)) as running:
        _, writer = await asyncio.open_connection(HOST, trigger)

        async def push(count: int) -> None:
            for number in range(count):
                frame = text_frame(event_json("room", "epoch", number + 1))
                writer.write(LENGTH.pack(len(frame)) + frame)
                await writer.drain()

        yield Server(running.port, running.meter, Dialect.BARE, push)
        writer.close()


@asynccontextmanager
async def python_socketio(nodes: Nodes) -> AsyncIterator[Server]:
    """Its own manager emits, from another process, as its documentation has it."""
    with python_contender("socketio_server", "--amqp", nodes.amqp_url, "--channel", EXCHANGE_OF_SOCKETIO) as running:
        manager = socketio.AsyncAioPikaManager(nodes.amqp_url, channel=EXCHANGE_OF_SOCKETIO, write_only=True)

        async def push(count: int) -> None:
            for number in range(count):
                await manager.emit("message", from_json(event_json("room", "epoch", number + 1)))

        yield Server(running.port, running.meter, Dialect.SOCKETIO, push)
        await manager.publisher_connection.close()


@asynccontextmanager
async def websockets_broadcast(nodes: Nodes) -> AsyncIterator[Server]:
    """`websockets.broadcast`."""
    with python_contender("websockets_server", "--amqp", nodes.amqp_url, "--exchange", EXCHANGE) as running:
        async with _over_exchange(nodes, running) as server:
            yield server


@asynccontextmanager
async def node_ws(nodes: Nodes) -> AsyncIterator[Server]:
    """Node's `ws`."""
    with contender("node_ws", node_command(), "--amqp", nodes.amqp_url, "--exchange", EXCHANGE) as running:
        async with _over_exchange(nodes, running) as server:
            yield server


@asynccontextmanager
async def _over_exchange(nodes: Nodes, running: Running) -> AsyncIterator[Server]:
    connection = await connect(nodes.amqp_url, "bench", timeout_seconds=10)
    channel = await open_channel(connection, confirms=False)

    async def push(count: int) -> None:
        for number in range(count):
            await channel.basic_publish(
                event_json("room", "epoch", number + 1), exchange=EXCHANGE, routing_key="", wait=False
            )

    yield Server(running.port, running.meter, Dialect.PLAIN, push)
    await connection.close()


CONTENDERS: Final[dict[str, Open]] = {
    OURS: gatehouse,
    LIMIT: bare,
    "websockets": websockets_broadcast,
    "ws": node_ws,
    SOCKETIO: python_socketio,
}


SIZES: Final = {OURS: CLIENTS, LIMIT: CLIENTS, SOCKETIO: CLIENTS_OF_SOCKETIO}


async def measure(plan: Plan) -> list[Sample]:
    """Every contender at every size, and all of it again."""
    samples = []
    for _ in range(plan.repeats):
        for clients in CLIENTS[:1] if plan.quick else CLIENTS:
            for name, opened in CONTENDERS.items():
                if clients not in SIZES.get(name, CLIENTS_OF_PEERS):
                    continue
                async with opened(plan.nodes) as server, crowd() as load:
                    samples += await _measure(name, server, load, clients)
    return samples


async def _measure(name: str, server: Server, load: Load, clients: int) -> list[Sample]:
    await load.tell(
        Join(
            dialect=server.dialect,
            port=server.port,
            clients=clients,
            tokens=list(server.tokens),
            rooms=list(server.rooms),
        )
    )
    await _warm_up(server, load)
    steady: Case = {"clients": clients, "mode": "steady", "rate": RATE}
    burst: Case = {"clients": clients, "mode": "burst"}
    events = (BURST_DELIVERIES_OF_SOCKETIO if server.dialect is Dialect.SOCKETIO else BURST_DELIVERIES) // clients
    return [
        Sample(contender=name, case=steady, values=await _steady(server, load, clients)),
        Sample(contender=name, case=burst, values=await _burst(server, load, clients, events)),
    ]


async def _warm_up(server: Server, load: Load) -> None:
    await load.tell(Settle(quiet_seconds=1))
    await server.push(WARM_UP)
    await load.tell(Hear(stamps_each=WARM_UP))
    await load.tell(Settle())


async def _steady(server: Server, load: Load, clients: int) -> dict[str, float]:
    events = RATE * STEADY_SECONDS
    spent = server.meter.cpu_seconds()
    began = time.monotonic()
    for number in range(events):
        await asyncio.sleep(began + number / RATE - time.monotonic())
        await server.push(1)
    await load.tell(Hear(stamps_each=events))
    spent = server.meter.cpu_seconds() - spent
    await _check(load, events)
    return {"cpu_us_per_delivery": spent * 1e6 / (events * clients)}


async def _check(load: Load, events: int) -> None:
    """Raises CrowdTrouble: a witness lacks an event or has them in another order, or others have not as many bytes."""
    last = await load.tell(Settle())
    least, most = last.received
    if least != most or last.stamps != (events, events) or not last.stamps_in_order:
        raise CrowdTrouble(f"of {events} events witnesses have {last.stamps}, clients {last.received} bytes")


async def _burst(server: Server, load: Load, clients: int, events: int) -> dict[str, float]:
    spent = server.meter.cpu_seconds()
    began = time.monotonic()
    pushing = asyncio.create_task(server.push(events))
    report = await load.tell(Hear(stamps_each=events))
    await pushing
    spent = server.meter.cpu_seconds() - spent
    await _check(load, events)
    return {
        "cpu_us_per_delivery": spent * 1e6 / (events * clients),
        "deliveries_per_second": events * clients / (report.ended - began),
    }


SCENARIO = Scenario("fanout", "Fan-out of one room on one server", measure)
