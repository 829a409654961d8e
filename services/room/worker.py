"""A room worker on one connection: all shards, one way out, the gates it hears of, and its own liveness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from typing import Any

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel

from schemas import routes
from schemas.control import Control, GateGone, GateHeartbeat, RollCall, RosterDone, RosterRequest, WorkerHeartbeat
from schemas.ids import GateId, RoomId
from services.room.fleet import Fleet, Tell
from services.room.gates import Gates
from services.room.metrics import RoomMetrics
from services.room.outlet import Outlet
from services.room.settings import RoomSettings
from services.room.shard import Shard
from services.room.surroundings import Surroundings
from services.room.suspects import Suspects
from services.room.term import Term
from services.runtime.broker import (
    BROKER_ERRORS,
    declare_topology,
    driver_of,
    is_blocked,
    is_cancelled,
    open_channel,
)
from services.runtime.observe import Health

log = structlog.get_logger()

TICK_SECONDS = 1.0
HEARD_WITHIN = 1.5
"""Heartbeats; by then every gate that lives has sent one."""
BROKER_PART = "broker"
CONSUMERS_PART = "consumers"
PUBLISHING_PART = "publishing"
CONTROL_PART = "control"
CONNECTION_PARTS = (BROKER_PART, CONSUMERS_PART, PUBLISHING_PART)


class OutletLost(ConnectionError):
    """The way out is closed: the connection must go, and with it every shard."""


class Worker:
    """Made once per process; `serve` once per connection. What it knows of gates lasts as long as a connection: after
    an outage nobody is lost, everybody is new."""

    def __init__(self, name: str, settings: RoomSettings, metrics: RoomMetrics, health: Health, tell: Tell) -> None:
        self._name = name
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._tell = tell
        self._shards: list[Shard] = []
        self._blocked = False
        self._gates = Gates()
        self._suspects = Suspects()
        self._doubts: dict[int, RoomId] = {}
        self._to_ask: dict[RosterRequest, None] = {}
        self._asked = asyncio.Event()
        self._terms_begun = 0
        self._fleet: Fleet | None = None
        metrics.rooms_loaded.set_function(lambda: sum(term.rooms_held for term in self._terms()))
        metrics.shards_active.set_function(lambda: sum(term.is_active for term in self._terms()))
        metrics.shards_shedding.set_function(lambda: sum(shard.shedding is not None for shard in self._shards))
        metrics.publishing_blocked.set_function(lambda: self._blocked)
        metrics.gates_alive.set_function(lambda: len(self._gates.alive()))
        for part in (*CONNECTION_PARTS, CONTROL_PART):
            health.expect(part)

    async def serve(self, connection: AbstractConnection, stopping: asyncio.Event) -> None:
        """Consume every shard until `stopping`, then drain within the bound.

        Raises:
            ConnectionError: the connection must go.
            ExceptionGroup: a bug.
        """
        channel = await open_channel(connection, confirms=False)
        await declare_topology(channel, self._settings.shards, declares=self._settings.declares)
        fleet = self._begin(connection, channel)
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = [tasks.create_task(shard.serve()) for shard in self._shards]
                keepers = [tasks.create_task(keeper) for keeper in self._keepers(connection, channel, fleet)]
                await stopping.wait()
                await self._drain(serving, fleet)
                for task in (*serving, *keepers):
                    task.cancel()
        except ExceptionGroup as ended:
            if ended.split(BROKER_ERRORS)[1] is None:
                raise ConnectionError(repr(ended.exceptions[0])) from ended
            raise
        finally:
            self._shards, self._fleet, self._blocked = [], None, False
            for part in CONNECTION_PARTS:
                self._health.fail(part)

    async def hear(self, message: Control) -> None:
        """Take in what is said on the control plane."""
        now = time.monotonic()
        match message:
            case GateHeartbeat(gate=gate, interval_seconds=interval):
                self._hear_heartbeat(gate, interval, now)
            case GateGone(gate=gate):
                self._gates.receive_gone(gate)
                self._drop(gate, lost=False)
            case RosterDone():
                await self._hear_roster_done(message)
            case WorkerHeartbeat():
                self._hear_worker(message, now)
            case RollCall() if self._fleet is not None:
                self._fleet.note_change()
            case _:
                pass  # the gates' business

    def _begin(self, connection: AbstractConnection, channel: Channel) -> Fleet:
        self._gates, self._to_ask = Gates(), {}
        outlet = Outlet(channel, self._metrics, timeout_seconds=self._settings.broker_timeout_seconds)
        around = Surroundings(
            worker=self._name,
            settings=self._settings,
            outlet=outlet,
            metrics=self._metrics,
            gates=self._gates,
            gates_known_at=time.monotonic() + HEARD_WITHIN * self._settings.heartbeat_seconds,
            ask_roster=self._ask_roster,
            new_term=self._new_term,
            note_change=self._note_change,
            suspects=self._suspects,
            doubts=self._doubts,
        )
        self._shards = [Shard(number, connection, around) for number in range(self._settings.shards)]
        self._fleet = Fleet(self._name, self._settings, self._tell, self._shards, outlet)
        return self._fleet

    def _keepers(
        self, connection: AbstractConnection, channel: Channel, fleet: Fleet
    ) -> list[Coroutine[Any, Any, None]]:  # Any: what coroutines of asyncio send
        return [
            self._keep_time(connection, fleet),
            self._keep_asking(),
            fleet.keep_beating(),
            self._keep_checking(connection),
            _watch(channel),
        ]

    # Keepers end when they are cancelled, also where something below them swallowed it (`wait_for` before Python 3.12)

    async def _keep_time(self, connection: AbstractConnection, fleet: Fleet) -> None:
        while not is_cancelled():
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            self._judge_publishing(connection, now)
            self._expire_gates(now, deaf=fleet.is_deaf(now))
            for term in self._terms():
                term.tick(now)
            await fleet.tick(now)

    async def _keep_asking(self) -> None:
        """Ask for rosters, until the broker has taken each request: a request that got lost is made again by the term,
        which goes on fanning out to a gate that has not answered."""
        while not is_cancelled():
            await self._asked.wait()
            self._asked.clear()
            while self._to_ask and not is_cancelled():
                request = next(iter(self._to_ask))
                if self._is_of_a_term(request) and not await self._tell(request):
                    await asyncio.sleep(TICK_SECONDS)
                    continue
                self._to_ask.pop(request, None)

    async def _keep_checking(self, connection: AbstractConnection) -> None:
        """Beat for the broker after each round trip, and for the consumers while all of them are there.

        A round trip has no bound but the life of the connection: a broker that blocks us for an alarm answers late, and
        giving up would close the channel. Meanwhile health goes stale by itself. The channel is one of its own: who
        waits on one lets nobody else publish on it."""
        channel = await open_channel(connection, confirms=False)
        while not is_cancelled():
            await channel.queue_declare(routes.PARKED_QUEUE, passive=True)
            self._health.beat(BROKER_PART, time.monotonic())
            if all(shard.is_consuming for shard in self._shards):
                self._health.beat(CONSUMERS_PART, time.monotonic())
            await asyncio.sleep(TICK_SECONDS)

    def _judge_publishing(self, connection: AbstractConnection, now: float) -> None:
        """Whether the broker takes what this worker writes: no alarm blocks it, and the log of no shard refuses."""
        self._blocked = is_blocked(driver_of(connection))
        if self._blocked or self._doubts:
            self._health.fail(PUBLISHING_PART)
        else:
            self._health.beat(PUBLISHING_PART, now)

    async def _drain(self, serving: Iterable[asyncio.Task[None]], fleet: Fleet) -> None:
        self._health.draining = True
        fleet.begin_to_leave()
        for shard in self._shards:
            shard.drain()
        _, late = await asyncio.wait(serving, timeout=self._settings.drain_seconds)
        if late:
            log.warning("drain_cut_short", shards=len(late))
        await fleet.say_good_bye()

    def _ask_roster(self, request: RosterRequest) -> None:
        self._to_ask[request] = None
        self._asked.set()

    def _is_of_a_term(self, request: RosterRequest) -> bool:
        """The term that asks is not over."""
        return any(term.name == request.worker for term in self._terms())

    def _new_term(self) -> str:
        self._terms_begun += 1
        return f"{self._name}-{self._terms_begun}"

    def _note_change(self) -> None:
        if self._fleet is not None:
            self._fleet.note_change()

    def _expire_gates(self, now: float, *, deaf: bool) -> None:
        """Drop gates that fell silent; but while nothing at all is heard, not even ourselves, judge nobody. A gate
        that only its sessions speak of gets its lease too."""
        interval = self._settings.heartbeat_seconds
        if deaf:
            self._gates.receive_silence(now)
        for gate in {gate for term in self._terms() for gate in term.gates_served} - set(self._gates.alive()):
            self._gates.receive_heartbeat(gate, interval, now)
        for gate in self._gates.expire(now):
            log.warning("gate_lost", gate=gate)
            self._drop(gate, lost=True)

    def _hear_heartbeat(self, gate: GateId, interval_seconds: float, now: float) -> None:
        """No lease is shorter than our own would be: we must notice first if it is we who hear nothing."""
        if self._gates.receive_heartbeat(gate, max(interval_seconds, self._settings.heartbeat_seconds), now):
            for term in self._terms():
                term.meet_gate(gate, now)

    def _hear_worker(self, heartbeat: WorkerHeartbeat, now: float) -> None:
        """Our own words prove that we are heard and hear."""
        if heartbeat.worker == self._name:
            self._health.beat(CONTROL_PART, now)
        if self._fleet is not None:
            self._fleet.hear(heartbeat, now)

    async def _hear_roster_done(self, message: RosterDone) -> None:
        for term in self._terms():
            if term.name == message.worker:
                await term.receive_roster_done(message.gate)

    def _drop(self, gate: GateId, *, lost: bool) -> None:
        for term in self._terms():
            term.drop_gate(gate, lost=lost)

    def _terms(self) -> list[Term]:
        return [shard.term for shard in self._shards if shard.term is not None]


async def _watch(channel: Channel) -> None:
    closed = asyncio.Event()
    channel.closing.add_done_callback(lambda _: closed.set())
    await closed.wait()
    raise OutletLost("the channel for fan-outs and replies is closed")
