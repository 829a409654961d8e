"""The ground the other tests stand on: a fresh virtual host and database, counters, a broker that can be killed."""

import aio_pika
import aiormq
import pymongo
import pytest

from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker


async def declare_and_publish(url, queue, count):
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in range(count):
            body = aio_pika.Message(str(number).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(body, routing_key=queue)


async def test_counters_of_a_queue_are_exact(amqp_url, management):
    await declare_and_publish(amqp_url, "counted", 7)
    await eventually(lambda: management.counters("counted")["published"] == 7)
    assert management.queue_names() == ["counted"]


async def test_every_test_has_a_virtual_host_of_its_own(amqp_url, management):
    await declare_and_publish(amqp_url, "mine", 1)
    assert management.queue_names() == ["mine"]


async def test_a_broker_killed_and_started_again_keeps_what_was_confirmed(amqp_url, broker, management):
    await declare_and_publish(amqp_url, "kept", 3)
    # A node killed within a second of declaring a quorum queue forgets the queue: its registry is flushed that often.
    await eventually(lambda: management.counters("kept")["left"] == 3)
    broker.kill()
    assert not broker.running()
    broker.start()
    await eventually(lambda: management.counters("kept")["left"] == 3, within_seconds=20)


async def test_a_user_may_only_do_what_it_was_granted(amqp_url, management, broker):
    management.create_user("guest-writer", "pw")
    management.set_permissions("guest-writer", configure="^$", write="^chat\\.inbox$", read="^$")
    url = amqp_url.replace(broker.url.split("@", maxsplit=1)[0], "amqp://guest-writer:pw")
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await channel.declare_queue("not-allowed")


@pytest.mark.store
def test_a_store_killed_and_started_again_keeps_what_was_acknowledged(mongo_url, store):
    with pymongo.MongoClient(mongo_url) as client:
        client.get_default_database().events.insert_one({"_id": 1})
    store.kill()
    store.start()
    with pymongo.MongoClient(mongo_url) as client:
        assert client.get_default_database().events.find_one({"_id": 1}) == {"_id": 1}
