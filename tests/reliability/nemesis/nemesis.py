"""Carrying a plan out on a running stack: how each kind of fault is begun, and how it is ended."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple

import httpx

from infra.engine import CommandFailed
from infra.local.workers import Kind as Service
from services.runtime.broker import wait_or
from tests.bed.waiting import eventually
from tests.reliability.doors.amqp import LOST
from tests.reliability.nemesis.ballast import load
from tests.reliability.nemesis.places import CLIENTS, STORE, Places
from tests.reliability.nemesis.poison import poison
from tests.reliability.nemesis.schedule import Fault, Kind
from tests.reliability.nemesis.wires import Wire

SLOW_STORE_PAUSED_SECONDS: Final = 0.25
SLOW_STORE_RUNS_SECONDS: Final = 0.05
"""A disk that is slow makes its store stand still again and again; so it does here."""
BROKER: Final = "broker"
LOG_POLICY: Final = "a full log"
GATE_POLICY: Final = "full gates"
ROLLED_SECONDS: Final = 90.0
"""To end; and to be ready again, not counting the time while something else is broken."""
LOOK_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 60.0
"""For the broker to do what it is told, whatever else is broken."""
HINDRANCES: Final = (OSError, httpx.HTTPError, subprocess.SubprocessError, CommandFailed, *LOST)


class Done(NamedTuple):
    """A fault that happened: from when to when it really lasted, by the clock of the journals."""

    fault: Fault
    began: float
    ended: float


class Breaking(NamedTuple):
    """What a fault has hold of, and what makes it so for as long as it lasts. The broker comes first, then workers,
    then wires: who has hold of a later one never waits for an earlier one."""

    places: tuple[str, ...]
    lasting: AbstractAsyncContextManager[None]


class Nemesis:
    """Breaks `places`. What a fault has hold of (a worker, the broker, the store) no other gets until it is mended."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._held: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._lasting: list[Kind] = []
        self.done: list[Done] = []

    async def carry_out(self, plan: Sequence[Fault]) -> None:
        """Every fault at its moment. Returns when the last is over.

        Raises:
            ExceptionGroup: of an AssertionError that says what cannot be broken or mended.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in plan:
                tasks.create_task(self._at(began + fault.at, fault))

    async def _at(self, moment: float, fault: Fault) -> None:
        await asyncio.sleep(moment - time.monotonic())
        places, breaking = self._breaking(fault)
        async with AsyncExitStack() as held:
            for place in places:
                await held.enter_async_context(self._held[place])
            since = time.monotonic()
            async with breaking:
                self._lasting.append(fault.kind)
                await asyncio.sleep(fault.seconds)
            self._lasting.remove(fault.kind)
            self.done.append(Done(fault, since, time.monotonic()))

    def _breaking(self, fault: Fault) -> Breaking:
        kind = fault.kind
        if kind in KILLED:
            return self._of_service(KILLED[kind], fault, self._killed)
        if kind in STOPPED:
            return self._of_service(STOPPED[kind], fault, self._stopped)
        if kind in CLOCKS:
            return self._of_service(CLOCKS[kind], fault, self._skewed)
        if kind is Kind.FULL_GATE:
            number = fault.target % len(self._places.wires[Service.GATEWAY])
            gate = f"{Service.GATEWAY} {number}"
            return Breaking((BROKER, gate, f"wire {gate}"), self._gate_full(number, fault))
        if kind is Kind.FULL_LOG:
            histories = range(len(self._places.services(Service.HISTORY)))
            return Breaking((BROKER, *(f"{Service.HISTORY} {number}" for number in histories)), self._log_full())
        if kind in NETWORK:
            kind_of_wire, action = NETWORK[kind]
            wires = self._places.wires[kind_of_wire]
            number = fault.target % len(wires)
            return Breaking((f"wire {kind_of_wire} {number}",), _torn(wires[number], action, fault.amount))
        place, make = OTHERS[kind]
        return Breaking((place,), make(self))

    def _of_service(
        self,
        kind: Service,
        fault: Fault,
        breaking: Callable[[Service, int, Fault], AbstractAsyncContextManager[None]],
    ) -> Breaking:
        number = fault.target % len(self._places.services(kind))
        return Breaking((f"{kind} {number}",), breaking(kind, number, fault))

    # Workers.

    @asynccontextmanager
    async def _killed(self, kind: Service, number: int, fault: Fault) -> AsyncIterator[None]:  # noqa: ARG002
        service = self._places.services(kind)[number]
        await asyncio.to_thread(service.kill9)
        yield
        service.launch()

    @asynccontextmanager
    async def _stopped(self, kind: Service, number: int, fault: Fault) -> AsyncIterator[None]:  # noqa: ARG002
        service = self._places.services(kind)[number]
        service.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            service.signal(signal.SIGCONT)

    @asynccontextmanager
    async def _skewed(self, kind: Service, number: int, fault: Fault) -> AsyncIterator[None]:
        clock = self._places.clocks[kind][number]
        clock.write_text(str(fault.amount))
        yield
        clock.write_text("0")

    @asynccontextmanager
    async def _rolled(self) -> AsyncIterator[None]:
        """As an update of all workers goes: each is stopped politely and is back before the next."""
        for kind in Service:
            for number, service in enumerate(self._places.services(kind)):
                async with self._held[f"{kind} {number}"]:
                    service.signal(signal.SIGTERM)
                    await service.ended(ROLLED_SECONDS)
                    service.launch()
                    await self._ready_again(service, f"{kind} {number + 1}")
        yield

    async def _ready_again(self, service: Any, name: str) -> None:
        """As long as anything else is broken a worker may take its time.

        Raises:
            AssertionError: it ended, or is not ready though all else is well.
        """
        well_seconds = 0.0
        while True:
            since, was_well = time.monotonic(), not self._lasting
            try:
                await service.ready(LOOK_SECONDS)
            except AssertionError as problem:
                if was_well and not self._lasting:
                    well_seconds += time.monotonic() - since
                if well_seconds >= ROLLED_SECONDS or not service.alive():
                    raise AssertionError(f"{name} was restarted and is not ready again: {problem}") from problem
            else:
                return

    # Broker and store.

    @asynccontextmanager
    async def _down(self, node: Any, end: str) -> AsyncIterator[None]:
        await asyncio.to_thread(getattr(node, end))
        try:
            yield
        finally:
            await asyncio.to_thread(node.start)

    @asynccontextmanager
    async def _alarmed(self) -> AsyncIterator[None]:
        await _insist("the memory alarm is set", self._places.broker.alarm)
        try:
            yield
        finally:
            await _insist("the memory alarm is over", self._places.broker.calm)

    @asynccontextmanager
    async def _log_full(self) -> AsyncIterator[None]:
        """Nobody empties the queues of the log, and they refuse what they are given."""
        histories = self._places.services(Service.HISTORY)
        for history in histories:
            await asyncio.to_thread(history.kill9)
        policy = {"max-length": 0, "overflow": "reject-publish"}
        try:
            async with self._policed(LOG_POLICY, r"^history\.shard\.", policy):
                yield
        finally:
            for history in histories:
                history.launch()

    @asynccontextmanager
    async def _gate_full(self, number: int, fault: Fault) -> AsyncIterator[None]:
        """Nothing passes to a gate, no more is on its way than fits, and its queue keeps but one delivery."""
        wire = self._places.wires[Service.GATEWAY][number]
        policy = {"max-length": 1, "overflow": "drop-head"}
        async with _torn(wire, _freeze, fault.amount), self._policed(GATE_POLICY, r"^gate\.", policy):
            queues = await _insist("the queues are told", self._places.management.queue_names)
            gates = [name for name in queues if name.startswith("gate.")]
            await _insist_on("the gates' queues are loaded", lambda: load(self._places.amqp_url, gates))
            yield

    @asynccontextmanager
    async def _policed(self, name: str, pattern: str, policy: Mapping[str, Any]) -> AsyncIterator[None]:
        management = self._places.management
        await _insist(f"a policy for {name} is set", lambda: management.set_policy(name, pattern, policy))
        try:
            yield
        finally:
            await _insist(f"the policy for {name} is dropped", lambda: management.drop_policy(name))

    @asynccontextmanager
    async def _store_slow(self) -> AsyncIterator[None]:
        healed = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hold_store_up(healed))
            yield
            healed.set()

    async def _hold_store_up(self, healed: asyncio.Event) -> None:
        store = self._places.store
        while not healed.is_set():
            await asyncio.to_thread(store.pause)
            try:
                await wait_or(healed, SLOW_STORE_PAUSED_SECONDS)
            finally:
                await asyncio.to_thread(store.unpause)
            await wait_or(healed, SLOW_STORE_RUNS_SECONDS)

    @asynccontextmanager
    async def _poisoned(self) -> AsyncIterator[None]:
        await poison(self._places.amqp_url)
        yield


async def _insist(what: str, deed: Callable[[], Any]) -> Any:
    """`_insist_on` a deed that waits in a thread."""
    return await _insist_on(what, lambda: asyncio.to_thread(deed))


async def _insist_on(what: str, deed: Callable[[], Awaitable[Any]]) -> Any:
    """Have the broker do it, again and again while something that is broken stands in the way.

    Raises:
        AssertionError: not in `PATIENCE_SECONDS`, and why.
    """

    async def done() -> tuple[Any]:
        try:
            return (await deed(),)
        except HINDRANCES as problem:
            raise AssertionError(repr(problem)) from problem

    return (await eventually(done, PATIENCE_SECONDS, what))[0]


@asynccontextmanager
async def _torn(wire: Wire, action: Callable[[Wire, float], None], amount: float) -> AsyncIterator[None]:
    action(wire, amount)
    try:
        yield
    finally:
        wire.mend()


def _cut(wire: Wire, _: float) -> None:
    wire.cut()


def _freeze(wire: Wire, _: float) -> None:
    wire.freeze()


def _slow(wire: Wire, seconds: float) -> None:
    wire.slow(seconds)


KILLED: Final = {
    Kind.KILL_ROOM: Service.ROOM,
    Kind.KILL_GATE: Service.GATEWAY,
    Kind.KILL_HISTORY: Service.HISTORY,
}
STOPPED: Final = {
    Kind.STOP_ROOM: Service.ROOM,
    Kind.STOP_GATE: Service.GATEWAY,
    Kind.STOP_HISTORY: Service.HISTORY,
}
CLOCKS: Final = {
    Kind.CLOCK_ROOM: Service.ROOM,
    Kind.CLOCK_GATE: Service.GATEWAY,
    Kind.CLOCK_HISTORY: Service.HISTORY,
}
NETWORK: Final[Mapping[Kind, tuple[str, Callable[[Wire, float], None]]]] = {
    Kind.CUT_ROOM: (Service.ROOM, _cut),
    Kind.CUT_GATE: (Service.GATEWAY, _cut),
    Kind.CUT_HISTORY: (Service.HISTORY, _cut),
    Kind.CUT_STORE: (STORE, _cut),
    Kind.CUT_CLIENTS: (CLIENTS, _cut),
    Kind.PART_ROOM: (Service.ROOM, _freeze),
    Kind.PART_GATE: (Service.GATEWAY, _freeze),
    Kind.PART_HISTORY: (Service.HISTORY, _freeze),
    Kind.PART_STORE: (STORE, _freeze),
    Kind.PART_CLIENTS: (CLIENTS, _freeze),
    Kind.DELAY_ROOM: (Service.ROOM, _slow),
    Kind.DELAY_GATE: (Service.GATEWAY, _slow),
    Kind.DELAY_HISTORY: (Service.HISTORY, _slow),
    Kind.DELAY_STORE: (STORE, _slow),
    Kind.DELAY_CLIENTS: (CLIENTS, _slow),
}
OTHERS: Final[Mapping[Kind, tuple[str, Callable[[Nemesis], AbstractAsyncContextManager[None]]]]] = {
    Kind.ROLL: ("all workers", lambda own: own._rolled()),
    Kind.KILL_BROKER: (BROKER, lambda own: own._down(own._places.broker, "kill")),
    Kind.RESTART_BROKER: (BROKER, lambda own: own._down(own._places.broker, "stop")),
    Kind.ALARM: (BROKER, lambda own: own._alarmed()),
    Kind.KILL_STORE: ("store", lambda own: own._down(own._places.store, "kill")),
    Kind.RESTART_STORE: ("store", lambda own: own._down(own._places.store, "stop")),
    Kind.SLOW_STORE: ("store", lambda own: own._store_slow()),
    Kind.POISON: ("nothing", lambda own: own._poisoned()),
}
