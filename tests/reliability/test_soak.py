"""Load for a long time with everything breaking: nothing is lost, nothing grows.

At full size 2,000 connections in 50 rooms, 100 messages a second, ten minutes (`make soak`).
"""

import asyncio
import time

import pytest

from tests.bed.scale import is_full
from tests.bed.waiting import eventually
from tests.reliability.checks.anomalies import Anomaly
from tests.reliability.fleet import fleet_of
from tests.reliability.nemesis.nemesis import Nemesis
from tests.reliability.nemesis.schedule import schedule
from tests.reliability.scale import size_of
from tests.reliability.upkeep import Upkeep

SEED = 5
SAMPLE_SECONDS = 5.0
EARLY_SHARE = 0.2
"""Of ten minutes, minute two: by then everything that is kept for good is there."""
CALM_SECONDS = 20.0
GROWTH = 1.1
BEHIND_SECONDS = 600
DRAINED_SECONDS = 60
SOON_FULL = {"GATEHOUSE_QUEUE_LENGTH": "2000", "GATEHOUSE_TARGETS_LIMIT": "4000"}
"""Whatever a worker may remember of messages it remembers by minute two."""

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
            await nemesis.carry_out(schedule(SEED, size.seconds - CALM_SECONDS) if is_full() else [])
            await fleet.keep_on(max(CALM_SECONDS, began + size.seconds - time.monotonic()))
            ended = time.monotonic()
            await fleet.quiet(within_seconds=90)
            stored = await fleet.converge(within_seconds=120)
            await eventually(lambda: not upkeep.last_waiting(), DRAINED_SECONDS, "all queues are empty")
            stop.set()
        early = upkeep.memory_around(began + EARLY_SHARE * size.seconds, CALM_SECONDS)
        late = upkeep.memory_around(ended, CALM_SECONDS)
        report(
            seed=SEED,
            accepted=fleet.accepted,
            connections=sum(client.connections for client in fleet.clients),
            faults=len(nemesis.done),
            mib_early=early,
            mib_late=late,
            most_waiting_in_a_queue=upkeep.most_waiting(),
        )
        assert [each for each in fleet.findings(stored) if each.anomaly is not Anomaly.NEEDLESS_RESET] == []
        assert fleet.accepted == len(fleet.sent)
        if is_full():
            assert {name: mib for name, mib in late.items() if mib > GROWTH * early.get(name, mib)} == {}
