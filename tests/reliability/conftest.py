"""What the workloads share: the report of measured figures, the loop that the services run on too, and a stack that a
nemesis can break everywhere."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
import uvloop

from tests.bed.report import pytest_terminal_summary, report, tell
from tests.bed.scale import is_full
from tests.bed.stack import Stack, worker_settings
from tests.bed.unlimited import ENVIRONMENT
from tests.reliability.nemesis.places import Places, Wiring
from tests.reliability.planted.worker import COMMAND

__all__ = ["pytest_terminal_summary", "report", "tell"]

FULL_TIMEOUT_SECONDS = 600
logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # that connections end is what happens here
BREAKABLE = ENVIRONMENT | {
    "GATEHOUSE_HEARTBEAT_SECONDS": "2",
    "GATEHOUSE_BALANCE_SECONDS": "0.5",
    "GATEHOUSE_PRESENCE_GRACE_SECONDS": "1",
    "GATEHOUSE_COMMAND_SECONDS": "4",
    "GATEHOUSE_REPLAY_SECONDS": "60",
    "GATEHOUSE_HOLE_SECONDS": "30",
    "GATEHOUSE_REPLAY_HELD_EVENTS": "4000",
    "GATEHOUSE_QUEUE_LENGTH": "200",
    "GATEHOUSE_LOG_LEVEL": "WARNING",
}
"""What is lost is missed sooner, a gate's queue is full soon; and nobody is reset only because a store was away."""


def pytest_asyncio_loop_factories(config, item):
    """The load shares the machine with what it measures: it runs on uvloop as well."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start_breakable(broker, store, management, amqp_url, mongo_url, ports, tmp_path):
    """`places = await start_breakable(bugs=("delivers twice",))`: our services, everything between them through wires.

    `workers` of each kind. What is left of them is killed in the end: some may have been broken for good.
    """
    made = []

    async def start(workers=2, *, bugs=(), environment=None):
        told = BREAKABLE | {"GATEHOUSE_TEST_BUGS": ",".join(bugs)} | (environment or {})
        settings = worker_settings(amqp_url, mongo_url, environment=told, command=COMMAND)
        wiring = Wiring(amqp_url, mongo_url, tmp_path / "clocks", ports)
        stack = Stack(settings, tmp_path / "stack", ports, wiring.told)
        made.append((stack, wiring))
        stack.make(gates=workers, rooms=workers, histories=workers)
        await wiring.open()
        await stack.start_made()
        return Places(stack, broker, store, management, amqp_url, wiring.wires, wiring.clocks)

    yield start
    sys.stdout.write(f"the workers' logs: {tmp_path / 'stack'}\n")
    for stack, wiring in made:
        stack.kill9_all()
        await wiring.close()


def pytest_collection_modifyitems(items):
    """A full workload may take its time."""
    if is_full():
        for item in items:
            if item.get_closest_marker("timeout") is None and item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.timeout(FULL_TIMEOUT_SECONDS), append=False)
