"""The snapshot of a room at its limits: in parts that a broker takes, and whole again at who asked."""

import asyncio
from itertools import islice

import pytest
from pamqp import commands

from schemas import limits, routes
from schemas.ids import USER_ID_CHARACTERS
from schemas.queries import QUERY_ANSWER, SnapshotQuery
from services.room.barrier import BarrierQueries
from services.runtime.broker import connect, open_channel
from services.runtime.confirms import Publisher
from tests.bed.waiting import eventually
from tests.contract.chronicle import Chronicle

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.timeout(600)]

WIDE = "\N{GRINNING FACE}"
"""Four bytes, the widest a character gets."""
AT_ONCE = 500


def user(number):
    return f"{number:06}" + WIDE * (USER_ID_CHARACTERS - 6)


def crowd():
    """10,000 members and 10,000 bans, each with an id and a reason as long as they may be."""
    story = Chronicle()
    yield story.created(capacity=limits.ROOM_MEMBERS)
    for number in range(1, limits.ROOM_MEMBERS):
        yield story.joined(user(number))
    for number in range(limits.BANS):
        yield story.event("member_banned", user=user(100_000 + number), text=WIDE * limits.REASON_CHARACTERS)


@pytest.fixture
async def channel(amqp_url, log_side):
    """A channel of a room worker's shard."""
    connection = await connect(amqp_url, "room-test", timeout_seconds=10)
    yield await open_channel(connection, confirms=True)
    await connection.close()


async def told_to(channel, query):
    """The bodies that history sends in answer to a barrier query, in their order."""
    bodies = []

    async def take(delivery):
        bodies.append(delivery.body)

    await channel.basic_consume("amq.rabbitmq.reply-to", take, no_ack=True)
    properties = commands.Basic.Properties(reply_to="amq.rabbitmq.reply-to", correlation_id="1")
    key = routes.query_key(query.room)
    await channel.basic_publish(query.to_json(), exchange=routes.LOG, routing_key=key, properties=properties)
    await eventually(lambda: bodies and not QUERY_ANSWER.validate_json(bodies[-1]).more, 120, "the last part")
    return bodies


async def test_i7_a_room_of_10000_members_and_as_many_bans_comes_in_parts(
    start_history, log_side, channel, amqp_url, record_property
):
    await start_history(history_batch=AT_ONCE, store_timeout_seconds=30)
    story = crowd()
    while part := list(islice(story, AT_ONCE)):
        await log_side.log(part)
    publisher = Publisher(channel, timeout_seconds=10)
    queries = BarrierQueries(channel, publisher, "room-test", answer_seconds=300, broker_seconds=10)
    await queries.open()
    writing = asyncio.create_task(publisher.write())
    snapshot = await queries.snapshot("general")
    writing.cancel()
    assert [member.user for member in snapshot.state.members] == [*map(user, range(1, limits.ROOM_MEMBERS)), "alice"]
    assert (len(snapshot.state.members), len(snapshot.state.bans)) == (limits.ROOM_MEMBERS, limits.BANS)
    assert snapshot.state.seq == limits.ROOM_MEMBERS + limits.BANS
    assert len(snapshot.recent) == limits.RECENT_COMMANDS

    connection = await connect(amqp_url, "tap", timeout_seconds=10)
    bodies = await told_to(await open_channel(connection, confirms=True), SnapshotQuery(room="general", worker="w"))
    await connection.close()
    sizes = list(map(len, bodies))
    record_property("parts", len(sizes))
    record_property("biggest_message_bytes", max(sizes))
    record_property("bytes", sum(sizes))
    assert max(sizes) <= limits.SNAPSHOT_PART_BYTES + limits.FRAME_BYTES
    assert 25 < len(sizes) <= limits.SNAPSHOT_PARTS
