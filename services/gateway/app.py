"""A gate as a process: everything is wired here, and here it drains and ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
import uvicorn
from aio_pika.abc import AbstractConnection

from schemas import limits
from schemas.answers import Answer, Refused
from schemas.commands import Command
from schemas.control import Control, GateGone, GateHeartbeat, RosterDone, RosterRequest
from schemas.errors import Code
from schemas.ids import CommandId, GateId, RoomId, UserId
from schemas.queries import Query, QueryAnswer
from services.gateway.commands import TOO_MANY_OF_USER
from services.gateway.demo import seed
from services.gateway.doors.amqp import Inbox
from services.gateway.doors.backend import EndpointLimits, Look
from services.gateway.doors.conversation.door import Conversations
from services.gateway.doors.handshake import Rules
from services.gateway.doors.http import dress_app, make_app
from services.gateway.doors.http_socket import HttpSocket
from services.gateway.doors.websocket import WebSocketDoor
from services.gateway.drain import drain
from services.gateway.fanout import Fanout
from services.gateway.gate import Gate
from services.gateway.limits import Limit
from services.gateway.links import HEALTH_PART, Publisher
from services.gateway.neighbours import Neighbour, Neighbours
from services.gateway.registry import Census, Held, take_census
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import Identity, KeyUnknown, TokenRefused, issue
from services.runtime.broker import keep_connected, wait_or
from services.runtime.control import ControlPlane
from services.runtime.observe import Health, configure_logging, ops_routes
from services.runtime.process import HttpServer, run

log = structlog.get_logger()

DEMO_TOKEN_SECONDS = 24 * 3600.0
CONTROL_PART = "control"
LOOK_SECONDS = 0.1
"""How soon a gate that has become ready is seen to be."""


def main() -> None:
    """Run one gate until SIGTERM or SIGINT."""
    settings = GatewaySettings()
    configure_logging(settings.log_level)
    run(partial(serve, settings))


async def serve(settings: GatewaySettings, stopping: asyncio.Event) -> None:
    """Serve every door until `stopping` is set, then drain within `drain_seconds`."""
    await Service(settings).run(stopping)


class Service:
    """One gate with its links, doors and clocks. `closing` ends the parts once the drain is over."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.gate = Gate(settings)
        self.conversations = Conversations(self.gate)
        self.health = Health()
        self.neighbours = Neighbours(self.gate.gate_id)
        self.closing = asyncio.Event()
        self.fanout = Fanout(self.gate, self.health, self.closing)
        self.publisher = Publisher(self.gate, self.health, self.closing)
        self.inbox = Inbox(settings, self.publisher, self.gate.metrics, self.closing)
        self.control = ControlPlane(
            settings.amqp_url,
            self.gate.gate_id,
            self.receive_control,
            timeout_seconds=settings.broker_timeout_seconds,
            declares=settings.declares,
        )
        self.server = HttpServer(self._http_config(), settings.shared_port)
        self.health.expect(CONTROL_PART)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set and everything is drained."""
        log.info("gate_starting", gate=self.gate.gate_id, port=self.settings.http_port)
        async with self.control, asyncio.TaskGroup() as group:
            group.create_task(self.gate.run(self.closing))
            group.create_task(self._keep("publish", self.publisher.serve))
            group.create_task(self._keep("fanout", self.fanout.serve))
            group.create_task(self._keep("inbox", self.inbox.serve))
            group.create_task(self._say_alive())
            group.create_task(self.gate.keys.serve(self.health, self.closing))
            group.create_task(self.server.serve())
            beginning = [group.create_task(self._seed()), group.create_task(self._open_shared_port())]
            await stopping.wait()
            for task in beginning:
                task.cancel()  # nobody answers commands once the gate has stopped, and no port is to be opened
            await self._drain()
        log.info("gate_stopped", gate=self.gate.gate_id)

    async def receive_control(self, message: Control) -> None:
        """Answer a new worker's roster request: one `attach` for each room of its shard, then `RosterDone`. What other
        gates say of themselves is remembered."""
        if isinstance(message, GateHeartbeat | GateGone):
            self.neighbours.receive(message, self.gate.clock())
        if not isinstance(message, RosterRequest) or message.gate not in (None, self.gate.gate_id):
            return
        self.gate.hub.reattach_shard(message.shard, message.shards)
        self.gate.carry_out()
        await self.control.tell(RosterDone(gate=self.gate.gate_id, worker=message.worker, shard=message.shard))

    async def _drain(self) -> None:
        deadline = time.monotonic() + self.settings.drain_seconds
        self.health.draining = True
        for listener in getattr(self.server, "servers", ()):
            listener.close()
        await drain(self.gate, deadline)
        await self.control.tell(GateGone(gate=self.gate.gate_id))
        self.closing.set()
        self.server.should_exit = True
        await self.control.stop()

    async def _keep(self, name: str, serve: Callable[[AbstractConnection], Awaitable[None]]) -> None:
        await keep_connected(
            self.settings.amqp_url,
            f"{self.gate.gate_id} {name}",
            serve,
            stopping=self.closing,
            timeout_seconds=self.settings.broker_timeout_seconds,
        )

    async def _seed(self) -> None:
        if self.settings.demo:
            await seed(self.gate.commands.ask, self.closing)

    async def _open_shared_port(self) -> None:
        """Once the gate can do its work: the kernel asks nobody how they are before it hands them a client."""
        if self.settings.shared_port is None:
            return
        while not (self.server.can_share and self.health.ready(time.monotonic())):
            await wait_or(self.closing, LOOK_SECONDS)
        await self.server.open_shared_port()
        log.info("gate_shares_port", gate=self.gate.gate_id, port=self.settings.shared_port)

    async def _say_alive(self) -> None:
        await self.control.start(self.closing)
        beat = self.settings.heartbeat_seconds
        while not self.closing.is_set():
            alive = GateHeartbeat(gate=self.gate.gate_id, interval_seconds=beat, connections=len(self.gate.connections))
            if await self.control.tell(alive):
                self.health.beat(CONTROL_PART, time.monotonic())
            await wait_or(self.closing, beat)

    def _http_config(self) -> uvicorn.Config:
        app = make_app(
            HttpBackend(self.gate, self.health, self.neighbours),
            operations=ops_routes(self.health, self.gate.metrics.registry),
            issue_demo_token=self._demo_token if self.settings.demo else None,
            body_seconds=self.settings.request_seconds,
        )
        rules = Rules(
            proxies=self.settings.proxies,
            origins=self.settings.allowed_origins,
            token_in_query=self.settings.token_in_query,
        )
        return uvicorn.Config(
            dress_app(app, origins=rules.origins, proxies=rules.proxies),
            host=self.settings.http_host,
            port=self.settings.http_port,
            http=partial(HttpSocket, self.settings.request_seconds),  # type: ignore[arg-type]  # as with ws
            ws=partial(WebSocketDoor, self.gate, rules, self.conversations),  # type: ignore[arg-type]  # any factory will do
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `trusted_proxies` says whom to believe, and nothing else does
            timeout_graceful_shutdown=2,
        )

    def _demo_token(self, user: str) -> str:
        if self.settings.jwt_secret is None:
            raise AssertionError("settings of a demo without a secret are refused")
        return issue(user, self.settings.jwt_secret, now=time.time(), lifetime_seconds=DEMO_TOKEN_SECONDS)


class HttpBackend:
    """The gate as the REST door sees it."""

    def __init__(self, gate: Gate, health: Health, neighbours: Neighbours) -> None:
        self._gate = gate
        self._health = health
        self._neighbours = neighbours

    @property
    def gate_id(self) -> GateId:
        """Which gate this is."""
        return self._gate.gate_id

    async def identify(self, token: str) -> Identity | TokenRefused:
        """Who a token speaks for, now."""
        verdict = self._gate.identify(token)
        return await self._gate.identify_by_newer_keys(token) if isinstance(verdict, KeyUnknown) else verdict

    def ask(self, user: UserId) -> float:
        """The user makes a request: 0, or the seconds until they may."""
        return self._gate.ask(user)

    def new_command_id(self) -> CommandId:
        """An id for a command whose sender named none."""
        return self._gate.new_command_id()

    async def command(self, command: Command) -> Answer:
        """Have a command decided. A gate that goes down takes none; of one that was sent before nobody here knows."""
        if self._gate.draining:
            code = Code.NO_ANSWER if command.retry else Code.DRAINING
            return Refused.of(code, command_id=command.command_id)
        return await self._gate.commands.ask(command)

    async def query(self, query: Query) -> QueryAnswer:
        """Read; a user's reads in flight are bounded."""
        reader = query.actor
        if not self._gate.visitors.begin_read(reader):
            self._gate.hit(Limit.IN_FLIGHT_PER_USER)
            return Refused.of(Code.OVERLOADED, TOO_MANY_OF_USER)
        try:
            return await self._gate.queries.ask(query)
        finally:
            self._gate.visitors.end_read(reader)

    def written_through(self, user: UserId, room: RoomId) -> int | None:
        """How far the user wrote lately through this gate."""
        return self._gate.writes.through(user, room)

    def last_written(self, user: UserId) -> tuple[RoomId, int] | None:
        """The room that the user wrote to last through this gate, and how far."""
        return self._gate.writes.last(user)

    def users_here(self, room: RoomId) -> frozenset[str]:
        """Who has a session of the room at this gate."""
        return self._gate.hub.users_of(room)

    def look(self) -> Look:
        """How this gate is."""
        broker = self._health.checks(self._gate.clock()).get(HEALTH_PART) == "ok"
        return Look(
            connections=len(self._gate.connections),
            connection_limit=self._gate.settings.connections_per_gate,
            sessions=self._gate.hub.session_count,
            rooms=self._gate.hub.room_count,
            storage=self._gate.queries.answering,
            storage_seconds=self._gate.queries.answer_seconds,
            broker=broker,
            commands_in_flight=self._gate.commands.in_flight,
        )

    def limits(self) -> EndpointLimits:
        """What a client should know of this gate's bounds."""
        settings = self._gate.settings
        return EndpointLimits(
            frame_bytes=settings.frame_bytes,
            text_bytes=limits.TEXT_BYTES,
            metadata_bytes=limits.METADATA_BYTES,
            page_events=limits.PAGE_EVENTS,
            rooms_per_connection=settings.rooms_per_connection,
            commands_per_second=settings.command_rate,
            commands_at_once=settings.command_burst,
            commands_in_flight=settings.in_flight_per_connection,
        )

    def heartbeat_seconds(self) -> float:
        """How often this gate pings its WebSocket clients."""
        return self._gate.settings.ping_seconds

    def takes_token_in_query(self) -> bool:
        """Whether a WebSocket handshake may carry its token in the URL."""
        return self._gate.settings.token_in_query

    def census(self, user: UserId | None, room: RoomId | None) -> Census:
        """The connections of this gate, counted."""
        held = (
            Held(each.client, each.identity.user if each.identity is not None else None, frozenset(each.sessions))
            for each in self._gate.connections.values()
        )
        return take_census(held, user=user, room=room)

    def neighbours(self) -> list[Neighbour]:
        """The other gates that live, as far as is known here."""
        return self._neighbours.alive(self._gate.clock())
