"""The way of the log into the store on a real broker: acks, order, barriers, and what does not belong there."""

import asyncio

import pytest

from schemas import routes
from schemas.answers import Accepted
from schemas.errors import ParkReason
from schemas.queries import SnapshotQuery
from services.history.fold import fold
from services.runtime.broker import connect, headers_of, open_channel
from tests.bed.waiting import eventually
from tests.contract.chronicle import Chronicle, whole_story

pytestmark = [pytest.mark.broker, pytest.mark.store]

LOG_QUEUES = [routes.history_queue(shard) for shard in range(2)]


def left(management):
    return sum(management.counters(queue)["left"] for queue in LOG_QUEUES)


def parked(management):
    return management.counters(routes.PARKED_QUEUE)["left"]


async def settled(management):
    await eventually(lambda: left(management) == 0, 30, "the log queues empty")


async def test_i1_what_is_logged_is_stored_and_then_acked(start_history, log_side, stored, management):
    story = Chronicle()
    await start_history()
    await log_side.log([story.created(), *story.chat(300)])
    await eventually(lambda: stored() == list(range(1, 302)), 30)
    await settled(management)
    assert parked(management) == 0


async def test_i1_what_was_logged_while_no_history_ran_is_stored_by_the_next(start_history, log_side, stored):
    story = Chronicle()
    await log_side.log([story.created(), *story.chat(50)])
    await start_history()
    await eventually(lambda: stored() == list(range(1, 52)), 30)


async def test_a_snapshot_includes_everything_logged_before_it(start_history, log_side):
    story = Chronicle()
    await start_history()
    log = [story.created(), *story.chat(998), story.joined("bob")]
    await log_side.log(log)
    snapshot = await log_side.snapshot("general")
    assert (snapshot.state.seq, snapshot.fence) == (1000, 2)
    assert snapshot.recent[-1].answer == Accepted.of(log[-1].entry)


async def test_a_hole_and_a_lookup_include_everything_logged_before_them(start_history, log_side):
    story = Chronicle()
    await start_history()
    log = [story.created(), *story.chat(400)]
    await log_side.log(log)
    page, answer = await asyncio.gather(
        log_side.hole("general", after=350), log_side.lookup("general", "alice", log[-1].entry.command_id)
    )
    assert [event.seq for event in page.events] == list(range(351, 402))
    assert page.head == 401
    assert answer == Accepted.of(log[-1].entry)


async def test_i8_every_snapshot_raises_the_fence_also_of_a_room_that_is_not_there(start_history, log_side):
    await start_history()
    first, second = await log_side.snapshot("nowhere"), await log_side.snapshot("nowhere")
    assert (first.state, first.fence, second.fence) == (None, 1, 2)


async def test_i7_snapshot_and_later_events_folded_equal_a_fresh_snapshot_for_every_event_type(start_history, log_side):
    await start_history()
    log = whole_story(Chronicle()).log
    state = None
    for number, logged in enumerate(log):
        await log_side.log([logged])
        expected = fold(state, logged.entry)
        raised = await log_side.snapshot("general")
        state = raised.state
        assert state == expected, f"after {logged.entry}"
        log[number + 1 :] = [each._replace(fence=raised.fence) for each in log[number + 1 :]]


async def test_i8_a_former_writers_events_are_dropped_parked_and_counted(start_history, log_side, stored, management):
    story = Chronicle(fence=1)
    await start_history()
    assert (await log_side.snapshot("general")).fence == 1
    await log_side.log([story.created()])
    assert (await log_side.snapshot("general")).fence == 2
    await log_side.log([story.said("from the grave"), story.receipt("alice", read=1)])
    await eventually(lambda: parked(management) == 2, 30)
    story.seq, story.fence = 1, 2
    await log_side.log([story.said("alive")])
    await eventually(lambda: stored() == [1, 2], 30)
    assert (await log_side.hole("general", after=1)).events[0].text == "alive"


async def test_garbage_is_parked_with_its_reason_and_the_shard_goes_on(start_history, log_side, stored, amqp_url):
    story = Chronicle()
    await start_history()
    created = story.created()
    key = routes.log_key("general", "room_created")
    await log_side.publish(key, b"garbage")
    await log_side.publish(key, b'{"type":"event","event":"no_such","fence":1}')
    await log_side.publish(routes.log_key("general", "message_posted"), b'%b,"fence":1}' % created.entry.to_json()[:-1])
    await log_side.publish(routes.query_key("general"), b"?", reply_to="nobody", correlation_id="1")
    question = SnapshotQuery(room="general", worker="w").to_json()
    await log_side.publish(routes.query_key("general"), question)
    await log_side.publish(routes.query_key(twin_of("general")), question, reply_to="nobody", correlation_id="1")
    await log_side.log([created, story.said()])
    await eventually(lambda: stored() == [1, 2], 30)
    reasons = await parked_reasons(amqp_url, 6)
    assert reasons == [
        ParkReason.MALFORMED,
        ParkReason.MALFORMED,
        ParkReason.MISROUTED,
        ParkReason.MALFORMED,
        ParkReason.MALFORMED,
        ParkReason.MISROUTED,
    ]


async def test_an_entry_the_store_cannot_hold_is_parked_alone(start_history, log_side, stored, amqp_url):
    bad, good = Chronicle("bad"), Chronicle(twin_of("bad"))
    await start_history()
    created = bad.created()
    boundless = bad.said()._replace(fence=2**70)
    await log_side.log([created, boundless, good.created(), *good.chat(3)])
    await eventually(lambda: stored(good.room) == [1, 2, 3, 4], 30)
    assert stored("bad") == [1]
    assert await parked_reasons(amqp_url, 1) == [ParkReason.POISON]


async def test_i3_a_hole_in_the_log_is_parked_as_a_conflict_and_other_rooms_go_on(
    start_history, log_side, stored, amqp_url
):
    bad, good = Chronicle("bad"), Chronicle("good")
    await start_history()
    log = [bad.created(), bad.said(), bad.said()]
    await log_side.log([log[0], log[2], good.created(), good.said()])
    await eventually(lambda: (stored("good"), stored("bad")) == ([1, 2], [1]), 30)
    assert await parked_reasons(amqp_url, 1) == [ParkReason.CONFLICT]


def twin_of(room):
    """Another room of the same shard, so that both keys stand in one queue."""
    twins = (f"twin-{number}" for number in range(1000))
    return next(twin for twin in twins if routes.shard_of(twin, 2) == routes.shard_of(room, 2))


async def parked_reasons(amqp_url, count):
    connection = await connect(amqp_url, "parked", timeout_seconds=10)
    try:
        channel = await open_channel(connection, confirms=False)
        found = []

        async def take(delivery):
            found.append(headers_of(delivery)["x-park-reason"])

        await channel.basic_consume(routes.PARKED_QUEUE, take, no_ack=True)
        await eventually(lambda: len(found) >= count, 30, f"{count} parked")
        return found
    finally:
        await connection.close()
