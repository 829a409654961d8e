"""A gate in this process on a real broker, with real sockets; the room and history are stand-ins."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
import uvloop
from websockets.asyncio.client import connect

from services.gateway.app import Service
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import issue
from tests.bed.management import NO_TLS
from tests.bed.waiting import eventually
from tests.integration.gateway.standins import RoomStandIn

SECRET = "integration-tests-secret-0123456789"
WAIT_SECONDS = 20.0
SHARDS = 2


def pytest_asyncio_loop_factories(config, item):
    """The services run on uvloop: so do these tests, whose gate lives in their own process."""
    return {"uvloop": uvloop.new_event_loop}


class Socket:
    """A WebSocket client that reads one frame at a time, every wait bounded."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def send(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def send_raw(self, data: str | bytes) -> None:
        await self.connection.send(data)

    async def receive(self) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.connection.recv(), WAIT_SECONDS))

    async def ask(self, **frame: Any) -> dict[str, Any]:
        await self.send(**frame)
        return await self.receive()

    async def take(self, count: int) -> list[dict[str, Any]]:
        return [await self.receive() for _ in range(count)]

    async def closed(self) -> tuple[int, str]:
        await asyncio.wait_for(self.connection.wait_closed(), WAIT_SECONDS)
        return self.connection.close_code, self.connection.close_reason

    async def nothing_more(self) -> None:
        """Everything the gate wrote before this moment was read already."""
        assert await self.ask(type="ping", id="nothing more") == {"type": "pong", "id": "nothing more"}


class Bench:
    """One gate and what a test needs around it."""

    def __init__(self, service: Service, room: RoomStandIn, management: Any) -> None:
        self.service = service
        self.gate = service.gate
        self.room = room
        self.management = management
        self.stopping = asyncio.Event()
        self.sockets: list[Any] = []
        self._running: asyncio.Task[None] | None = None

    async def start(self, *, ready: bool = True) -> None:
        self._running = asyncio.create_task(self.service.run(self.stopping))
        await eventually(self._ready if ready else self._listens, WAIT_SECONDS, "the gate is ready")

    async def stop(self) -> None:
        for socket in self.sockets:
            await socket.close()
        self.stopping.set()
        if self._running is not None:
            await asyncio.wait_for(self._running, WAIT_SECONDS)

    async def cut(self, link: str) -> None:
        """The broker closes one of the gate's connections: `publish` or `fanout`."""
        name = f"{self.gate.gate_id} {link}"

        def listed() -> list[str]:
            known = self.management.connections()
            return [one["name"] for one in known if one.get("client_properties", {}).get("connection_name") == name]

        [broker_name] = await eventually(listed, WAIT_SECONDS, f"the broker lists {name}")
        self.management.close_connection(broker_name)

    @property
    def running(self) -> asyncio.Task[None]:
        assert self._running is not None
        return self._running

    @property
    def port(self) -> int:
        return self.service.server.servers[0].sockets[0].getsockname()[1]

    def _ready(self) -> bool:
        return self._listens() and self.service.health.ready(time.monotonic())

    def _listens(self) -> bool:
        if self._running is not None and self._running.done():
            self._running.result()
        return self.service.server.started

    async def socket(self, path: str = "/ws", **options: Any) -> Socket:
        url = f"ws://127.0.0.1:{self.port}{path}"
        connection = await connect(url, compression=None, max_size=None, proxy=None, **options)
        self.sockets.append(connection)
        return Socket(connection)

    async def client(self, user: str) -> Socket:
        socket = await self.socket(additional_headers={"Authorization": f"Bearer {token(user)}"})
        assert (await socket.receive())["type"] == "welcome"
        return socket

    async def attached(self, user: str, room: str, **fields: Any) -> Socket:
        socket = await self.client(user)
        answer = await socket.ask(type="attach", id="a", room=room, **fields)
        assert answer["type"] == "attached", answer
        return socket

    def http(self, user: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token(user)}"} if user else {}
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers=headers,
            trust_env=False,
            verify=NO_TLS,
            timeout=WAIT_SECONDS,
        )


def token(user: str, *, seconds: float = 3600, secret: str = SECRET) -> str:
    return issue(user, secret, now=time.time(), lifetime_seconds=seconds)


@pytest.fixture
async def start_bench(amqp_url, management):
    """Start a gate with a stand-in room: `bench = await start_bench(ping_seconds=0.2)`."""
    benches: list[Bench] = []

    async def start(*, ready: bool = True, **overrides: Any) -> Bench:
        settings = GatewaySettings(
            **{
                "amqp_url": amqp_url,
                "jwt_secret": SECRET,
                "http_port": 0,
                "shards": SHARDS,
                "drain_seconds": 5,
                "_env_file": None,
                **overrides,
            }
        )
        room = RoomStandIn()
        await room.start(amqp_url, SHARDS)
        bench = Bench(Service(settings), room, management)
        benches.append(bench)
        await bench.start(ready=ready)
        return bench

    yield start
    for bench in benches:
        await bench.stop()
        await bench.room.stop()


@pytest.fixture
async def bench(start_bench):
    """A gate as it is by default."""
    return await start_bench()
