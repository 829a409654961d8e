"""The control plane on a real broker: everyone hears everyone, garbage hurts nobody, a late broker is waited for."""

import asyncio

import pytest

from schemas import routes
from schemas.control import GateGone, GateHeartbeat
from services.runtime.broker import connect, open_channel
from services.runtime.control import ControlPlane

pytestmark = pytest.mark.broker


async def deaf(_):
    """Hears nothing."""


class Listener:
    def __init__(self, url, name):
        self.heard = asyncio.Queue()
        self.plane = ControlPlane(url, name, self.heard.put, timeout_seconds=10)

    async def next(self):
        return await asyncio.wait_for(self.heard.get(), 20)


@pytest.fixture
async def pair(amqp_url):
    pair = [Listener(amqp_url, "one"), Listener(amqp_url, "two")]
    for listener in pair:
        await listener.plane.start(asyncio.Event())
    yield pair
    for listener in pair:
        await listener.plane.stop()


async def test_what_one_tells_everyone_hears(pair):
    one, two = pair
    assert await one.plane.tell(GateHeartbeat(gate="g1", interval_seconds=5))
    assert await one.next() == await two.next() == GateHeartbeat(gate="g1", interval_seconds=5)


async def test_garbage_is_passed_over_and_the_next_word_is_heard(pair, amqp_url):
    one, two = pair
    connection = await connect(amqp_url, "vandal", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True)
    for body in (b"", b"\xff", b"[]", b'{"type":"gate_gone"}', b'{"type":"what"}'):
        await channel.basic_publish(body, exchange=routes.CONTROL)
    await connection.close()
    await two.plane.tell(GateGone(gate="g2"))
    assert await one.next() == GateGone(gate="g2")


async def test_telling_without_a_broker_is_a_plain_no():
    plane = ControlPlane("amqp://127.0.0.1:9/", "alone", deaf, timeout_seconds=1)
    assert not await plane.tell(GateGone(gate="g1"))


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Exception("EOF"), ConnectionError("gone")])
async def test_a_connection_that_dies_under_a_word_is_a_plain_no_and_ends_nobody(monkeypatch, error):
    plane = ControlPlane("amqp://127.0.0.1:9/", "alone", deaf, timeout_seconds=1)

    async def dies(*_, **__):
        raise error

    monkeypatch.setattr(plane.broker, "publish", dies)
    assert not await plane.tell(GateGone(gate="g1"))


async def test_being_cancelled_while_telling_is_being_cancelled(monkeypatch):
    plane = ControlPlane("amqp://127.0.0.1:9/", "alone", deaf, timeout_seconds=30)

    async def hangs(*_, **__):
        await asyncio.Event().wait()

    monkeypatch.setattr(plane.broker, "publish", hangs)
    telling = asyncio.create_task(plane.tell(GateGone(gate="g1")))
    asyncio.get_running_loop().call_later(0.05, telling.cancel)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(telling, 10)


async def test_starting_without_a_broker_ends_when_the_process_stops():
    plane = ControlPlane("amqp://127.0.0.1:9/", "alone", deaf, timeout_seconds=1)
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stopping.set)
    await asyncio.wait_for(plane.start(stopping), 20)
