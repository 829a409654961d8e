"""A room and the shards as operators see them, told by real room workers."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from clients.cli.failure import Failure
from clients.operator.inspection import inspect
from clients.operator.roll_call import call_roll, standing
from schemas import routes
from schemas.control import CONTROL, RollCall, WorkerHeartbeat
from services.runtime.broker import connect, declare_topology, open_channel
from tests.bed.waiting import eventually
from tests.integration.room.around import SHARDS, GateStandIn, HistoryStandIn, RoomProcess, Sender

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

SEEN_SECONDS = 40.0


@pytest.fixture
async def link(amqp_url):
    """A connection of the test itself; the topology is declared."""
    connection = await connect(amqp_url, "test", timeout_seconds=10)
    await declare_topology(await open_channel(connection, confirms=True), SHARDS)
    yield connection
    await connection.close()


@pytest.fixture
async def around(link, amqp_url):
    """A history, a sender, a gate, and `await start_worker()`."""
    async with AsyncExitStack() as stack:
        await HistoryStandIn(await open_channel(link, confirms=False)).start()
        sender = Sender(await open_channel(link, confirms=False))
        await sender.start()
        stack.push_async_callback(sender.stop)
        gate = GateStandIn("g1", await open_channel(link, confirms=True))
        await gate.start()
        stack.push_async_callback(gate.fall_silent)

        async def start_worker():
            worker = RoomProcess(amqp_url)
            await worker.start()
            stack.push_async_callback(worker.kill)
            return worker

        yield sender, gate, start_worker


async def test_a_room_is_shown_as_its_writer_holds_it(link, around):
    sender, gate, start_worker = around
    await start_worker()
    made = await sender.make_room()
    await gate.attach("general", c1="mia", c2="rita", c3="rita")
    seen = await inspect(link, "general")
    assert (seen.epoch, seen.seq, seen.title, seen.members) == (made.epoch, 1, "General", 3)
    assert [(each.gate, each.sessions) for each in seen.gates] == [("g1", 3)]
    assert seen.online == 2
    assert seen.fence >= 1


async def test_a_room_that_is_not_there_is_one_sentence(link, around):
    _, _, start_worker = around
    await start_worker()
    with pytest.raises(Failure, match=r"^nowhere: room not found$"):
        await inspect(link, "nowhere")


async def test_a_room_nobody_writes_is_one_sentence_in_time(link, monkeypatch):
    monkeypatch.setattr("clients.operator.inspection.ANSWER_SECONDS", 0.2)
    with pytest.raises(Failure, match="nobody answered for general"):
        await inspect(link, "general")


async def test_every_shard_is_accounted_for_by_its_worker(link, around):
    sender, _, start_worker = around
    await start_worker()
    rooms = {routes.shard_of(f"room-{number}", SHARDS): f"room-{number}" for number in range(20)}
    await asyncio.gather(*(sender.make_room(room) for room in rooms.values()))

    async def claimed():
        roll = await call_roll(link, SHARDS, 2.0)
        return None if roll.unclaimed(SHARDS) else roll

    roll = await eventually(claimed, SEEN_SECONDS)
    assert len({claim.worker for shard in range(SHARDS) for claim in roll.claims(shard)}) == 1
    assert [(line.shard, line.waiting, line.consumed) for line in await standing(link)] == [(0, 0, True), (1, 0, True)]


async def test_a_shard_nobody_claims_is_found_out_in_time(link):
    roll = await call_roll(link, SHARDS, 0.3)
    assert (roll.workers, roll.unclaimed(SHARDS)) == ([], [0, 1])
    assert [line.consumed for line in await standing(link)] == [False, False]


async def test_the_roll_is_called_and_ends_as_soon_as_everybody_has_answered(link):
    channel = await open_channel(link, confirms=False)
    await channel.queue_declare("worker", exclusive=True)
    await channel.queue_bind("worker", routes.CONTROL)

    async def answer(delivery):
        if isinstance(CONTROL.validate_json(delivery.body), RollCall):
            await channel.basic_publish(b"no control message", exchange=routes.CONTROL)
            heartbeat = WorkerHeartbeat(worker="w", interval_seconds=60, shards=(0, 1), ready=True)
            await channel.basic_publish(heartbeat.to_json(), exchange=routes.CONTROL)

    await channel.basic_consume("worker", answer, no_ack=True)
    async with asyncio.timeout(SEEN_SECONDS):
        roll = await call_roll(link, SHARDS, SEEN_SECONDS * 2)
    assert [claim.worker for claim in roll.claims(1)] == ["w"]
