"""The AMQP door: the verified `user_id` is the actor, everything else is answered and parked for its reason."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import urlsplit

import pytest
from pamqp import commands, encode

from schemas import routes
from services.runtime.broker import connect, open_channel, properties_of
from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker

SEND = {"type": "send", "room": "r", "command_id": "c1", "text": "hi"}


class Producer:
    """An outside program on the broker, logged in under its own name."""

    def __init__(self, connection, channel, name):
        self.connection = connection
        self.channel = channel
        self.name = name
        self.answers = asyncio.Queue()

    @classmethod
    async def open(cls, url, name=None):
        connection = await connect(url, "producer", timeout_seconds=10)
        producer = cls(connection, await open_channel(connection, confirms=False), name or urlsplit(url).username)
        await producer.channel.basic_consume("amq.rabbitmq.reply-to", producer._hear, no_ack=True)
        return producer

    async def _hear(self, delivery):
        self.answers.put_nowait((properties_of(delivery).correlation_id, json.loads(delivery.body)))

    async def tell(self, body, *, key="room.r.send", correlation_id="k", **named):
        wanted = {"user_id": self.name, "reply_to": "amq.rabbitmq.reply-to", "correlation_id": correlation_id, **named}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.channel.basic_publish(
            raw, exchange=routes.INBOX, routing_key=key, properties=commands.Basic.Properties(**wanted)
        )

    async def ask(self, body, **options):
        await self.tell(body, **options)
        return await asyncio.wait_for(self.answers.get(), 20)


@pytest.fixture
async def producer(bench, amqp_url):
    producer = await Producer.open(amqp_url)
    bench.room.open("r", producer.name, "ann")
    yield producer
    await producer.connection.close()


async def parked(bench):
    delivery = None

    async def fetch():
        nonlocal delivery
        got = await bench.room._channel.basic_get(routes.PARKED_QUEUE, no_ack=True)
        delivery = got if got.delivery.name != "Basic.GetEmpty" else None
        return delivery is not None

    await eventually(fetch, 20, "something is parked")
    headers = properties_of(delivery).headers
    return headers["x-park-reason"], delivery.routing_key, delivery.body


async def test_the_room_answers_the_producer_directly_and_the_login_is_the_actor(bench, producer):
    correlation_id, answer = await producer.ask(SEND, correlation_id="k7")
    assert (correlation_id, answer["type"], answer["seq"], answer["command_id"]) == ("k7", "accepted", 1, "c1")
    [command] = bench.room.commands
    assert (command.actor, command.client) == (producer.name, None)


async def test_clients_hear_what_a_producer_sends(bench, producer):
    ann = await bench.attached("ann", "r")
    await producer.ask(SEND)
    assert (await ann.receive())["text"] == "hi"


async def test_order_is_kept(bench, producer):
    for number in range(200):
        await producer.tell(SEND | {"command_id": f"c{number}"}, correlation_id=str(number))
    answers = [await asyncio.wait_for(producer.answers.get(), 20) for _ in range(200)]
    assert [command.command_id for command in bench.room.commands] == [f"c{number}" for number in range(200)]
    assert [answer["seq"] for _, answer in answers] == list(range(1, 201))


async def test_a_user_id_that_is_not_the_login_never_gets_in(bench, producer):
    await producer.tell(SEND, user_id="somebody-else")
    await eventually(lambda: producer.channel.is_closed, 20)
    assert bench.room.commands == []


REFUSED = {
    "no user_id": ({"user_id": None}, SEND, "unauthenticated", "unattributed"),
    "garbage": ({}, b"\xff\x00garbage", "bad_frame", "malformed"),
    "no object": ({}, b"[1]", "bad_frame", "malformed"),
    "another room in the key": ({"key": "room.other.send"}, SEND, "bad_route", "misrouted"),
    "another verb in the key": ({"key": "room.r.join"}, SEND, "bad_route", "misrouted"),
    "a room with a dot": ({"key": "room.a.b.send"}, SEND | {"room": "a.b"}, "bad_route", "misrouted"),
    "an unknown verb": ({"key": "room.r.dance"}, SEND | {"type": "dance"}, "unknown_command", "malformed"),
    "an operator's verb": (
        {"key": "room.r.inspect"},
        {"type": "inspect", "room": "r", "command_id": "c"},
        "unknown_command",
        "malformed",
    ),
    "a missing command_id": ({}, {"type": "send", "room": "r", "text": "x"}, "bad_field", "malformed"),
    "an extra field": ({}, SEND | {"colour": 1}, "bad_field", "malformed"),
    "a client": ({}, SEND | {"client": "g/c"}, "bad_field", "malformed"),
    "a long text": ({}, SEND | {"text": "x" * 20_000}, "too_large", "malformed"),
    "a gate's verb": (
        {"key": "room.r.attach"},
        {"type": "attach", "room": "r", "command_id": "c", "sessions": []},
        "not_allowed",
        None,
    ),
    "another actor": ({}, SEND | {"actor": "ann"}, "not_allowed", None),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_unfit_is_answered_and_parked_for_its_reason(bench, producer, name):
    options, body, code, reason = REFUSED[name]
    correlation_id, answer = await producer.ask(body, **options)
    assert (correlation_id, answer["type"], answer["code"]) == ("k", "refused", code)
    if reason is not None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        assert await parked(bench) == (reason, options.get("key", "room.r.send"), raw)
    assert (await producer.ask(SEND))[1]["type"] == "accepted"
    assert len(bench.room.commands) == 1


async def test_an_actor_that_is_the_login_is_fine(producer):
    assert (await producer.ask(SEND | {"actor": producer.name}))[1]["type"] == "accepted"


async def test_without_reply_to_nobody_is_answered_and_the_inbox_goes_on(bench, producer):
    await producer.tell(b"garbage", reply_to=None)
    assert (await producer.ask(SEND))[1]["type"] == "accepted"
    assert (await parked(bench))[0] == "malformed"


async def test_a_header_that_cannot_be_written_again_holds_nothing_up(bench, producer, management):
    management.publish(routes.INBOX, "room.r.send", "garbage", headers={"double": 1e300, "kept": "yes"})
    assert await parked(bench) == ("unattributed", "room.r.send", b"garbage")
    assert (await producer.ask(SEND))[1]["type"] == "accepted"


async def test_no_producer_has_its_answers_put_into_a_queue_of_ours(bench, producer, management):
    await producer.tell(SEND, reply_to="history.shard.0")
    await producer.tell(b"garbage", reply_to="history.shard.0")
    assert await parked(bench) == ("malformed", "room.r.send", json.dumps(SEND).encode())
    assert (await parked(bench))[0] == "malformed"
    assert (await producer.ask(SEND))[1]["type"] == "accepted"
    assert len(bench.room.commands) == 1
    assert management.counters("history.shard.0")["published"] == 0


async def test_a_producer_that_is_gone_holds_nothing_up(bench, producer):
    await producer.tell(b"garbage", reply_to="no.such.queue")
    assert (await producer.ask(SEND))[1]["type"] == "accepted"


async def test_nothing_is_lost_while_the_gate_has_no_publishing_link(bench, producer):
    await bench.cut("publish")
    assert (await producer.ask(SEND))[1]["seq"] == 1


@pytest.fixture
def unreadable(monkeypatch):
    """Properties that the broker passes on and no client in Python reads: a text that is no UTF-8."""
    shortstr = encode.METHODS["shortstr"]
    monkeypatch.setitem(
        encode.METHODS, "shortstr", lambda text: b"\x01\xff" if text == "unreadable" else shortstr(text)
    )
    return "unreadable"


async def test_what_no_gate_can_read_is_parked_by_the_broker_and_costs_no_other_link(bench, producer, unreadable):
    told = bench.service.health.checks(time.monotonic())
    await producer.tell(SEND | {"command_id": "never"}, reply_to=None, correlation_id=unreadable)
    await producer.tell(SEND, reply_to=None)
    await eventually(lambda: bench.room.commands, 120, "the next one gets its turn")
    assert [command.command_id for command in bench.room.commands] == ["c1"]
    assert bench.service.health.checks(time.monotonic()) == told == dict.fromkeys(told, "ok")
    assert (await producer.ask(SEND | {"command_id": "c2"}))[1]["type"] == "accepted"
