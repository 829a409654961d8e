"""Reads over the broker: every type, its refusals, and what a stranger learns of a private room."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from schemas.queries import MembersQuery, MessageQuery, MyRoomsQuery, PageQuery, RoomQuery, RoomsQuery, SearchQuery
from services.history.metrics import HistoryMetrics
from services.history.queries import Queries
from services.history.reader import Reader
from services.history.store_memory import MemoryStore
from services.runtime.control import ControlPlane
from tests.contract.chronicle import Chronicle

pytestmark = [pytest.mark.broker, pytest.mark.store]


async def told(log_side, room, **fields):
    story = Chronicle(room)
    await log_side.log([story.created(members=("alice", "bob"), **fields), *story.chat(3)])
    await log_side.hole(room, after=0)
    return story


async def test_i10_a_stranger_learns_nothing_of_a_private_room_by_any_query(start_history, log_side):
    await start_history()
    await told(log_side, "secret", visibility="private")
    for query in (PageQuery, RoomQuery, MembersQuery):
        assert (await log_side.ask(query(room="secret", actor="bob"))).type != "refused"
        refused = await log_side.ask(query(room="secret", actor="mallory"))
        assert refused == await log_side.ask(query(room="no-such-room", actor="mallory"))
        assert refused.code == "room_not_found"
    for query in (RoomsQuery(actor="mallory"), MyRoomsQuery(actor="mallory")):
        listed = await log_side.ask(query)
        assert (listed.rooms, listed.total) == ((), 0)
    for query in (
        SearchQuery(actor="mallory", query="message", room="secret"),
        MessageQuery(room="secret", actor="mallory", message_id=f"msg_{2:019d}"),
    ):
        assert (await log_side.ask(query)).code == "room_not_found"
        assert (await log_side.ask(query.model_copy(update={"actor": "bob"}))).type != "refused"
    assert (await log_side.ask(SearchQuery(actor="mallory", query="message"))).events == ()


async def test_lists_of_rooms_with_what_is_unread(start_history, log_side):
    await start_history()
    story = await told(log_side, "general", visibility="public")
    await told(log_side, "secret", visibility="private")
    await log_side.log([story.receipt("bob", read=3), story.said("the newest")])
    await log_side.hole("general", after=0)
    mine = await log_side.ask(MyRoomsQuery(actor="bob"))
    assert [(view.room, view.unread, view.preview) for view in mine.rooms] == [
        ("general", 2, "the newest"),
        ("secret", 3, "message 2"),
    ]
    directory = await log_side.ask(RoomsQuery(actor="passer-by"))
    assert [(view.room, view.role, view.member_count) for view in directory.rooms] == [("general", None, 2)]


async def test_a_read_through_a_seq_waits_for_the_log(start_history, log_side):
    await start_history(history_through_seconds=20)
    story = await told(log_side, "general")
    asked = asyncio.create_task(log_side.ask(PageQuery(room="general", actor="bob", after=4, through_seq=5)))
    await log_side.log([story.said("late")])
    page = await asked
    assert ([event.text for event in page.events], page.behind) == (["late"], False)


async def test_many_reads_at_once_get_each_their_own_answer(start_history, log_side):
    await start_history()
    await told(log_side, "general")
    pages = await asyncio.gather(
        *(log_side.ask(PageQuery(room="general", actor="bob", after=number % 4, limit=1)) for number in range(100))
    )
    assert [page.events[0].seq for page in pages] == [number % 4 + 1 for number in range(100)]


@pytest.fixture
async def reader(amqp_url, log_side):
    """The door for reads alone, not started yet, and the connection it will stand on."""
    made = Reader(Queries(MemoryStore(), 1), HistoryMetrics(CollectorRegistry()))
    async with ControlPlane(amqp_url, "reader-test", ignore, timeout_seconds=10) as control:
        made.subscribe(control.broker, at_once=10)
        yield made, control


async def ignore(_):
    """Nothing to hear."""


async def test_reads_are_served_as_long_as_the_consumer_is_there_and_not_a_moment_longer(reader):
    door, control = reader
    assert not await door.is_consuming()
    await control.start(asyncio.Event())
    assert await door.is_consuming()
    channel = await door._subscriber._queue_obj.channel.get_underlay_channel()
    await channel.basic_cancel(door._subscriber._consumer_tag)
    assert await control.broker.ping(timeout=5)
    assert not await door.is_consuming()
    await control.stop()
    assert not await door.is_consuming()


@pytest.mark.parametrize("body", [b"garbage", b"{}", b'{"type":"page","room":"a.b","actor":"alice"}'])
async def test_a_bad_query_is_refused_and_the_next_is_served(start_history, log_side, body):
    await start_history()
    assert (await log_side.ask_raw(body)).code == "bad_field"
    assert (await log_side.ask(RoomsQuery(actor="alice"))).total == 0


async def test_without_its_store_history_says_that_it_is_overloaded_and_recovers(start_history, log_side, store):
    await start_history(store_timeout_seconds=1)
    await told(log_side, "general")
    await asyncio.to_thread(store.kill)
    assert (await log_side.ask(RoomQuery(room="general", actor="alice"))).code == "overloaded"
    await asyncio.to_thread(store.start)
    assert (await log_side.ask(RoomQuery(room="general", actor="alice"))).view.seq == 4
