"""What the AMQP door does with one delivery when the broker does not play along."""

import json
from contextlib import nullcontext

import pytest
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError, DeliveryError
from pamqp import commands
from pamqp.header import ContentHeader

from schemas import routes
from services.gateway.doors import amqp
from services.gateway.doors.amqp import HELD_SECONDS, TRIES, Inbox
from services.gateway.metrics import Metrics
from services.gateway.settings import GatewaySettings
from services.runtime.broker import NotConfirmed

COMMAND = {"type": "send", "room": "r", "command_id": "c1", "text": "hi"}
ACKED, GIVEN_BACK, REJECTED = "acked", "given back", "rejected"


class Link:
    """Every channel the door knows. What is published meets one error after the other, then nothing; each takes
    `seconds` of the door's clock."""

    def __init__(self):
        self.errors = []
        self.published = []
        self.answers = []
        self.settled = []
        self.answering = None
        self.seconds = 0.0
        self.now = 0.0

    async def confirming_channel(self, _):
        return self

    async def publish(self, _channel, exchange, _key, body, _properties, *, timeout_seconds):
        assert timeout_seconds > 0
        self.published.append((exchange, body))
        self.now += self.seconds
        if self.errors:
            raise self.errors.pop(0)

    async def basic_publish(self, body, **_):
        if self.answering is not None:
            raise self.answering
        self.answers.append(json.loads(body))

    async def basic_ack(self, _, **__):
        self.settled.append(ACKED)

    async def basic_nack(self, _, *, requeue, wait):
        assert not wait
        self.settled.append(GIVEN_BACK if requeue else REJECTED)

    async def basic_reject(self, _, *, requeue, wait):
        await self.basic_nack(_, requeue=requeue, wait=wait)

    @property
    def retries(self):
        return [json.loads(body)["retry"] for exchange, body in self.published if exchange == routes.COMMANDS]


@pytest.fixture
def link(monkeypatch):
    link = Link()
    monkeypatch.setattr(amqp, "publish_patiently", link.publish)
    monkeypatch.setattr("services.runtime.settle.publish_patiently", link.publish)
    monkeypatch.setattr(amqp, "Patience", lambda *_: nullcontext())
    monkeypatch.setattr(amqp, "FULL_SECONDS", 0)
    monkeypatch.setattr(amqp.time, "monotonic", lambda: link.now)
    return link


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def take(link, metrics):
    """Have the door take one delivery: `await take(COMMAND, reply_to="q")`."""
    settings = GatewaySettings(amqp_url="amqp://x", jwt_secret="unit-tests-secret-0123456789abcdef", _env_file=None)
    inbox = Inbox(settings, link, metrics, None)

    async def take(body, *, redelivered=False, reply_to=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        deliver = commands.Basic.Deliver("c", 1, redelivered, routes.INBOX, "room.r.send")
        header = ContentHeader(properties=commands.Basic.Properties(user_id="ann", reply_to=reply_to))
        await inbox._take(link, DeliveredMessage(deliver, header, raw, link))

    return take


def not_confirmed(cause):
    error = NotConfirmed("chat.commands", "k", repr(cause))
    error.__cause__ = cause
    return error


def full():
    return not_confirmed(DeliveryError(None, commands.Basic.Nack()))


def lost():
    return not_confirmed(ChannelInvalidStateError("closed"))


def outcomes(metrics):
    samples = [sample for family in metrics.inbox.collect() for sample in family.samples]
    return {sample.labels["outcome"]: sample.value for sample in samples if sample.name.endswith("_total")}


async def test_a_first_try_is_forwarded_as_one_and_every_other_as_a_retry(link, take):
    await take(COMMAND)
    await take(COMMAND, redelivered=True)
    await take(COMMAND | {"retry": True})
    assert (link.retries, link.settled) == ([False, True, True], [ACKED] * 3)


async def test_what_may_have_been_sent_before_the_link_went_is_sent_as_a_retry(link, take):
    link.errors = [lost()]
    await take(COMMAND)
    assert (link.retries, link.settled) == ([False, True], [ACKED])


async def test_what_was_certainly_not_sent_is_no_retry(link, take):
    link.errors = [full(), TimeoutError()]
    await take(COMMAND)
    assert (link.retries, link.settled) == ([False] * 3, [ACKED])


async def test_who_wants_no_answer_waits_for_a_full_queue_however_often_it_says_no(link, take):
    link.errors = [full() for _ in range(300)]
    await take(COMMAND)
    assert (len(link.published), link.settled) == (301, [ACKED])


async def test_a_delivery_is_given_back_before_the_broker_loses_patience(link, metrics, take):
    link.errors, link.seconds = [full() for _ in range(300)], 60.0
    await take(COMMAND)
    assert link.settled == [GIVEN_BACK]
    assert link.now <= HELD_SECONDS + 60 < 1800
    assert outcomes(metrics) == {"given_back": 1}


async def test_a_command_that_no_queue_takes_goes_back_after_a_few_tries(link, take):
    link.errors = [lost() for _ in range(10)]
    with pytest.raises(NotConfirmed):
        await take(COMMAND)
    assert (len(link.published), link.settled) == (TRIES, [])


@pytest.mark.parametrize(("redelivered", "code"), [(False, "overloaded"), (True, "no_answer")])
async def test_what_the_producer_is_told_of_a_full_queue_is_what_is_counted(link, metrics, take, redelivered, code):
    link.errors = [full()]
    await take(COMMAND, redelivered=redelivered, reply_to="q")
    assert [(answer["code"], answer["command_id"]) for answer in link.answers] == [(code, "c1")]
    assert (link.settled, outcomes(metrics)) == ([ACKED], {code: 1})


@pytest.mark.parametrize("body", [COMMAND, b"garbage"])
async def test_a_producer_with_no_room_for_its_answer_holds_nothing_up(link, take, body):
    link.errors = [full()] if body is COMMAND else []
    link.answering = DeliveryError(None, commands.Basic.Nack())
    await take(body, reply_to="q")
    assert (len(link.published), link.settled) == (1, [ACKED])


async def test_what_cannot_be_parked_is_left_to_the_broker_to_park(link, take):
    link.errors = [lost()]
    await take(b"garbage", reply_to="q")
    assert ([answer["code"] for answer in link.answers], link.settled) == (["bad_frame"], [REJECTED])


@pytest.mark.parametrize("error", [RuntimeError, TimeoutError, KeyError])
async def test_a_delivery_that_breaks_the_reading_of_it_is_parked_at_once(link, metrics, take, monkeypatch, error):
    def broken(*_):
        raise error

    monkeypatch.setattr(amqp, "read_delivery", broken)
    await take(COMMAND)
    assert (link.published, link.settled, outcomes(metrics)) == ([], [REJECTED], {"broke": 1})


async def test_a_delivery_that_breaks_the_sending_of_it_is_parked_at_once(link, take):
    link.errors = [KeyError()]
    await take(COMMAND)
    assert (len(link.published), link.settled) == (1, [REJECTED])
