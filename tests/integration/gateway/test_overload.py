"""What a gate says and does while the broker does not take what it sends: full queues, alarms of memory and disk."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial

import pytest
from pamqp import commands

from schemas import routes
from schemas.commands import Attach, Send
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.ids import Epoch
from services.gateway.doors import amqp
from services.runtime.broker import connect, open_channel
from tests.bed.waiting import eventually
from tests.integration.gateway.conftest import SHARDS
from tests.integration.gateway.test_inbox import SEND, Producer

pytestmark = pytest.mark.broker

AT_ONCE_SECONDS = 1.0


@pytest.fixture
async def crowded(start_bench, management):
    """A gate whose command queues hold next to nothing, and nobody to take anything out of them."""
    bench = await start_bench()
    management.set_policy("crowded", "^room\\.shard\\.", {"max-length": 2})
    return bench


async def sent_until_refused(socket, room):
    """Send one by one; the number of those that are under way, and the refusal."""
    for number in range(100):
        await socket.send(type="send", id=number, command_id=f"c{number}", room=room, text="x")
        try:
            return number, json.loads(await asyncio.wait_for(socket.connection.recv(), AT_ONCE_SECONDS))
        except TimeoutError:
            continue
    raise AssertionError("the queue is never full")


async def test_a_full_command_queue_refuses_at_once_and_for_certain_and_takes_commands_again(crowded, amqp_url):
    room = crowded.room.open("r", "ann")
    ann = await crowded.client("ann")
    await crowded.room.stop()
    under_way, refused = await sent_until_refused(ann, room)
    assert (refused["code"], refused["definite"], refused["retry"], refused["id"]) == (
        "overloaded",
        True,
        True,
        under_way,
    )
    attach = await asyncio.wait_for(ann.ask(type="attach", id="a", room=room), AT_ONCE_SECONDS)
    assert (attach["type"], attach["code"], attach["id"]) == ("refused", "overloaded", "a")
    again = await asyncio.wait_for(ann.ask(type="send", id="r", room=room, text="x", retry=True), AT_ONCE_SECONDS)
    assert (again["code"], again["definite"]) == ("no_answer", False)
    async with crowded.http("ann") as http:
        response = await asyncio.wait_for(http.post(f"/chat/{room}/message", json={"content": "x"}), AT_ONCE_SECONDS)
        body = response.json()
        assert (response.status_code, body["code"], body["gatehouse_code"]) == (429, "QUEUE_FULL", "overloaded")
        assert (body["retry_after"], response.headers["retry-after"]) == (1, "1")
    await crowded.room.start(amqp_url, SHARDS)
    answers = await ann.take(under_way)
    assert [(answer["type"], answer["id"]) for answer in answers] == [("accepted", n) for n in range(under_way)]

    async def taken():
        return (await ann.ask(type="send", id="t", room=room, text="x"))["type"] == "accepted"

    await eventually(taken, 20, "the queue takes something again")
    sends = [command.command_id for command in crowded.room.commands if isinstance(command, Send)]
    assert sends[:under_way] == [f"c{number}" for number in range(under_way)]
    assert f"c{under_way}" not in sends


async def test_a_full_queue_delays_a_detach_and_loses_none(crowded, amqp_url):
    room = crowded.room.open("r", "ann", "bob", "cat")
    ann = await crowded.client("ann")
    leaving = [await crowded.attached(user, room) for user in ("bob", "cat")]
    await crowded.room.stop()
    await sent_until_refused(ann, room)
    for socket in leaving:
        await socket.connection.close()
    await eventually(lambda: crowded.gate.hub.session_count == 0, 20)
    await crowded.room.start(amqp_url, SHARDS)
    await eventually(lambda: not crowded.room.sessions[room], 20, "the room hears of every detach")


@pytest.fixture
async def producer(crowded, amqp_url):
    producer = await Producer.open(amqp_url)
    crowded.room.open("r", producer.name)
    yield producer
    await producer.connection.close()


async def told_until_refused(producer):
    for number in range(100):
        await producer.tell(SEND | {"command_id": f"c{number}"}, correlation_id=str(number))
        try:
            return await asyncio.wait_for(producer.answers.get(), AT_ONCE_SECONDS)
        except TimeoutError:
            continue
    raise AssertionError("the queue is never full")


async def test_a_full_command_queue_refuses_a_producer_who_wants_an_answer(crowded, producer, amqp_url):
    await crowded.room.stop()
    correlation_id, refused = await told_until_refused(producer)
    assert (refused["code"], refused["definite"], refused["command_id"]) == (
        "overloaded",
        True,
        f"c{correlation_id}",
    )
    _, again = await producer.ask(SEND | {"command_id": "again", "retry": True})
    assert (again["code"], again["definite"]) == ("no_answer", False)
    await crowded.room.start(amqp_url, SHARDS)
    for _ in range(int(correlation_id)):
        assert (await asyncio.wait_for(producer.answers.get(), 20))[1]["type"] == "accepted"


async def test_what_a_producer_sends_without_wanting_an_answer_waits_until_it_is_taken(crowded, producer, amqp_url):
    await crowded.room.stop()
    await told_until_refused(producer)
    await producer.tell(SEND | {"command_id": "patient"}, reply_to=None)
    await crowded.room.start(amqp_url, SHARDS)
    await eventually(lambda: "patient" in [one.command_id for one in crowded.room.commands], 30)


async def test_what_waits_for_a_full_queue_is_never_given_up_and_holds_up_what_stands_behind_it(
    crowded, producer, amqp_url, monkeypatch
):
    monkeypatch.setattr(amqp, "FULL_SECONDS", 0.005)
    await crowded.room.stop()
    await told_until_refused(producer)
    await producer.tell(SEND | {"command_id": "patient"}, reply_to=None)
    await producer.tell(SEND | {"command_id": "behind", "room": "another"}, key="room.another.send")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(producer.answers.get(), 5)
    await crowded.room.start(amqp_url, SHARDS)
    await eventually(lambda: "behind" in [one.command_id for one in crowded.room.commands], 30)
    sent = [one.command_id for one in crowded.room.commands]
    assert sent.index("patient") < sent.index("behind")
    assert crowded.gate.metrics.inbox.labels("given_back")._value.get() == 0


@pytest.fixture
async def alarm(broker):
    """`await alarm()`; it ends with the test."""

    async def begin():
        await asyncio.to_thread(broker.alarm)

    yield begin
    await asyncio.to_thread(broker.calm)


@pytest.fixture
async def push(bench, amqp_url):
    """Put an event into the gate's queue without publishing: `release = await push(room, 1)`, then `await release()`.

    It is a dead letter of ours, and the broker routes those also in an alarm.
    """
    connection = await connect(amqp_url, "pusher", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True)

    async def hold(room, seq):
        gate = routes.gate_key(bench.gate.gate_id)
        arguments = {"x-dead-letter-exchange": routes.FANOUT, "x-dead-letter-routing-key": gate}
        waiting = await channel.queue_declare("", exclusive=True, arguments=arguments)
        headers = FanoutHeaders(FanoutKind.EVENT, room, Epoch("e1"), seq).to_headers([])
        properties = commands.Basic.Properties(headers=headers)
        body = b'{"type":"event","seq":%d}' % seq
        await channel.basic_publish(body, routing_key=waiting.queue, properties=properties)
        held = await channel.basic_get(waiting.queue)
        return partial(channel.basic_reject, held.delivery.delivery_tag, requeue=False)

    yield hold
    await connection.close()


async def test_an_alarm_is_told_and_refused_at_once_pushes_go_on_and_all_is_well_when_it_is_over(
    bench, alarm, push, broker
):
    room = bench.room.open("r", "ann", "bob")
    ann, bob = await bench.attached("ann", room), await bench.attached("bob", room)
    queue, attaches = bench.service.fanout.queue, len(bench.room.commands)
    release = await push(room, 1)
    await alarm()
    for socket in (ann, bob):
        signal = await socket.receive()
        assert (signal["signal"], signal["available"], signal["code"]) == ("service", False, "overloaded")
    started = time.monotonic()
    for frame in ({"type": "send", "text": "x"}, {"type": "join"}, {"type": "history"}, {"type": "members"}):
        refused = await ann.ask(id=1, room=room, **frame)
        assert (refused["code"], refused["definite"]) == ("overloaded", True)
    assert time.monotonic() - started < AT_ONCE_SECONDS
    async with bench.http() as http:
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/health/chat")).json()["status"] == "degraded"
    await release()
    assert [(await socket.receive())["seq"] for socket in (ann, bob)] == [1, 1]
    await asyncio.to_thread(broker.calm)
    for socket in (ann, bob):
        signal = await socket.receive()
        assert (signal["signal"], signal["available"]) == ("service", True)
    bench.room.append(room, "eve", "the event that came in the alarm")
    assert (await ann.ask(type="send", id=2, room=room, text="x"))["seq"] == 2
    assert (await bob.receive())["seq"] == 2
    assert bench.service.fanout.queue == queue
    assert [command for command in bench.room.commands[attaches:] if isinstance(command, Attach)] == []

    async def ready():
        async with bench.http() as http:
            return (await http.get("/readyz")).status_code == 200

    await eventually(ready, 20)


async def test_an_alarm_is_noticed_by_a_gate_that_has_nothing_to_send(bench, alarm):
    await alarm()
    await eventually(lambda: not bench.gate.service_available, 20)
    async with bench.http("ann") as http:
        response = await asyncio.wait_for(http.get("/chat/rooms"), AT_ONCE_SECONDS)
        assert (response.status_code, response.json()["gatehouse_code"]) == (503, "overloaded")


async def test_what_a_producer_sent_before_an_alarm_is_applied_once_when_it_is_over(bench, alarm, broker, amqp_url):
    producer = await Producer.open(amqp_url)
    bench.room.open("r", producer.name)
    await alarm()
    await eventually(lambda: not bench.gate.service_available, 20)
    await producer.tell(SEND)
    await asyncio.to_thread(broker.calm)
    assert (await asyncio.wait_for(producer.answers.get(), 30))[1]["type"] == "accepted"
    assert len([command for command in bench.room.commands if isinstance(command, Send)]) == 1
    await producer.connection.close()
