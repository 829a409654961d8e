"""What a shard that sheds promises: who is refused for good is never served afterwards."""

import asyncio
import contextlib

import pytest

from schemas.errors import Code
from services.room.shedding import Shedding
from tests.bed.waiting import eventually
from tests.unit.room.given import ROOM, command
from tests.unit.room.unplugged import QUEUE, SHARD, FakeChannel, FakeOutlet, around


class RefusingChannel(FakeChannel):
    """The log refuses the first proof; the second waits until `confirming` is set."""

    async def basic_publish(self, body, **where):
        if not self.published:
            self.confirming.clear()
            self.published.append(("", ""))
            raise RuntimeError("nack")
        await super().basic_publish(body, **where)


@pytest.fixture
async def channel():
    return RefusingChannel()


@pytest.fixture
def outlet(channel):
    return FakeOutlet(channel.written)


@contextlib.asynccontextmanager
async def shedding_on(channel, outlet, **overrides):
    """A shedding that consumes, and its task."""
    shedding = Shedding(SHARD, ROOM, channel, around(outlet, **overrides))
    run = asyncio.create_task(shedding.run(0.01))
    await eventually(lambda: QUEUE in channel.consumers)
    yield shedding, run
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run


@pytest.fixture
async def running(channel, outlet):
    async with shedding_on(channel, outlet) as running:
        yield running


async def test_a_command_is_acked_before_its_sender_hears_that_it_never_happens(channel, outlet, running):
    await channel.deliver(1, command("send", text="hi"))
    await eventually(lambda: outlet.sent)
    assert outlet.sent[0].answer.code is Code.OVERLOADED
    assert channel.written == ["ack", "effect"]


async def test_nobody_is_told_anything_when_the_ack_was_cut_off(channel, outlet, running):
    _, run = running
    channel.acking.clear()
    await channel.deliver(1, command("send", text="hi"))
    await eventually(channel.ack_begun.is_set)
    run.cancel()
    await eventually(run.done)
    assert channel.written == []


async def test_a_log_that_takes_again_ends_the_refusing_only_between_two_deliveries(channel, outlet, running):
    _, run = running
    channel.acking.clear()
    for tag in (1, 2):
        await channel.deliver(tag, command("send", text="hi", command_id=f"k{tag}"))
    await eventually(channel.ack_begun.is_set)
    channel.confirming.set()
    await eventually(lambda: len(channel.published) > 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not run.done()
    channel.acking.set()
    await eventually(run.done)
    assert run.result() is True
    assert channel.written == ["ack", "effect"]
    assert channel.acks == [(1, False)]


async def test_an_end_leaves_the_log_unproven(channel, outlet):
    async with shedding_on(channel, outlet, broker_timeout_seconds=0.1) as (shedding, run):
        shedding.end()
        await eventually(run.done)
        assert run.result() is False
