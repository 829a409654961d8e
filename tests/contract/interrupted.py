"""Mongo stores whose writes are watched: that break, or stand still, at one of them."""

import asyncio
from contextlib import asynccontextmanager

from pymongo.errors import AutoReconnect

from services.history.store_mongo import MongoStore

COLLECTIONS = ("events", "rooms", "members", "invites", "reactions", "fences")
WRITES = frozenset({"insert_many", "insert_one", "update_one", "update_many", "bulk_write", "delete_many"})


class Watched:
    """A collection whose writes go through `on_write`; everything else is the real one's."""

    def __init__(self, collection, on_write):
        self._collection = collection
        self._on_write = on_write

    def __getattr__(self, name):
        real = getattr(self._collection, name)
        if name not in WRITES:
            return real

        async def write(*arguments, **options):
            async with self._on_write():
                return await real(*arguments, **options)

        return write


def watched_store(mongo_url, on_write):
    store = MongoStore(mongo_url, timeout_seconds=10)
    for name in COLLECTIONS:
        setattr(store.database, name, Watched(getattr(store.database, name), on_write))
    return store


def failing_store(mongo_url, number, moment):
    """Its connection breaks `moment` the write of this number, and at all after that."""
    writes = 0

    @asynccontextmanager
    async def on_write():
        nonlocal writes
        writes += 1
        if writes > number or (writes == number and moment == "before"):
            raise AutoReconnect("planned")
        yield
        if writes == number:
            raise AutoReconnect("planned")

    return watched_store(mongo_url, on_write)


def paused_store(mongo_url, number):
    """It stands still before the write of this number, until `go` is set; `there` says that it does."""
    there, go, writes = asyncio.Event(), asyncio.Event(), 0

    @asynccontextmanager
    async def on_write():
        nonlocal writes
        writes += 1
        if writes == number:
            there.set()
            await asyncio.wait_for(go.wait(), 30)
        yield

    return watched_store(mongo_url, on_write), there, go
