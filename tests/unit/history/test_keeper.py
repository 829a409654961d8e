"""Keeping rooms to their `retention_days`, over the store in memory."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.history import keeper as keeper_module
from services.history.keeper import Keeper
from services.history.metrics import HistoryMetrics
from services.history.pages import Window
from services.history.store import StoreUnavailable
from services.history.store_memory import MemoryStore
from tests.bed.waiting import eventually
from tests.contract.chronicle import BEGAN, Chronicle


@pytest.fixture
def metrics():
    return HistoryMetrics(CollectorRegistry())


def a_talk(room, days):
    story = Chronicle(room)
    story.created(retention_days=days)
    story.chat(5)
    return story.log


async def full(store, room):
    events = await store.page(await store.room(room), Window(0, 100, 100))
    return sum(event.event == "message_posted" and event.text is not None for event in events)


def a_keeper(store, metrics, stopping=None):
    return Keeper(store, metrics, stopping or asyncio.Event(), every_seconds=0.01)


async def test_every_room_is_emptied_by_its_own_days_however_many_there_are(metrics, monkeypatch):
    monkeypatch.setattr(keeper_module, "ROOMS_AT_ONCE", 2)
    monkeypatch.setattr(keeper_module, "EVENTS_AT_ONCE", 2)
    store = MemoryStore()
    for number, days in enumerate((1, 10, None, 1, 1)):
        await store.append(a_talk(f"room-{number}", days))
    await a_keeper(store, metrics).empty_rooms(BEGAN + timedelta(days=2))
    assert [await full(store, f"room-{number}") for number in range(5)] == [0, 5, 5, 0, 0]
    assert metrics.messages_emptied._value.get() == 15
    await a_keeper(store, metrics).empty_rooms(BEGAN + timedelta(days=20))
    assert [await full(store, f"room-{number}") for number in range(5)] == [0, 0, 5, 0, 0]


class FaultyStore(MemoryStore):
    """Breaks the first times, in one way and then in another."""

    def __init__(self):
        super().__init__()
        self.faults = [StoreUnavailable("planned"), RuntimeError("planned")]

    async def rooms_to_empty(self, after, limit):
        if self.faults:
            raise self.faults.pop(0)
        return await super().rooms_to_empty(after, limit)


async def test_a_store_that_breaks_is_tried_again_until_the_process_stops(metrics):
    store, stopping = FaultyStore(), asyncio.Event()
    await store.append(a_talk("general", 1))
    running = asyncio.create_task(a_keeper(store, metrics, stopping).run())
    await eventually(lambda: metrics.messages_emptied._value.get() == 5, 10)
    assert metrics.store_failures._value.get() == 1
    stopping.set()
    await asyncio.wait_for(running, 10)


async def test_a_keeper_stops_between_two_steps(metrics):
    store, stopping = MemoryStore(), asyncio.Event()
    await store.append(a_talk("general", 1))
    stopping.set()
    await a_keeper(store, metrics, stopping).empty_rooms(BEGAN + timedelta(days=2))
    assert await full(store, "general") == 5
