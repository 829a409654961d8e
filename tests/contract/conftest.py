"""The store port's adapters, one after the other: every test of the contract runs over each."""

import pytest

from services.history.store_memory import MemoryStore
from services.history.store_mongo import MongoStore


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.store)])
async def history(request):
    """An empty store behind the port."""
    if request.param == "memory":
        made = MemoryStore()
    else:
        made = MongoStore(request.getfixturevalue("mongo_url"), timeout_seconds=10)
    await made.prepare()
    yield made
    await made.close()


@pytest.fixture
async def mongo(mongo_url):
    """An empty Mongo store, for tests that look behind the port."""
    made = MongoStore(mongo_url, timeout_seconds=10)
    await made.prepare()
    yield made
    await made.close()
