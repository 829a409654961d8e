"""What docs/amqp.md grants an operator is enough for an operator's commands, and replaying wants its own row."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pamqp import commands

from clients.operator.inspection import inspect
from clients.operator.parked_queue import Taken, drop, look, replay
from clients.operator.roll_call import call_roll, standing
from schemas import routes
from schemas.errors import ParkReason
from schemas.parked import parked_headers
from services.runtime.broker import connect, declare_topology, open_channel
from tests.bed.waiting import eventually
from tests.integration.room.around import SHARDS, HistoryStandIn, RoomProcess, Sender

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

TABLE = Path(__file__).parents[2] / "docs" / "amqp.md"
OPERATOR = "| is an operator's"
REPLAYER = "| replays besides"
SEEN_SECONDS = 40.0


def granted(*rows):
    """What rows of the table of permissions grant together: configure, write, read, and the writable keys by topic."""
    cells = [_cells(row) for row in rows]
    plain = ["|".join(patterns) for patterns in zip(*(each[1:4] for each in cells), strict=True)]
    topics = {}
    for *_, topic in cells:
        exchanges, pattern = topic.split(", write ")
        for exchange in exchanges.split(" and "):
            topics.setdefault(exchange, []).append(pattern)
    return plain, {exchange: "|".join(patterns) for exchange, patterns in topics.items()}


def _cells(row):
    [line] = [line for line in TABLE.read_text().splitlines() if line.startswith(row)]
    cells = line.replace(r"\|", "\0").strip("|").split("|")
    return [cell.strip().replace("`", "").replace("\0", "|") for cell in cells]


@pytest.fixture
async def link(amqp_url):
    """A connection that may do everything; the topology is declared."""
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    await declare_topology(await open_channel(connection, confirms=True), SHARDS)
    yield connection
    await connection.close()


@pytest.fixture
async def log_in(management, amqp_url):
    """`await log_in(OPERATOR)`: a connection of a login with exactly what these rows grant."""
    async with AsyncExitStack() as stack:

        async def logged_in(*rows):
            name = f"{management.vhost}-operator"
            management.create_user(name, "secret")
            plain, topics = granted(*rows)
            management.set_permissions(name, *plain)
            for exchange, pattern in topics.items():
                management.set_topic_permissions(name, exchange, write=pattern, read="^$")
            address = urlsplit(amqp_url)
            own = address._replace(netloc=f"{name}:secret@{address.hostname}:{address.port}").geturl()
            connection = await connect(own, "operator", timeout_seconds=10)
            stack.push_async_callback(connection.close)
            return connection

        yield logged_in


@pytest.fixture
async def park_one(link):
    """`await park_one(routes.LOG)`: something lies in `chat.parked` that came through that exchange."""
    channel = await open_channel(link, confirms=True)

    async def parked(exchange):
        properties = commands.Basic.Properties(
            headers=parked_headers(ParkReason.POISON, "it broke", exchange), delivery_mode=2
        )
        key = routes.command_key("general", "send")
        await channel.basic_publish(b"{}", exchange=routes.PARKED, routing_key=key, properties=properties)

    return parked


async def ids(connection):
    found = []
    await look(connection, found.append)
    return Counter(parked.id for parked in found)


async def test_an_operator_sees_rooms_and_shards(link, log_in, amqp_url):
    async with AsyncExitStack() as stack:
        await HistoryStandIn(await open_channel(link, confirms=False)).start()
        sender = Sender(await open_channel(link, confirms=False))
        await sender.start()
        stack.push_async_callback(sender.stop)
        worker = RoomProcess(amqp_url)
        await worker.start()
        stack.push_async_callback(worker.kill)
        await sender.make_room()
        operator = await log_in(OPERATOR)
        assert (await inspect(operator, "general")).seq == 1
        assert [line.shard for line in await standing(operator)] == list(range(SHARDS))

        async def heard():
            return (await call_roll(operator, SHARDS, 2.0)).workers

        assert len(await eventually(heard, SEEN_SECONDS)) == 1


async def test_an_operator_looks_at_what_is_parked_and_drops_it_but_replays_nothing(log_in, park_one):
    await park_one(routes.COMMANDS)
    await park_one(routes.LOG)
    operator = await log_in(OPERATOR)
    both = await ids(operator)
    taken = await replay(operator, both)
    assert (taken.gone, len(taken.stayed)) == (0, 2)
    assert all("ACCESS_REFUSED" in problem for _, problem in taken.stayed)
    assert await drop(operator, both) == Taken(2)


async def test_who_is_granted_the_row_of_replaying_replays(link, log_in, park_one):
    await park_one(routes.COMMANDS)
    await park_one(routes.LOG)
    operator = await log_in(OPERATOR, REPLAYER)
    assert await replay(operator, await ids(operator)) == Taken(2)
    channel = await open_channel(link, confirms=True, prefetch=1)
    for queue in (routes.room_queue(0), routes.history_queue(0)):
        arrived = asyncio.Queue()
        await channel.basic_consume(queue, arrived.put)
        await asyncio.wait_for(arrived.get(), SEEN_SECONDS)
