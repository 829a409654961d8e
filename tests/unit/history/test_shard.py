"""A shard's place in line ends with its connection, whatever the driver makes of a cancellation."""

import asyncio
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from services.history.metrics import HistoryMetrics
from services.history.settings import HistorySettings
from services.history.shard import HistoryShard
from services.history.store_memory import MemoryStore
from tests.bed.waiting import eventually


class Driver:
    """Of a connection that is lost: who waits for a channel hears an error of the driver in place of a cancellation."""

    def __init__(self):
        self.asked = 0

    async def channel(self, **_):
        self.asked += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("the connection is closed") from None


@pytest.fixture
def shard():
    settings = HistorySettings(amqp_url="amqp://nowhere/", mongo_url="mongodb://nowhere/test")
    return HistoryShard(0, MemoryStore(), HistoryMetrics(CollectorRegistry()), settings, asyncio.Event())


async def test_it_ends_when_it_is_cancelled_although_the_driver_raises_another_error(shard):
    driver = Driver()
    running = asyncio.create_task(shard.run(SimpleNamespace(transport=SimpleNamespace(connection=driver)), None))
    await eventually(lambda: driver.asked == 1)
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()
    assert driver.asked == 1
