"""Waits for the broker to which an alarm does not count, and how an alarm is noticed."""

import asyncio

import pytest

from services.runtime.broker import Patience, is_blocked, with_heartbeat

SOON = 0.08


class DriverStandIn:
    """A connection of the driver, as far as it is looked at: `ready` waits while it is blocked."""

    def __init__(self):
        self.unblocked = asyncio.Event()
        self.unblocked.set()

    async def ready(self):
        await self.unblocked.wait()


class ChannelStandIn:
    def __init__(self):
        self.connection = DriverStandIn()


async def test_a_connection_is_blocked_from_the_word_until_its_end():
    connection = DriverStandIn()
    assert not is_blocked(connection)
    connection.unblocked.clear()
    assert is_blocked(connection)
    assert is_blocked(connection)
    connection.unblocked.set()
    assert not is_blocked(connection)


async def test_patience_ends_as_a_time_out():
    with pytest.raises(TimeoutError):
        async with Patience(ChannelStandIn(), SOON):
            await asyncio.Event().wait()


async def test_patience_with_what_ends_in_time_is_nothing():
    async with Patience(ChannelStandIn(), SOON):
        await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0


async def test_time_under_an_alarm_does_not_count():
    channel = ChannelStandIn()
    channel.connection.unblocked.clear()
    began = asyncio.get_running_loop().time()
    asyncio.get_running_loop().call_later(5 * SOON, channel.connection.unblocked.set)
    with pytest.raises(TimeoutError):
        async with Patience(channel, SOON):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() - began >= 5.5 * SOON


async def test_time_before_an_alarm_counts():
    channel = ChannelStandIn()
    loop = asyncio.get_running_loop()
    loop.call_later(3 * SOON / 4, channel.connection.unblocked.clear)
    loop.call_later(5 * SOON, channel.connection.unblocked.set)
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with Patience(channel, SOON):
            await asyncio.Event().wait()
    assert loop.time() - began >= 5 * SOON


async def test_being_cancelled_under_patience_is_being_cancelled():
    async def wait():
        async with Patience(ChannelStandIn(), 30):
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    asyncio.get_running_loop().call_later(0.02, waiting.cancel)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 10)


@pytest.mark.parametrize(
    ("url", "heartbeat"), [("amqp://host/vhost", "10"), ("amqp://host/vhost?heartbeat=2", "2"), ("amqps://host", "10")]
)
def test_a_url_may_name_its_own_heartbeat(url, heartbeat):
    assert with_heartbeat(url).query["heartbeat"] == heartbeat
