"""Direct reply-to on a real broker: many calls at once, late answers, lost channels, full tables."""

import asyncio

import pytest
from pamqp import commands

from schemas import routes
from schemas.ids import RoomId
from services.runtime.broker import connect, declare_topology, open_channel, properties_of
from services.runtime.rpc import LinkLost, NotTaken, Rpc, TooManyInFlight
from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker

ECHO_QUEUE = "history.queries"


@pytest.fixture
async def connection(amqp_url):
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    yield connection
    await connection.close()


@pytest.fixture
async def rpc(connection):
    channel = await open_channel(connection, confirms=True)
    await declare_topology(channel, shards=1)
    rpc = Rpc(await open_channel(connection, confirms=True), in_flight_limit=300)
    await rpc.open()
    yield rpc
    await rpc.close()


async def start_echo(connection):
    channel = await open_channel(connection, confirms=False)

    async def echo(delivery):
        asked = properties_of(delivery)
        answer = commands.Basic.Properties(correlation_id=asked.correlation_id)
        await channel.basic_publish(b"heard " + delivery.body, routing_key=asked.reply_to, properties=answer)

    await channel.basic_consume(ECHO_QUEUE, echo, no_ack=True)


async def test_hundreds_of_calls_at_once_get_each_its_own_answer(connection, rpc):
    await start_echo(connection)
    calls = [rpc.send("chat.queries", "history", b"%d" % number) for number in range(300)]
    answers = await asyncio.wait_for(asyncio.gather(*(call.answer for call in calls)), 30)
    assert answers == [b"heard %d" % number for number in range(300)]
    assert rpc.in_flight == 0


async def test_a_call_nobody_answers_ends_in_time_and_leaves_nothing_behind(rpc):
    with pytest.raises(TimeoutError):
        await rpc.call("chat.queries", "history", b"anyone?", timeout_seconds=0.2)
    assert rpc.in_flight == 0


async def test_an_answer_may_come_another_way(rpc):
    call = rpc.send("chat.queries", "history", b"anyone?")
    rpc.resolve(call.correlation_id, b"by the fan-out")
    assert await call.answer == b"by the fan-out"
    rpc.resolve(call.correlation_id, b"late")  # is dropped
    assert call.answer.result() == b"by the fan-out"


async def test_more_calls_than_the_bound_are_refused_at_once(rpc):
    calls = [rpc.send("chat.queries", "history", b"") for _ in range(300)]
    with pytest.raises(TooManyInFlight):
        rpc.send("chat.queries", "history", b"")
    rpc.forget(calls[0])
    assert rpc.in_flight == 299


async def test_more_posts_than_the_bound_are_refused_until_some_are_confirmed(rpc):
    for _ in range(300):
        rpc.post("chat.queries", "nobody", b"")
    with pytest.raises(TooManyInFlight):
        rpc.post("chat.queries", "nobody", b"")

    def posted():
        rpc.post("chat.queries", "nobody", b"")
        return True

    await eventually(lambda: _not_too_many(posted), 20, "there is room again")


def _not_too_many(deed):
    try:
        return deed()
    except TooManyInFlight:
        return False


async def test_a_channel_without_confirms_will_do(connection, rpc):
    await start_echo(connection)
    plain = Rpc(await open_channel(connection, confirms=False), in_flight_limit=10)
    await plain.open()
    for _ in range(30):
        assert await plain.call("chat.queries", "history", b"x", timeout_seconds=20) == b"heard x"
    await plain.close()


async def test_a_body_of_many_frames_arrives_whole(connection, rpc):
    await start_echo(connection)
    body = bytes(range(256)) * 2_000
    assert await rpc.call("chat.queries", "history", body, timeout_seconds=20) == b"heard " + body


ROOM = RoomId("r")
COMMAND_KEY = routes.command_key(ROOM, "send")


@pytest.fixture
async def full(rpc, management):
    """The one command queue takes no more; nobody consumes it."""
    management.set_policy("full", "^room\\.shard\\.", {"max-length": 2})
    taken = []

    async def refused():
        rpc.post(routes.COMMANDS, COMMAND_KEY, b"filler", on_confirm=taken.append)
        return False in taken

    await eventually(refused, 20, "the queue is full")


async def test_what_a_full_queue_refuses_ends_at_once(rpc, full):
    call = rpc.send(routes.COMMANDS, COMMAND_KEY, b"too much")
    with pytest.raises(NotTaken):
        await asyncio.wait_for(call.answer, 10)
    assert rpc.in_flight == 0


async def test_a_full_queue_harms_no_other_and_has_its_place_again_when_it_is_empty(connection, rpc, full, management):
    await start_echo(connection)
    assert await rpc.call("chat.queries", "history", b"x", timeout_seconds=20) == b"heard x"
    management.purge("room.shard.0")
    taken = []

    async def accepted():
        rpc.post(routes.COMMANDS, COMMAND_KEY, b"now", on_confirm=taken.append)
        return True in taken

    await eventually(accepted, 20, "the queue takes something again")


async def test_each_post_is_told_of_its_confirm(rpc):
    told = []
    for number in range(200):
        rpc.post("chat.queries", "nobody", b"", on_confirm=lambda taken, number=number: told.append((number, taken)))
    await eventually(lambda: len(told) == 200, 20)
    assert sorted(told) == [(number, True) for number in range(200)]


async def test_calls_in_flight_end_with_the_channel(connection):
    channel = await open_channel(connection, confirms=True)
    await declare_topology(channel, shards=1)
    rpc = Rpc(channel, in_flight_limit=10)
    await rpc.open()
    call = rpc.send("chat.queries", "history", b"anyone?")
    await channel.close()
    with pytest.raises(LinkLost):
        await asyncio.wait_for(call.answer, 10)
    with pytest.raises(LinkLost):
        rpc.send("chat.queries", "history", b"anyone?")
    await rpc.close()


async def test_posts_and_calls_are_written_in_the_order_they_were_made(connection, rpc):
    heard = []
    done = asyncio.Event()

    async def hear(delivery):
        heard.append(delivery.body)
        if len(heard) == 200:
            done.set()

    channel = await open_channel(connection, confirms=False)
    await channel.basic_consume(ECHO_QUEUE, hear, no_ack=True)
    for number in range(100):
        rpc.send("chat.queries", "history", b"%d" % (2 * number))
        rpc.post("chat.queries", "history", b"%d" % (2 * number + 1))
    await asyncio.wait_for(done.wait(), 30)
    assert heard == [b"%d" % number for number in range(200)]
