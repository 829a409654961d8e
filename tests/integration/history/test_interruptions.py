"""What happens to the log when the broker's connection, the store or the worker goes in the middle of it."""

import asyncio

import pytest

from schemas import routes
from tests.bed.waiting import eventually
from tests.contract.chronicle import Chronicle

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.timeout(180)]

EVENTS = 600


async def rooms_in_traffic(log_side, rooms, count):
    """Log `count` events a room, rooms side by side, a few at a time so that the log lasts a while."""
    stories = [Chronicle(f"room-{number}") for number in range(rooms)]

    async def tell(story):
        await log_side.log([story.created()])
        while story.seq < count:
            await log_side.log(story.chat(min(20, count - story.seq)))

    await asyncio.gather(*map(tell, stories))


async def all_there(stored, rooms, count):
    for number in range(rooms):
        await eventually(lambda room=f"room-{number}": stored(room) == list(range(1, count + 1)), 90)


async def test_i1_i2_i3_a_killed_connection_in_mid_batch_loses_nothing_and_doubles_nothing(
    start_history, log_side, stored, management
):
    await start_history(history_batch=50)
    await eventually(lambda: len(history_connections(management)) >= 2, 30, "the broker lists history's connections")
    traffic = asyncio.create_task(rooms_in_traffic(log_side, 4, EVENTS))
    await eventually(lambda: len(stored("room-0")) >= 100, 60)
    for name in history_connections(management):
        management.close_connection(name)
    assert len(stored("room-0")) < EVENTS
    await traffic
    await all_there(stored, 4, EVENTS)
    assert management.counters("chat.parked")["left"] == 0

    await eventually(lambda: redelivered(management) > 0, 30, "the connection was closed with something in hand")


def redelivered(management):
    return sum(management.counters(routes.history_queue(shard))["redelivered"] for shard in range(2))


def history_connections(management):
    named = {each["name"]: each.get("client_properties", {}) for each in management.connections()}
    return [name for name, client in named.items() if client.get("connection_name", "").startswith("history-")]


async def test_i1_i2_i3_a_killed_and_restarted_store_holds_everything_once(
    start_history, log_side, stored, store, management
):
    await start_history(history_batch=50)
    traffic = asyncio.create_task(rooms_in_traffic(log_side, 4, EVENTS))
    await eventually(lambda: len(stored("room-0")) >= 100, 60)
    seen = len(stored("room-0"))
    await asyncio.to_thread(store.kill)
    assert seen < EVENTS
    await traffic
    await asyncio.to_thread(store.start)
    await all_there(stored, 4, EVENTS)
    assert management.counters("chat.parked")["left"] == 0


async def test_while_the_store_is_away_questions_wait_and_are_answered_when_it_is_back(start_history, log_side, store):
    story = Chronicle()
    await start_history()
    await log_side.log([story.created()])
    assert (await log_side.snapshot("general")).state.seq == 1
    await asyncio.to_thread(store.kill)
    await log_side.log([story.said()._replace(fence=2)])
    asked = asyncio.create_task(log_side.snapshot("general"))
    await asyncio.to_thread(store.start)
    snapshot = await asked
    assert (snapshot.state.seq, snapshot.fence) == (2, 3)


async def test_i1_a_stopped_worker_hands_over_to_the_next(start_history, log_side, stored):
    first = await start_history(history_batch=20)
    traffic = asyncio.create_task(rooms_in_traffic(log_side, 2, EVENTS))
    await eventually(lambda: len(stored("room-0")) >= 50, 60)
    await start_history()
    await first.stop()
    await traffic
    await all_there(stored, 2, EVENTS)


async def test_a_stop_is_bounded_while_the_store_is_away(start_history, log_side, store):
    story = Chronicle()
    worker = await start_history(drain_seconds=2)
    await log_side.log([story.created()])
    assert (await log_side.snapshot("general")).state.seq == 1
    await asyncio.to_thread(store.kill)
    await log_side.log([story.said()])
    await worker.stop()
