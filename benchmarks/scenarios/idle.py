"""What a connection costs that does nothing: memory of the server, and how fast such connections are made.

For ours a connection is made with its `welcome`, and attached to a room afterwards; the peers' is made with its
handshake, or with what Socket.IO says behind that. The limit keeps a socket and an empty protocol.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.bed import Nodes, stack
from benchmarks.company import open_room, people, port_of, tokens
from benchmarks.contender import FIRST_PORT, Running, contender, python_contender
from benchmarks.crowd import Join, Leave, Say, Settle
from benchmarks.dialects import Dialect
from benchmarks.figures import counters_when, total
from benchmarks.load import Load, crowd
from benchmarks.meter import Meter
from benchmarks.node_peer import node_command
from benchmarks.sample import LIMIT, OURS, SOCKETIO, Sample
from benchmarks.scenario import Plan, Scenario
from infra.local.ports import free_port

USERS: Final = 90
CLIENTS: Final = 5_000
QUICK_CLIENTS: Final = 200
WARM_UP_CLIENTS: Final = 100
ROOMS: Final = 50
QUIET_SECONDS: Final = 1.0
KIBIBYTE: Final = 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A server that waits for clients."""

    port: int
    meter: Meter
    dialect: Dialect
    tokens: tuple[str, ...] = ("",)
    rooms: tuple[str, ...] = ()
    """Every client attaches to one of them, in turn; none where there are no rooms."""
    address: str = ""
    """Where ours says what it counts."""


Open = Callable[[Nodes], AbstractAsyncContextManager[Server]]


def gatehouse(rooms: int) -> Open:
    """A gate, and so many rooms."""

    @asynccontextmanager
    async def opened(nodes: Nodes) -> AsyncIterator[Server]:
        with stack(nodes) as endpoints:
            users = people(USERS)
            names = tuple([(await open_room(endpoints, users)).room for _ in range(rooms)])
            port = port_of(endpoints.http)
            meter = Meter(endpoints.pids_gateway)
            told = tuple(tokens(endpoints, users))
            yield Server(port, meter, Dialect.GATEHOUSE, told, names, endpoints.http)

    return opened


@asynccontextmanager
async def bare(nodes: Nodes) -> AsyncIterator[Server]:  # noqa: ARG001 - a contender's signature
    """Sockets and nothing else."""
    trigger = str(free_port(FIRST_PORT + 50))
    with python_contender("bare", "--trigger", trigger) as running:
        yield _server(running, Dialect.BARE)


@asynccontextmanager
async def websockets_server(nodes: Nodes) -> AsyncIterator[Server]:
    """websockets' own server."""
    with python_contender("websockets_server", "--amqp", nodes.amqp_url, "--exchange", "bench.idle") as running:
        yield _server(running, Dialect.PLAIN)


@asynccontextmanager
async def node_ws(nodes: Nodes) -> AsyncIterator[Server]:
    """Node's `ws`."""
    with contender("node_ws", node_command(), "--amqp", nodes.amqp_url, "--exchange", "bench.idle") as running:
        yield _server(running, Dialect.PLAIN)


@asynccontextmanager
async def python_socketio(nodes: Nodes) -> AsyncIterator[Server]:
    """python-socketio on uvicorn."""
    with python_contender("socketio_server", "--amqp", nodes.amqp_url, "--channel", "bench.idle.socketio") as running:
        yield _server(running, Dialect.SOCKETIO)


def _server(running: Running, dialect: Dialect) -> Server:
    return Server(running.port, running.meter, dialect)


CONTENDERS: Final[tuple[tuple[str, int, Open], ...]] = (
    (OURS, 0, gatehouse(0)),
    (OURS, 1, gatehouse(1)),
    (OURS, ROOMS, gatehouse(ROOMS)),
    (LIMIT, 0, bare),
    ("websockets", 0, websockets_server),
    ("ws", 0, node_ws),
    (SOCKETIO, 0, python_socketio),
)
"""Each with the number of rooms that its clients spread over."""


async def measure(plan: Plan) -> list[Sample]:
    """Every contender, and all of them again."""
    clients = QUICK_CLIENTS if plan.quick else CLIENTS
    samples = []
    for _ in range(plan.repeats):
        for name, rooms, opened in CONTENDERS:
            async with opened(plan.nodes) as server, crowd() as load:
                values = await _measure(server, load, clients)
            samples.append(Sample(contender=name, case={"clients": clients, "rooms": rooms}, values=values))
    return samples


async def _measure(server: Server, load: Load, clients: int) -> dict[str, float]:
    """A first few come and go, so that what everybody shares is there before it is counted."""
    await _connect(server, load, WARM_UP_CLIENTS)
    await load.tell(Leave())
    await load.tell(Settle(quiet_seconds=QUIET_SECONDS))
    before, spent = server.meter.rss_bytes(), server.meter.cpu_seconds()
    seconds = await _connect(server, load, clients)
    spent = server.meter.cpu_seconds() - spent
    if server.rooms:
        await _attach(server, load, clients)
    await load.tell(Settle(quiet_seconds=QUIET_SECONDS))
    return {
        "rss_kib_per_client": (server.meter.rss_bytes() - before) / KIBIBYTE / clients,
        "connects_per_second": clients / seconds,
        "cpu_us_per_connect": spent * 1e6 / clients,
    }


async def _connect(server: Server, load: Load, clients: int) -> float:
    told = list(server.tokens)
    report = await load.tell(Join(dialect=server.dialect, port=server.port, clients=clients, tokens=told))
    return report.ended - report.began


async def _attach(server: Server, load: Load, clients: int) -> None:
    wishes = [json.dumps({"id": 1, "type": "attach", "room": room}) for room in server.rooms]
    await load.tell(Say(frames=wishes, answer='{"type":"attached"'))
    await counters_when(server.address, lambda counted: total(counted, "gateway_sessions") == clients)


SCENARIO = Scenario("idle", "Memory of an idle connection, and connects a second", measure)
