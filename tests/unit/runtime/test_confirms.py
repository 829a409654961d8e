"""Publishes without a wait: their order, their confirms, and what ends the one who watches them."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from pamqp import commands

from services.runtime.broker import NotConfirmed
from services.runtime.confirms import Publisher
from services.runtime.frames import Envelope
from tests.bed.waiting import eventually
from tests.unit.room.unplugged import publishes_in
from tests.unit.runtime.test_patience import DriverStandIn

PLAIN = Envelope.of(commands.Basic.Properties(delivery_mode=2))
SOON = 0.08


class ChannelStandIn:
    """A confirming channel: what is written to its connection stands in `written`, a write each."""

    def __init__(self):
        self.connection = DriverStandIn()
        self.number, self.max_content_size, self.delivery_tag = 1, 1000, 0
        self.confirmations, self.message_id_delivery_tag = {}, {}
        self.lock = asyncio.Lock()
        self.written = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.write_queue = SimpleNamespace(put=self._put)

    async def _put(self, frames):
        await self.taking.wait()
        self.written.append(publishes_in(frames.payload))

    def confirm(self, number, error=None):
        confirm = self.confirmations.pop(number)
        assert not confirm.done()
        assert not confirm.cancelled()
        confirm.set_result(None) if error is None else confirm.set_exception(error)


class Bench:
    """A publisher that runs, and what it told."""

    def __init__(self, timeout_seconds=30.0):
        self.channel = ChannelStandIn()
        self.publisher = Publisher(self.channel, timeout_seconds=timeout_seconds)
        self.ended = []
        self.writing = asyncio.create_task(self.publisher.write())
        self.watching = asyncio.create_task(self.publisher.watch())

    def put(self, key):
        self.publisher.put("log", key, b"body", PLAIN, lambda error: self.ended.append((key, error)))

    def keys(self):
        return [[key for _, key in write] for write in self.channel.written]


@contextlib.asynccontextmanager
async def bench(timeout_seconds=30.0):
    made = Bench(timeout_seconds)
    try:
        yield made
    finally:
        for task in (made.writing, made.watching):
            task.cancel()
        await asyncio.gather(made.writing, made.watching, return_exceptions=True)


async def test_all_that_is_put_at_once_is_one_write_in_order():
    async with bench() as made:
        for key in ("a", "b", "c"):
            made.put(key)
        await eventually(lambda: made.channel.written)
        assert made.keys() == [["a", "b", "c"]]
        assert made.channel.delivery_tag == 3


async def test_what_is_put_during_a_write_is_written_behind_it():
    async with bench() as made:
        made.channel.taking.clear()
        made.put("a")
        await eventually(lambda: made.channel.confirmations)
        made.put("b")
        asking = asyncio.create_task(made.publisher.publish("log", "c", b"", PLAIN))
        await asyncio.sleep(0)
        made.channel.taking.set()
        await eventually(lambda: len(made.channel.written) == 2)
        assert made.keys() == [["a"], ["b", "c"]]
        made.channel.confirm(3)
        await asking


async def test_each_end_is_told_once_and_leaves_nothing_behind():
    async with bench() as made:
        made.put("a")
        made.put("b")
        await eventually(lambda: made.channel.written)
        made.channel.confirm(2)
        made.channel.confirm(1)
        assert made.ended == [("b", None), ("a", None)]
        assert made.channel.message_id_delivery_tag == {}
        assert not made.watching.done()


async def test_a_publish_that_is_refused_ends_the_watch_and_who_waits_for_it():
    async with bench() as made:
        asking = asyncio.create_task(made.publisher.publish("log", "a", b"", PLAIN))
        await eventually(lambda: made.channel.written)
        made.channel.confirm(1, ConnectionError("nack"))
        with pytest.raises(NotConfirmed, match=r"log a: .*nack"):
            await asyncio.wait_for(made.watching, 5)
        with pytest.raises(NotConfirmed):
            await asking


async def test_who_waits_no_longer_is_not_told():
    async with bench() as made:
        asking = asyncio.create_task(made.publisher.publish("log", "a", b"", PLAIN))
        await eventually(lambda: made.channel.written)
        asking.cancel()
        await asyncio.wait([asking])
        made.channel.confirm(1)
        assert not made.watching.done()


async def test_a_confirm_that_is_late_ends_the_watch():
    async with bench(SOON) as made:
        began = asyncio.get_running_loop().time()
        made.put("a")
        with pytest.raises(NotConfirmed, match="no confirm in time"):
            await asyncio.wait_for(made.watching, 5)
        assert asyncio.get_running_loop().time() - began >= SOON


async def test_confirms_in_time_keep_the_watch_going():
    async with bench(SOON) as made:
        began = asyncio.get_running_loop().time()
        number = 0
        while asyncio.get_running_loop().time() - began < 4 * SOON:
            made.put("a")
            number += 1
            await eventually(lambda wanted=number: wanted in made.channel.confirmations)
            made.channel.confirm(number)
        assert not made.watching.done()


async def test_time_under_an_alarm_does_not_count():
    async with bench(SOON) as made:
        made.channel.connection.unblocked.clear()
        made.put("a")
        await asyncio.wait([made.watching], timeout=5 * SOON)
        assert not made.watching.done()
        made.channel.connection.unblocked.set()
        with pytest.raises(NotConfirmed):
            await asyncio.wait_for(made.watching, 5)


async def test_a_channel_that_is_closed_ends_the_writing():
    async with bench() as made:
        made.channel.write_queue.put = None
        made.put("a")
        with pytest.raises(NotConfirmed):
            await asyncio.wait_for(made.writing, 5)
