"""A room worker of this test's own virtual host, with all that surrounds it: senders, gates, and a history."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.room.app import serve
from services.room.settings import RoomSettings
from services.runtime.broker import connect, declare_topology, open_channel
from tests.integration.room.around import (
    HEARTBEAT_SECONDS,
    SHARDS,
    GateStandIn,
    HistoryStandIn,
    Roll,
    RoomProcess,
    Sender,
)


@pytest.fixture
def shards():
    """How many there are in the test; a module of tests may want more."""
    return SHARDS


@pytest.fixture
async def link(amqp_url, shards):
    """A connection of the test itself; the topology is declared."""
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True)
    await declare_topology(channel, shards)
    yield connection
    await connection.close()


@pytest.fixture
async def history(link, shards):
    """Reads the real log and answers barrier queries from it."""
    made = HistoryStandIn(await open_channel(link, confirms=False), shards)
    await made.start()
    return made


@pytest.fixture
async def sender(link):
    """Publishes commands and waits for the answers."""
    made = Sender(await open_channel(link, confirms=False))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def roll(link):
    """What the room workers say they do."""
    made = Roll(await open_channel(link, confirms=False))
    await made.start()
    return made


@pytest.fixture
async def open_gate(link):
    """`await open_gate("g1")`: a gate's private queue, everything kept that arrives."""

    async with AsyncExitStack() as stack:

        async def start(name):
            gate = GateStandIn(name, await open_channel(link, confirms=True))
            await gate.start()
            stack.push_async_callback(gate.fall_silent)
            return gate

        yield start


@pytest.fixture
async def start_worker(amqp_url, shards):
    """`stop = await start_worker()`: a whole room service in this process; `stop` drains it."""
    async with AsyncExitStack() as stack:

        async def start(**settings):
            stopping = asyncio.Event()
            wanted = {
                "amqp_url": amqp_url,
                "shards": shards,
                "ops_port": 0,
                "heartbeat_seconds": HEARTBEAT_SECONDS,
                **settings,
            }
            running = asyncio.create_task(serve(RoomSettings(**wanted), stopping))

            async def stop():
                stopping.set()
                await asyncio.wait_for(running, 30)

            stack.push_async_callback(stop)
            return stop

        yield start


@pytest.fixture
async def worker(start_worker, history):
    """One worker, with history there."""
    return await start_worker()


@pytest.fixture
async def start_process(amqp_url, shards):
    """`process = await start_process()`: a room worker that can be killed; settings by the names of their variables."""
    async with AsyncExitStack() as stack:

        async def start(url=None, **environment):
            process = RoomProcess(url or amqp_url, shards, **environment)
            await process.start()
            stack.push_async_callback(process.kill)
            return process

        yield start
