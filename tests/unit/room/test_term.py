"""How a term ends: what it took up is told and acked, whatever it was in the middle of."""

import asyncio
import contextlib

import pytest

from schemas import routes
from services.room.recent import Recent
from services.room.rooms import HeldRoom
from services.room.term import Term
from tests.bed.waiting import eventually
from tests.unit.room.given import ROOM, command, room
from tests.unit.room.unplugged import QUEUE, SHARD, FakeChannel, FakeOutlet, around

LOOP_TURNS = 50
"""More than anything without a broker takes to go on, where it can."""


@pytest.fixture
async def channel():
    return FakeChannel()


@pytest.fixture
def outlet():
    return FakeOutlet()


@pytest.fixture
async def running(channel, outlet):
    """A term that consumes, with the room in memory, and its task."""
    term = Term(SHARD, channel, around(outlet))
    term._hall.rooms.put(ROOM, HeldRoom(room(), 1, Recent()))
    run = asyncio.create_task(term.run())
    await eventually(lambda: QUEUE in channel.consumers)
    yield term, run
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run


async def turn():
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)


def say(text, number):
    return command("send", text=text, command_id=f"k{number}")


async def test_a_drain_in_mid_send_ends_when_all_is_sent_and_acked(channel, outlet, running):
    term, run = running
    outlet.sending.clear()
    for tag in (1, 2, 3):
        await channel.deliver(tag, say("hi", tag))
    await eventually(outlet.begun.is_set)
    term.drain()
    await turn()
    assert not run.done()
    outlet.sending.set()
    await eventually(run.done)
    assert len(outlet.sent) == 3
    assert channel.acks == [(3, True)]


async def test_a_drain_in_mid_ack_ends_when_all_are_written(channel, outlet, running):
    term, run = running
    channel.acking.clear()
    await channel.deliver(1, say("hi", 1))
    await eventually(channel.ack_begun.is_set)
    term.drain()
    await turn()
    assert not run.done()
    channel.acking.set()
    await eventually(run.done)
    assert channel.acks == [(1, False)]


async def test_a_drain_while_a_delivery_is_parked_ends_when_it_is_and_acked(channel, outlet, running):
    term, run = running
    channel.confirming.clear()
    await channel.deliver(1, say("hi", 1), body=b"garbage")
    await eventually(lambda: channel.published)
    term.drain()
    await turn()
    assert not run.done()
    channel.confirming.set()
    await eventually(run.done)
    assert [exchange for exchange, _ in channel.published] == [routes.PARKED]
    assert channel.acks == [(1, False)]
    assert len(outlet.sent) == 1


async def test_a_drain_with_nothing_in_progress_ends_at_once(running):
    term, run = running
    term.drain()
    await eventually(run.done)
    assert run.exception() is None
