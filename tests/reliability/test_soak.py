"""Load for a long time with everything breaking: nothing is lost, nothing grows.

At full size 2,000 connections in 50 rooms, 100 messages a second, ten minutes (`make soak`).
"""

import asyncio
import time

import pytest

from tests.bed.scale import is_full
from tests.bed.waiting import eventually
from tests.reliability.fleet import fleet_of
from tests.reliability.nemesis.nemesis import Nemesis
from tests.reliability.nemesis.schedule import Fault, Kind, schedule
from tests.reliability.scale import size_of
from tests.reliability.upkeep import (
    BROKER,
    STORE,
    Upkeep,
    growth_of_processes,
    growth_of_queues,
    growth_of_slots,
    most_waiting,
    with_gates_as_one,
)

SEED = 5
SAMPLE_SECONDS = 5.0 if is_full() else 0.5
EARLY_SHARE = 0.2
"""Of ten minutes, minute two: by then everything that is kept for good is there."""
CALM_SECONDS = 20.0 if is_full() else 5.0
GROWTH = 1.1
MORE_WAITING = 20 if is_full() else 200
"""What is on its way when a sample is taken; the small run is over before a moment's stall is."""
BEHIND_SECONDS = 600
DRAINED_SECONDS = 60
SOON_FULL = {"GATEHOUSE_QUEUE_LENGTH": "2000", "GATEHOUSE_TARGETS_LIMIT": "4000"}
"""Whatever a worker may remember of messages it remembers by minute two."""
A_FEW = [Fault(2.0, Kind.KILL_ROOM, 0, 0.5, 0.0), Fault(5.0, Kind.CUT_GATE, 1, 1.0, 0.0)]

pytestmark = [
    pytest.mark.broker,
    pytest.mark.store,
    pytest.mark.stack,
    pytest.mark.timeout(size_of("soak").seconds + BEHIND_SECONDS),
]


async def test_nothing_is_lost_and_nothing_grows_under_load_with_faults(start_breakable, report):
    size = size_of("soak")
    places = await start_breakable(environment=SOON_FULL)
    upkeep, nemesis, stop = Upkeep(places, every_seconds=SAMPLE_SECONDS), Nemesis(places), asyncio.Event()
    async with fleet_of(places.stack, size, "soak", places.gates) as fleet:
        began = time.monotonic()
        fleet.write()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(upkeep.watch(stop))
            await nemesis.carry_out(schedule(SEED, size.seconds - CALM_SECONDS) if is_full() else A_FEW)
            await fleet.keep_on(max(CALM_SECONDS, began + size.seconds - time.monotonic()))
            under_load = list(upkeep.samples)
            await fleet.quiet(within_seconds=90)
            stored = await fleet.converge(within_seconds=120)
            converged = time.monotonic()
            await eventually(lambda: upkeep.is_drained(converged), DRAINED_SECONDS, "all queues are empty")
            stop.set()
        warm_seconds = EARLY_SHARE * size.seconds
        evened = with_gates_as_one(under_load)
        mib = growth_of_slots(evened, began + warm_seconds)
        mib_of_processes = growth_of_processes(evened, began + warm_seconds, warm_seconds)
        waiting = growth_of_queues(under_load)
        report(
            seed=SEED,
            accepted=fleet.accepted,
            connections=sum(client.connections for client in fleet.clients),
            faults=len(nemesis.done),
            mib={name: [round(told.early, 1), round(told.late, 1)] for name, told in (mib | mib_of_processes).items()},
            most_waiting_in_a_queue=most_waiting(upkeep.samples),
        )
        assert fleet.findings(stored) == []
        assert fleet.accepted == len(fleet.sent)
        assert {name for sample in under_load for name in sample.held} == upkeep.slots.keys(), "all were seen"
        assert waiting, "the broker told of its queues"
        assert {name: told for name, told in waiting.items() if told.late > told.early + MORE_WAITING} == {}
        if is_full():
            judged = {name: told for name, told in mib_of_processes.items() if not name.startswith((BROKER, STORE))}
            assert judged, "workers lived long enough to be judged"
            assert {name: told for name, told in judged.items() if told.late > GROWTH * told.early} == {}
