"""Parked deliveries on a real broker: looked at, replayed and dropped."""

import asyncio
import json
from collections import Counter

import pytest
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp import commands

from clients.operator.parked_queue import Taken, drop, look, replay
from schemas import routes
from schemas.errors import ParkReason
from schemas.parked import parked_headers
from services.runtime.broker import connect, declare_topology, headers_of, open_channel, properties_of
from services.runtime.settle import park
from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker

KEY = routes.command_key("general", "send")
WAIT_SECONDS = 20.0


@pytest.fixture
async def link(amqp_url):
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    yield connection
    await connection.close()


@pytest.fixture
async def channel(link):
    """A confirming channel; the topology is declared."""
    made = await open_channel(link, confirms=True)
    await declare_topology(made, 1)
    return made


@pytest.fixture
def take(link):
    """`delivery = await take("room.shard.0")`: the next delivery of a queue, not acked; its channel is its own."""
    arrived = {}

    async def taken(queue):
        if queue not in arrived:
            deliveries = arrived[queue] = asyncio.Queue()
            consuming = await open_channel(link, confirms=True, prefetch=10)
            await consuming.basic_consume(queue, deliveries.put)
        return await asyncio.wait_for(arrived[queue].get(), WAIT_SECONDS)

    return taken


@pytest.fixture
def park_one(channel, take):
    """`await park_one(b"body")`: a command comes, cannot be settled, and is parked."""

    async def parked(body, reason=ParkReason.POISON, exchange=routes.COMMANDS, key=KEY, queue="room.shard.0"):
        properties = commands.Basic.Properties(headers={"own": "kept"}, correlation_id="c-1", delivery_mode=2)
        await channel.basic_publish(body, exchange=exchange, routing_key=key, properties=properties, mandatory=True)
        delivery = await take(queue)
        await park(channel, delivery, reason, "it broke", timeout_seconds=WAIT_SECONDS)
        await delivery.channel.basic_ack(delivery.delivery_tag)

    return parked


async def seen(link):
    found = []
    await look(link, found.append)
    return found


async def bodies(link):
    return [parked.body for parked in await seen(link)]


async def test_looking_changes_nothing_not_even_the_order(link, park_one):
    sent = [b"%d" % number for number in range(30)]
    for body in sent:
        await park_one(body)
    first = await seen(link)
    assert [parked.body for parked in first] == sent
    assert [parked.id for parked in await seen(link)] == [parked.id for parked in first]
    assert first[0].at is not None


async def test_a_replayed_command_goes_back_to_its_queue_as_a_retry_and_leaves(link, take, park_one):
    for text in ("one", "two", "three"):
        await park_one(json.dumps({"text": text}).encode())
    [_, two, _] = await seen(link)
    assert await replay(link, Counter([two.id])) == Taken(1)
    back = await take("room.shard.0")
    assert json.loads(back.body) == {"text": "two", "retry": True}
    assert (back.routing_key, headers_of(back)) == (KEY, {"own": "kept"})
    assert (properties_of(back).correlation_id, properties_of(back).delivery_mode) == ("c-1", 2)
    assert await bodies(link) == [b'{"text": "one"}', b'{"text": "three"}']


async def test_what_the_broker_took_in_no_queue_stays_parked_and_costs_the_others_nothing(
    link, channel, take, park_one
):
    await park_one(b"lost")
    await park_one(b"entry", exchange=routes.LOG, queue="history.shard.0")
    await channel.queue_unbind("room.shard.0", routes.COMMANDS, f"room.{routes.bucket('general'):02d}.#")
    [lost, entry] = await seen(link)
    taken = await replay(link, Counter([lost.id, entry.id]))
    assert taken.gone == 1
    [(stayed, problem)] = taken.stayed
    assert stayed == lost.id
    assert problem.startswith("the broker did not take it")
    assert await bodies(link) == [b"lost"]
    assert (await take("history.shard.0")).body == b"entry"


async def test_however_many_are_refused_they_take_one_channel_which_is_given_back(link, channel, park_one, monkeypatch):
    for number in range(4):
        await park_one(b"%d" % number)
    await channel.queue_unbind("room.shard.0", routes.COMMANDS, f"room.{routes.bucket('general'):02d}.#")
    chosen = Counter(parked.id for parked in await seen(link))
    opened = []

    async def counted(*arguments, **options):
        opened.append(await open_channel(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr("clients.operator.parked_queue.open_channel", counted)
    taken = await replay(link, chosen)
    assert (taken.gone, len(taken.stayed)) == (0, 4)
    assert [each.is_closed for each in opened] == [True, True]


async def test_a_channel_that_the_broker_closed_for_one_costs_the_others_nothing(link, channel, take, park_one):
    nowhere = commands.Basic.Properties(headers=parked_headers(ParkReason.POISON, "it broke", "chat.none"))
    for _ in range(2):
        await channel.basic_publish(b"lost", exchange=routes.PARKED, routing_key=KEY, properties=nowhere)
    await park_one(b"found")
    taken = await replay(link, Counter(parked.id for parked in await seen(link)))
    assert (taken.gone, len(taken.stayed)) == (1, 2)
    assert (await take("room.shard.0")).body == b"found"


async def test_what_lies_behind_one_look_is_counted(link, park_one, monkeypatch):
    for number in range(5):
        await park_one(b"%d" % number)
    assert await look(link, lambda _: None) == 0
    monkeypatch.setattr("clients.operator.parked_queue.LOOKED_AT", 3)
    found = []
    assert await look(link, found.append) == 2
    assert [parked.body for parked in found] == [b"0", b"1", b"2"]


async def test_a_dead_letter_of_the_broker_is_replayed_to_where_it_died(link, channel, take):
    await channel.basic_publish(b"entry", exchange=routes.LOG, routing_key=KEY, mandatory=True)
    delivery = await take("history.shard.0")
    await delivery.channel.basic_reject(delivery.delivery_tag, requeue=False)
    [dead] = await eventually(lambda: seen(link), WAIT_SECONDS)
    assert (dead.reason, dead.exchange, dead.key) == ("rejected", routes.LOG, KEY)
    assert dead.detail == "dead-lettered by history.shard.0"
    assert await replay(link, Counter([dead.id])) == Taken(1)
    back = await take("history.shard.0")
    assert (back.body, headers_of(back)) == (b"entry", {})
    assert await bodies(link) == []


async def test_what_came_through_the_inbox_stays_because_only_its_sender_can_send_it(link, park_one):
    await park_one(b"{}", exchange=routes.INBOX, key="room.general.send", queue=routes.INBOX_QUEUE)
    [parked] = await seen(link)
    taken = await replay(link, Counter([parked.id]))
    assert taken.gone == 0
    assert "only its sender" in taken.stayed[0][1]
    assert await bodies(link) == [b"{}"]


async def test_only_what_was_chosen_is_dropped_and_so_often(link, park_one):
    for body in (b"keep", b"junk", b"last"):
        await park_one(body)
    [_, junk, _] = await seen(link)
    assert await drop(link, Counter({junk.id: 5})) == Taken(1)
    assert await bodies(link) == [b"keep", b"last"]


async def test_a_broker_without_anything_of_ours_is_said(link):
    with pytest.raises(ChannelNotFoundEntity):
        await look(link, print)
