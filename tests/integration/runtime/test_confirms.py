"""Publishes without a wait on a real broker: what is written by hand there is counted as the broker counts it."""

import asyncio

import pytest
from pamqp import commands

from schemas import routes
from services.runtime.broker import (
    NotConfirmed,
    connect,
    declare_topology,
    open_channel,
    properties_of,
    publish_confirmed,
)
from services.runtime.confirms import Publisher
from services.runtime.frames import Envelope
from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker

PLAIN = commands.Basic.Properties(content_type="application/json", delivery_mode=2)
LOGGED = Envelope.of(PLAIN)
KEY = routes.log_key("r", "x")


@pytest.fixture
async def channel(amqp_url):
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True)
    await declare_topology(channel, shards=2)
    yield channel
    await connection.close()


@pytest.fixture
async def publisher(channel):
    """One that runs; `watching` is its watch."""
    made = Publisher(channel, timeout_seconds=10)
    writing, made.watching = asyncio.create_task(made.write()), asyncio.create_task(made.watch())
    yield made
    for task in (writing, made.watching):
        task.cancel()
    await asyncio.gather(writing, made.watching, return_exceptions=True)


async def test_puts_and_the_drivers_own_publishes_share_a_channel_and_each_has_its_confirm(channel, publisher):
    confirmed, bodies = [], []

    def note(number):
        return lambda error: confirmed.append((number, error))

    for number in range(300):
        publisher.put(routes.LOG, KEY, b"%d" % number, LOGGED, note(number))
        if number % 50 == 0:
            await publish_confirmed(channel, routes.LOG, KEY, b"own", PLAIN, timeout_seconds=10)
    await eventually(lambda: len(confirmed) == 300, 20)
    assert sorted(confirmed) == [(number, None) for number in range(300)]

    async def on_delivery(delivery):
        assert properties_of(delivery).delivery_mode == 2
        bodies.append(delivery.body)

    await channel.basic_consume(routes.history_queue(routes.shard_of("r", 2)), on_delivery, no_ack=True)
    await eventually(lambda: len(bodies) == 306, 20)
    assert [body for body in bodies if body != b"own"] == [b"%d" % number for number in range(300)]
    assert not publisher.watching.done()


async def test_a_body_of_many_frames_arrives_whole(channel, publisher):
    body = bytes(range(256)) * 4_000
    await channel.queue_declare("mine", exclusive=True)
    await publisher.publish("", "mine", body, LOGGED)
    assert (await channel.basic_get("mine", no_ack=True)).body == body


async def test_a_put_that_no_queue_takes_ends_the_watch_and_no_other_counts_as_refused(channel, publisher):
    ends = {}
    for key in (KEY, "nowhere", KEY + "y"):
        publisher.put(routes.LOG, key, b"", LOGGED, lambda error, key=key: ends.__setitem__(key, error))
    with pytest.raises(NotConfirmed, match=r"nowhere: .*NO_ROUTE"):
        await asyncio.wait_for(publisher.watching, 10)
    await eventually(lambda: len(ends) == 3)
    assert [key for key, error in ends.items() if error is not None] == ["nowhere"]


async def test_a_put_that_a_full_queue_refuses_ends_the_watch(channel, publisher):
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    await channel.queue_declare("small", exclusive=True, arguments=arguments)
    for _ in range(3):
        publisher.put("", "small", b"x", LOGGED, lambda _: None)
    with pytest.raises(NotConfirmed, match="small"):
        await asyncio.wait_for(publisher.watching, 10)
