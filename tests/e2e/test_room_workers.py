"""Several room workers: one writer for each room, whoever comes, goes or dies (I1-I4, design §5)."""

import asyncio
import re
import signal

import httpx
import pytest

from tests.bed.waiting import eventually
from tests.e2e.traffic import Traffic

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack, pytest.mark.timeout(300)]

SHARDS = 8
ROOMS = tuple(f"shared-{number}" for number in range(16))
FAST = {
    "GATEHOUSE_COMMAND_RATE": "1000",
    "GATEHOUSE_COMMAND_BURST": "1000",
    "GATEHOUSE_HEARTBEAT_SECONDS": "2",
    "GATEHOUSE_BALANCE_SECONDS": "0.5",
}
"""Whoever fell silent is missed after three heartbeats: the shards of the dead are shared out soon after."""
ACTIVE = re.compile(r"^room_shards_active (\d+)", re.MULTILINE)


@pytest.fixture
async def begin(start_stack):
    """Starts a stack with so many room workers, and traffic in it once the shards are shared out."""
    begun = []

    async def begin(workers):
        stack = await start_stack(gates=2, rooms=workers, environment=FAST)
        begun.append(await Traffic.begin(stack, ROOMS, senders=4))
        await eventually(lambda: shared_out(stack), 60, "the shards are shared out")
        return begun[-1]

    yield begin
    for traffic in begun:
        await traffic.close()


async def shards_of(stack):
    """How many shards each living room worker is active on."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        pages = [await http.get(f"{room.url}/metrics") for room in stack.rooms if room.alive()]
    return [int(ACTIVE.search(page.text)[1]) for page in pages]


async def shared_out(stack):
    counts = await shards_of(stack)
    return sum(counts) == SHARDS and max(counts) - min(counts) <= 1


async def test_i1_i2_i3_i4_hold_while_the_active_worker_of_half_the_shards_is_killed_again_and_again(begin):
    traffic = await begin(workers=2)
    stack = traffic.stack
    traffic.go()
    for number in range(2):
        await traffic.progress(40)
        stack.kill9("room", number % 2)
        await traffic.progress(40)
        await stack.restart("room", number % 2)
        await eventually(lambda: shared_out(stack), 60, "the shards are shared out again")
    await traffic.halt()
    await traffic.assert_nothing_lost_repeated_or_reordered()


async def test_no_client_notices_that_a_worker_joins_and_another_leaves_and_the_shards_end_balanced(begin):
    traffic = await begin(workers=2)
    stack = traffic.stack
    traffic.go()
    await traffic.progress(40)
    await stack.add("room")
    await eventually(lambda: shared_out(stack), 60, "three workers share the shards")
    await traffic.progress(40)
    stack.rooms[0].signal(signal.SIGTERM)
    await eventually(lambda: not stack.rooms[0].alive(), 30, "the first worker has left")
    await eventually(lambda: shared_out(stack), 60, "two workers share the shards")
    await traffic.progress(40)
    await traffic.halt()
    assert traffic.refusals == []
    await traffic.assert_nothing_lost_repeated_or_reordered()


async def test_i2_a_message_sent_twice_is_one_message_also_when_its_worker_is_another_by_then(begin):
    traffic = await begin(workers=2)
    sends = [
        (sender, ROOMS[number % len(ROOMS)], f"{sender.name}-{number}")
        for sender in traffic.senders
        for number in range(25)
    ]
    first = {command_id: await sender.send(room, command_id) for sender, room, command_id in sends}
    again = {command_id: await sender.send(room, command_id) for sender, room, command_id in sends}
    await asyncio.gather(*(traffic.stack.restart("room", index) for index in range(2)))
    flagged = {command_id: await sender.send(room, command_id, retry=True) for sender, room, command_id in sends}
    for answers in (again, flagged):
        assert {name: told(answer) for name, answer in answers.items()} == {
            name: told(answer) for name, answer in first.items()
        }
    await traffic.assert_nothing_lost_repeated_or_reordered()


def told(answer):
    """What an answer says, beside which frame it belongs to."""
    return {name: value for name, value in answer.items() if name != "id"}
