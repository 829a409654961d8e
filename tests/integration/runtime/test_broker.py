"""Connections, confirms and parking on a real broker."""

import asyncio

import pytest
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp import commands

from schemas import routes
from schemas.errors import ParkReason
from services.runtime.broker import (
    NotConfirmed,
    connect,
    declare_topology,
    headers_of,
    keep_connected,
    open_channel,
    properties_of,
    publish_confirmed,
)
from services.runtime.settle import park
from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker

PLAIN = commands.Basic.Properties()


@pytest.fixture
async def channel(amqp_url):
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True, prefetch=10)
    await declare_topology(channel, shards=2)
    yield channel
    await connection.close()


async def next_delivery(channel, queue) -> DeliveredMessage:
    arrived: asyncio.Future[DeliveredMessage] = asyncio.get_running_loop().create_future()

    async def on_delivery(delivery):
        if not arrived.done():
            arrived.set_result(delivery)

    tag = (await channel.basic_consume(queue, on_delivery)).consumer_tag
    try:
        return await asyncio.wait_for(arrived, 10)
    finally:
        await channel.basic_cancel(tag)


async def test_a_publish_that_no_queue_takes_is_not_confirmed(channel):
    with pytest.raises(NotConfirmed, match="NO_ROUTE"):
        await publish_confirmed(channel, routes.COMMANDS, "nowhere", b"", PLAIN, timeout_seconds=10)


async def test_a_publish_on_a_closed_channel_is_not_confirmed(channel):
    await channel.close()
    with pytest.raises(NotConfirmed):
        await publish_confirmed(channel, routes.LOG, routes.log_key("r", "x"), b"", PLAIN, timeout_seconds=10)


async def test_publishes_in_flight_together_arrive_in_the_order_they_were_started(channel):
    key = routes.log_key("r", "x")
    await asyncio.gather(
        *(publish_confirmed(channel, routes.LOG, key, b"%d" % n, PLAIN, timeout_seconds=10) for n in range(300))
    )
    bodies = []

    async def on_delivery(delivery):
        bodies.append(delivery.body)

    await channel.basic_consume(routes.history_queue(routes.shard_of("r", 2)), on_delivery, no_ack=True)
    await eventually(lambda: len(bodies) == 300, 20)
    assert bodies == [b"%d" % n for n in range(300)]


async def test_declaring_the_topology_twice_is_harmless_and_routes_each_room_to_one_shard(channel):
    await declare_topology(channel, shards=2)
    for number in range(100):
        key = routes.command_key(f"room-{number}", "send")
        await publish_confirmed(channel, routes.COMMANDS, key, b"", PLAIN, timeout_seconds=10)
    counts = [(await channel.queue_declare(routes.room_queue(k), passive=True)).message_count for k in (0, 1)]
    assert sum(counts) == 100
    assert all(count > 20 for count in counts)


async def test_a_parked_delivery_keeps_its_key_and_body_and_says_why(channel):
    queue = routes.room_queue(routes.shard_of("r", 2))
    sent = commands.Basic.Properties(correlation_id="c1", headers={"mine": "kept"})
    await publish_confirmed(channel, routes.COMMANDS, routes.command_key("r", "send"), b"?", sent, timeout_seconds=10)
    delivery = await next_delivery(channel, queue)
    await park(channel, delivery, ParkReason.MALFORMED, "not JSON", timeout_seconds=10)
    await channel.basic_ack(delivery.delivery_tag)
    parked = await next_delivery(channel, routes.PARKED_QUEUE)
    assert parked.body == b"?"
    assert parked.routing_key == routes.command_key("r", "send")
    assert properties_of(parked).correlation_id == "c1"
    assert headers_of(parked) | {"x-delivery-count": 0} == {
        "mine": "kept",
        "x-park-reason": "malformed",
        "x-park-detail": "not JSON",
        "x-park-exchange": "chat.commands",
        "x-delivery-count": 0,
    }
    assert (await channel.queue_declare(queue, passive=True)).message_count == 0


async def test_headers_that_cannot_be_written_again_are_left_out_of_what_is_parked(channel, management):
    headers = {"double": 1e300, "kept": "yes"}
    management.publish(routes.COMMANDS, routes.command_key("r", "send"), "?", headers=headers)
    delivery = await next_delivery(channel, routes.room_queue(routes.shard_of("r", 2)))
    assert headers_of(delivery)["double"] == 1e300
    await park(channel, delivery, ParkReason.POISON, "a bug", timeout_seconds=10)
    parked = headers_of(await next_delivery(channel, routes.PARKED_QUEUE))
    assert parked["kept"] == "yes"
    assert parked["x-park-reason"] == "poison"
    assert "double" not in parked


async def test_a_lost_connection_is_served_again_by_a_fresh_one(amqp_url):
    stopping = asyncio.Event()
    served = []

    async def serve(connection):
        served.append(connection)
        if len(served) == 1:
            await connection.close()
            await asyncio.Event().wait()
        stopping.set()

    await asyncio.wait_for(keep_connected(amqp_url, "test", serve, stopping=stopping, timeout_seconds=10), timeout=30)
    assert len(served) == 2
    assert served[0] is not served[1]


async def test_what_is_served_ends_with_its_connection_though_it_waits_for_something_else(amqp_url, management):
    stopping = asyncio.Event()
    ended = []

    async def serve(_):
        if ended:
            stopping.set()
            return
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def cut():
        for connection in management.connections():
            management.close_connection(connection["name"])
        return ended

    kept = asyncio.create_task(
        keep_connected(amqp_url, "test", serve, stopping=stopping, timeout_seconds=10),
    )
    await eventually(cut, 30)
    await asyncio.wait_for(kept, 30)


async def test_a_bug_in_what_is_served_does_not_end_the_loop(amqp_url):
    stopping = asyncio.Event()
    attempts = []

    async def serve(_):
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyError("a bug")
        stopping.set()

    await asyncio.wait_for(keep_connected(amqp_url, "test", serve, stopping=stopping, timeout_seconds=10), timeout=30)
    assert len(attempts) == 2


async def test_who_does_not_declare_finds_what_others_declared_and_makes_nothing(amqp_url, management):
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    with pytest.raises(ChannelNotFoundEntity):
        await declare_topology(await open_channel(connection, confirms=False), shards=2, declares=False)
    assert management.queue_names() == []
    await declare_topology(await open_channel(connection, confirms=False), shards=2)
    await declare_topology(await open_channel(connection, confirms=False), shards=2, declares=False)
    await connection.close()
