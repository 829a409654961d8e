"""What a room worker does when the broker is slow, and how it ends."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from schemas import routes
from services.room.metrics import RoomMetrics
from services.room.settings import RoomSettings
from services.room.worker import Worker
from services.runtime.broker import connect, declare_topology, open_channel
from services.runtime.observe import Health
from tests.bed.waiting import eventually
from tests.integration.room.around import HEARTBEAT_SECONDS, SHARDS, Wire

pytestmark = pytest.mark.broker


def make_worker(amqp_url, health, tell, registry=None, **settings):
    wanted = {
        "amqp_url": amqp_url,
        "shards": SHARDS,
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "broker_timeout_seconds": 1,
        "drain_seconds": 5,
        **settings,
    }
    settings = RoomSettings(**wanted)
    return Worker("room-test", settings, RoomMetrics(registry or CollectorRegistry()), health, tell)


async def tell_nobody(_):
    return True


async def test_a_broker_that_is_slow_to_answer_costs_the_worker_its_health_and_not_its_shards(
    amqp_url, history, sender
):
    health = Health(stale_seconds=3)
    async with Wire(amqp_url) as wire, asyncio.timeout(60):
        connection = await connect(wire.url, "room-test", timeout_seconds=10)
        stopping = asyncio.Event()
        serving = asyncio.create_task(make_worker(amqp_url, health, tell_nobody).serve(connection, stopping))
        await sender.make_room()
        await eventually(lambda: health.checks(time.monotonic())["broker"] == "ok")
        wire.hold()
        await eventually(lambda: health.checks(time.monotonic())["broker"] != "ok")
        assert not serving.done()
        wire.release()
        await eventually(lambda: health.checks(time.monotonic())["broker"] == "ok")
        assert (await sender.ask("send", "olga", text="still there")).seq == 2
        assert history.snapshots == 1
        stopping.set()
        await serving
        await connection.close()


async def test_a_shard_whose_consumer_the_broker_cancelled_stands_in_line_again(link, amqp_url, history, sender):
    registry, stopping = CollectorRegistry(), asyncio.Event()
    connection = await connect(amqp_url, "room-test", timeout_seconds=10)
    serving = asyncio.create_task(make_worker(amqp_url, Health(), tell_nobody, registry).serve(connection, stopping))
    await sender.make_room()
    channel = await open_channel(link, confirms=True)
    await channel.queue_delete(routes.room_queue(routes.shard_of("general", SHARDS)))
    await eventually(lambda: registry.get_sample_value("room_shard_ends_total", {"reason": "ChannelLost"}))
    await declare_topology(channel, SHARDS)
    assert (await sender.ask("send", "olga", text="again there")).seq == 2
    assert history.seqs("general") == [1, 2]
    stopping.set()
    await asyncio.wait_for(serving, 20)
    await connection.close()


async def test_a_worker_ends_although_somebody_swallows_a_cancellation(link, amqp_url, history, sender):
    """As `asyncio.wait_for` does before Python 3.12, when what it waits for ends in the same moment."""

    async def tell(_):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return False

    connection, stopping = await connect(amqp_url, "room-test", timeout_seconds=10), asyncio.Event()
    serving = asyncio.create_task(make_worker(amqp_url, Health(), tell).serve(connection, stopping))
    await sender.make_room()
    stopping.set()
    await asyncio.wait([serving], timeout=15)
    assert serving.done()
    await connection.close()
