"""What a worker makes of what it hears, before any connection."""

import time

import pytest
from prometheus_client import CollectorRegistry

from schemas.control import GateHeartbeat, WorkerHeartbeat
from services.room.metrics import RoomMetrics
from services.room.settings import RoomSettings
from services.room.worker import Worker
from services.runtime.observe import Health


async def tell_nobody(_):
    return True


def worker_with(health):
    settings = RoomSettings(amqp_url="amqp://nowhere/", heartbeat_seconds=5)
    return Worker("room-me", settings, RoomMetrics(CollectorRegistry()), health, tell_nobody)


@pytest.mark.parametrize(("speaker", "health_of_control"), [("room-me", "ok"), ("room-other", "missing")])
async def test_only_its_own_heartbeat_proves_that_a_worker_can_be_heard_and_hears(speaker, health_of_control):
    health = Health()
    worker = worker_with(health)
    await worker.hear(WorkerHeartbeat(worker=speaker, interval_seconds=1, shards=()))
    assert health.checks(time.monotonic())["control"] == health_of_control


async def test_no_gate_has_a_shorter_lease_than_the_worker_needs_to_notice_that_it_is_deaf():
    worker = worker_with(Health())
    await worker.hear(GateHeartbeat(gate="g1", interval_seconds=1))
    worker._expire_gates(time.monotonic() + 10, deaf=False)
    assert worker._gates.alive() == ["g1"]
    worker._expire_gates(time.monotonic() + 16, deaf=False)
    assert worker._gates.alive() == []
