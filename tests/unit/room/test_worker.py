"""What a worker makes of what it hears, before any connection."""

import time

import pytest
from prometheus_client import CollectorRegistry

from schemas.control import WorkerHeartbeat
from services.room.metrics import RoomMetrics
from services.room.settings import RoomSettings
from services.room.worker import Worker
from services.runtime.observe import Health


async def tell_nobody(_):
    return True


@pytest.mark.parametrize(("speaker", "health_of_control"), [("room-me", "ok"), ("room-other", "missing")])
async def test_only_its_own_heartbeat_proves_that_a_worker_can_be_heard_and_hears(speaker, health_of_control):
    health = Health()
    worker = Worker(
        "room-me", RoomSettings(amqp_url="amqp://nowhere/"), RoomMetrics(CollectorRegistry()), health, tell_nobody
    )
    await worker.hear(WorkerHeartbeat(worker=speaker, interval_seconds=1, shards=()))
    assert health.checks(time.monotonic())["control"] == health_of_control
