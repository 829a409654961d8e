"""History as a whole worker on a real broker and store, and a room's side of the log to write and ask with."""

import asyncio
from contextlib import AsyncExitStack

import pymongo
import pytest
from pamqp import commands

from schemas import routes
from schemas.events import encode_logged
from schemas.queries import QUERY_ANSWER, HoleQuery, LookupQuery, SnapshotQuery
from services.history.app import serve
from services.history.settings import HistorySettings
from services.runtime.broker import connect, declare_topology, open_channel, publish_confirmed
from services.runtime.rpc import Rpc

SHARDS = 2
WITHIN_SECONDS = 30


class LogSide:
    """What room workers and gates do with the log, and anyone with reads."""

    def __init__(self, channel, rpc):
        self._channel = channel
        self._rpc = rpc

    async def log(self, logged):
        """Publish entries in their order; return when all are confirmed."""
        await asyncio.gather(*(self._log(each) for each in logged))

    async def _log(self, logged):
        entry = logged.entry
        name = entry.event if entry.type == "event" else entry.record
        await self.publish(routes.log_key(entry.room, name), encode_logged(entry.to_json(), logged.fence))

    async def publish(self, key, body, *, exchange=routes.LOG, **properties):
        made = commands.Basic.Properties(delivery_mode=2, **properties)
        await publish_confirmed(self._channel, exchange, key, body, made, timeout_seconds=WITHIN_SECONDS)

    async def snapshot(self, room):
        return (await self.barrier(SnapshotQuery(room=room, worker="test"))).snapshot

    async def lookup(self, room, actor, command_id):
        return (await self.barrier(LookupQuery(room=room, actor=actor, command_id=command_id))).answer

    async def hole(self, room, after, limit=200):
        return await self.barrier(HoleQuery(room=room, after=after, limit=limit))

    async def barrier(self, query):
        return await self._call(routes.LOG, routes.query_key(query.room), query.to_json())

    async def ask(self, query):
        return await self.ask_raw(query.to_json())

    async def ask_raw(self, body):
        return await self._call(routes.QUERIES, routes.HISTORY_KEY, body)

    async def _call(self, exchange, key, body):
        answer = await self._rpc.call(exchange, key, body, timeout_seconds=WITHIN_SECONDS)
        return QUERY_ANSWER.validate_json(answer)


@pytest.fixture
async def log_side(amqp_url):
    """The room's side; the topology is declared."""
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True)
    await declare_topology(channel, SHARDS)
    rpc = Rpc(await open_channel(connection, confirms=False), in_flight_limit=2_000)
    await rpc.open()
    yield LogSide(channel, rpc)
    await rpc.close()
    await connection.close()


class Worker:
    """A history worker inside this process."""

    def __init__(self, settings):
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(serve(settings, self._stopping))

    async def stop(self):
        self._stopping.set()
        await asyncio.wait_for(self._task, WITHIN_SECONDS)


@pytest.fixture
async def start_history(amqp_url, mongo_url, log_side):
    """`worker = await start_history(history_batch=10)`: started, not waited for."""

    async def start(**settings):
        made = HistorySettings(
            **{"amqp_url": amqp_url, "mongo_url": mongo_url, "shards": SHARDS, "ops_port": 0}
            | {"store_timeout_seconds": 3, "heartbeat_seconds": 1}
            | settings
        )
        worker = Worker(made)
        workers.push_async_callback(worker.stop)
        return worker

    async with AsyncExitStack() as workers:
        yield start


@pytest.fixture
def stored(mongo_url):
    """`stored("general")`: the seqs in the store's own collection, ascending as they are kept."""
    with pymongo.MongoClient(mongo_url, serverSelectionTimeoutMS=2000) as client:
        events = client.get_default_database()["events"]
        yield lambda room="general": sorted(event["seq"] for event in events.find({"room": room}, {"seq": 1}))
