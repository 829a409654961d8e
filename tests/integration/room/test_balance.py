"""Several room workers on a real broker: who learns what it holds, and how the shards are shared out, under traffic."""

import asyncio

import pytest

from schemas import routes
from schemas.control import RollCall
from services.runtime.broker import open_channel
from tests.bed.waiting import eventually
from tests.integration.room.around import answered, count_publishes

pytestmark = pytest.mark.broker

WITHIN_SECONDS = 40
SOON = {"balance_seconds": 0.5}
ROOMS = [f"room-{number}" for number in range(16)]


@pytest.fixture
def shards():
    return 8


async def test_a_worker_without_traffic_learns_what_it_holds_and_logs_and_fans_out_nothing(start_worker, link, roll):
    logged, fanned_out = await count_publishes(link, routes.LOG, "#"), await count_publishes(link, routes.FANOUT, "#")
    await start_worker()
    await eventually(lambda: list(roll.active().values()) == [list(range(8))], WITHIN_SECONDS)
    assert (logged, fanned_out) == ([], [])


async def test_who_asks_hears_at_once_what_a_worker_does(start_worker, link, roll):
    await start_worker(heartbeat_seconds=10)
    await eventually(lambda: roll.loads() == [8], WITHIN_SECONDS)
    roll.said.clear()
    channel = await open_channel(link, confirms=True)
    await channel.basic_publish(RollCall().to_json(), exchange=routes.CONTROL)
    await eventually(lambda: roll.loads() == [8], 5)


async def test_after_a_worker_was_killed_the_other_learns_without_traffic_that_it_holds_everything(start_process, roll):
    first = await start_process(GATEHOUSE_BALANCE_SECONDS="0.5")
    await eventually(lambda: roll.loads() == [8], WITHIN_SECONDS)
    await start_process(GATEHOUSE_BALANCE_SECONDS="0.5")
    await eventually(lambda: roll.loads() == [4, 4], WITHIN_SECONDS)
    await first.kill()
    await eventually(lambda: max(roll.loads(), default=0) == 8, WITHIN_SECONDS)


async def test_workers_come_and_go_under_traffic_and_the_shards_are_shared_evenly_and_no_sender_hears_an_error(
    start_worker, history, sender, roll
):
    stops = [await start_worker(**SOON)]
    for room in ROOMS:
        await sender.make_room(room)
    answers, done = [], asyncio.Event()
    talking = [asyncio.create_task(talk(sender, room, answers, done)) for room in ROOMS]
    stops.append(await start_worker(**SOON))
    stops.append(await start_worker(**SOON))
    await eventually(lambda: roll.loads() == [2, 3, 3], WITHIN_SECONDS)
    await stops[0]()
    await eventually(lambda: roll.loads() == [4, 4], WITHIN_SECONDS)
    await start_worker(**SOON)
    await eventually(lambda: roll.loads() == [2, 3, 3], WITHIN_SECONDS)
    done.set()
    await asyncio.gather(*talking)
    assert {answer.type for answer in answers} == {"accepted"}
    for room in ROOMS:
        assert history.seqs(room) == list(range(1, 2 + sum(answer.room == room for answer in answers)))
    assert history.stale == []


async def talk(sender, room, answers, done):
    """One message after the other."""
    while not done.is_set():
        answers.append(await answered(sender.send("send", "mia", room=room, text="on and on")))
