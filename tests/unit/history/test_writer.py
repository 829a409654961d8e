"""What a shard's writer does with its deliveries, over the store in memory and a channel that only writes down."""

import asyncio
import functools

import pytest
from aiormq.abc import DeliveredMessage
from pamqp import commands
from pamqp.header import ContentHeader
from prometheus_client import CollectorRegistry
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from schemas import limits, routes
from schemas.answers import Accepted
from schemas.events import ReactionCount, encode_logged
from schemas.parts import Joining, cut
from schemas.queries import QUERY_ANSWER, HoleQuery, LookupQuery, SnapshotQuery, TargetAnswer, TargetQuery
from schemas.state import MessageState, Snapshot
from services.history import inbound
from services.history.deliveries import read_delivery
from services.history.inbound import Inbound
from services.history.metrics import HistoryMetrics
from services.history.store import StoreUnavailable
from services.history.store_memory import MemoryStore
from services.history.writer import ShardWriter
from tests.bed.waiting import eventually
from tests.contract.chronicle import Chronicle


class Channel:
    """Writes down what it is told, in order."""

    def __init__(self, fails=False, fails_after=0):
        self.told = []
        self.fails = fails
        self.fails_after = fails_after

    async def basic_ack(self, tag, multiple=False, **_):
        self.told.append(("ack", tag, multiple))

    async def basic_reject(self, tag, requeue=True):
        self.told.append(("reject", tag, requeue))

    async def basic_publish(self, body, *, routing_key, properties, **_):
        if self.fails and len(self.told) >= self.fails_after:
            raise ConnectionError("blocked")
        reason = (properties.headers or {}).get("x-park-reason")
        self.told.append(("parked", reason) if reason else ("replied", routing_key, body))


class Bench:
    """A writer, what it writes to, and deliveries with ascending tags."""

    def __init__(self, store=None, *, batch=200, linger_seconds=0.01, outlet=None):
        self.store = store or MemoryStore()
        self.channel = Channel()
        self.outlet = outlet or self.channel
        self.registry = CollectorRegistry()
        self.stopping = asyncio.Event()
        self.inbound = Inbound(batch=batch, linger_seconds=linger_seconds)
        self.tag = 0
        metrics = HistoryMetrics(self.registry)
        self.writer = ShardWriter(
            self.channel, self.outlet, self.store, metrics, stopping=self.stopping, timeout_seconds=5
        )

    async def deliver(self, *contents):
        for content in contents:
            self.tag += 1
            await self.inbound.receive(delivery(self.tag, *content))

    async def write(self, until):
        """Run the writer until the channel has been told so much."""
        writing = asyncio.create_task(self.writer.write(self.inbound))
        await eventually(lambda: len(self.channel.told) >= until)
        self.inbound.end()
        await asyncio.wait_for(writing, 10)
        return self.channel.told

    def count(self, name, **labels):
        return self.registry.get_sample_value(f"history_{name}_total", labels)


def delivery(tag, key, body, reply_to=None, correlation_id=None):
    properties = commands.Basic.Properties(reply_to=reply_to, correlation_id=correlation_id)
    deliver = commands.Basic.Deliver(consumer_tag="c", delivery_tag=tag, exchange=routes.LOG, routing_key=key)
    return DeliveredMessage(delivery=deliver, header=ContentHeader(0, len(body), properties), body=body, channel=None)


def entry(logged):
    name = logged.entry.event if logged.entry.type == "event" else "receipt"
    return routes.log_key(logged.entry.room, name), encode_logged(logged.entry.to_json(), logged.fence)


def query_of(query, reply_to="asker", correlation_id="1"):
    return routes.query_key(query.room), query.to_json(), reply_to, correlation_id


async def test_a_batch_is_stored_and_then_acked_at_once():
    bench, story = Bench(), Chronicle()
    await bench.deliver(*map(entry, [story.created(), *story.chat(5), story.receipt("alice", read=3)]))
    assert await bench.write(1) == [("ack", 7, True)]
    assert (await bench.store.room("general")).seq == 6
    assert (bench.count("events_stored"), bench.count("receipts_folded")) == (6, 1)


async def test_a_batch_has_no_more_deliveries_than_it_may():
    bench, story = Bench(batch=2), Chronicle()
    await bench.deliver(*map(entry, [story.created(), *story.chat(4)]))
    assert await bench.write(3) == [("ack", 2, True), ("ack", 4, True), ("ack", 5, True)]


async def test_a_query_is_answered_behind_what_came_before_it_and_ahead_of_what_came_after():
    bench, story = Bench(), Chronicle()
    hole = HoleQuery(room="general", after=0)
    await bench.deliver(entry(story.created()), entry(story.said()), query_of(hole), entry(story.said()))
    first, reply, second, third = await bench.write(4)
    assert (first, second, third) == (("ack", 2, True), ("ack", 3, False), ("ack", 4, True))
    assert reply[:2] == ("replied", "asker")
    assert [event.seq for event in QUERY_ANSWER.validate_json(reply[2]).events] == [1, 2]


async def test_a_query_does_not_wait_for_its_batch_to_become_full_or_old():
    bench, story = Bench(linger_seconds=3600), Chronicle()
    await bench.deliver(entry(story.created()), query_of(HoleQuery(room="general", after=0)))
    ack, reply, _ = await bench.write(3)
    assert (ack, reply[:2]) == (("ack", 1, True), ("replied", "asker"))


async def test_a_query_behind_a_full_batch_does_not_wait_either():
    bench, story = Bench(batch=2, linger_seconds=3600), Chronicle()
    await bench.deliver(*map(entry, [story.created(), story.said(), story.said()]))
    await bench.deliver(query_of(HoleQuery(room="general", after=0)))
    assert [told[:2] for told in await bench.write(4)] == [("ack", 2), ("ack", 3), ("replied", "asker"), ("ack", 4)]


async def test_a_lookup_is_answered_with_what_was_answered_then():
    bench, story = Bench(), Chronicle()
    log = [story.created(), story.said(actor="bob", command_id="bobs-own")]
    asks = [query_of(LookupQuery(room="general", actor=actor, command_id="bobs-own")) for actor in ("bob", "alice")]
    await bench.deliver(*map(entry, log), *asks)
    replies = [QUERY_ANSWER.validate_json(told[2]) for told in await bench.write(5) if told[0] == "replied"]
    assert [reply.answer for reply in replies] == [Accepted.of(log[1].entry), None]


async def test_i8_a_query_delivered_again_gets_the_same_fence():
    bench = Bench()
    ask = query_of(SnapshotQuery(room="general", worker="w"))
    other = query_of(SnapshotQuery(room="general", worker="w"), correlation_id="2")
    await bench.deliver(ask, other, ask)
    replies = [told[2] for told in await bench.write(6) if told[0] == "replied"]
    assert [QUERY_ANSWER.validate_json(reply).snapshot.fence for reply in replies] == [1, 2, 1]


@functools.cache
def crowd():
    """The events of a room whose members are more than one part holds."""
    story, members = Chronicle(), 4 * limits.SNAPSHOT_PART_BYTES // 700
    created = story.created(capacity=limits.ROOM_MEMBERS)
    return [created], [story.joined(f"{number:05}" + "\N{GRINNING FACE}" * 123) for number in range(members)]


async def big_room(bench):
    """A room of that crowd; how many parts it comes in."""
    for events in crowd():
        await bench.store.append(events)
    return len(cut(Snapshot(room="general", fence=2, state=(await bench.store.snapshot("general")).state)))


async def test_a_big_snapshot_is_told_in_parts_in_one_turn():
    bench, story = Bench(), Chronicle("other")
    count = await big_room(bench)
    await bench.deliver(query_of(SnapshotQuery(room="general", worker="w")), entry(story.created()))
    *replies, first, second = await bench.write(count + 2)
    assert (len(replies), first, second) == (count, ("ack", 1, False), ("ack", 2, True))
    assert count > 3
    joining = Joining()
    *_, whole = [joining.receive(QUERY_ANSWER.validate_json(body)) for _, _, body in replies]
    assert whole.state == (await bench.store.snapshot("general")).state
    assert {address for _, address, _ in replies} == {"asker"}


async def test_a_part_that_cannot_be_sent_ends_the_answer():
    bench = Bench(outlet=Channel(fails=True, fails_after=2))
    await big_room(bench)
    await bench.deliver(query_of(SnapshotQuery(room="general", worker="w")))
    assert await bench.write(1) == [("ack", 1, False)]
    assert [QUERY_ANSWER.validate_json(body).part for _, _, body in bench.outlet.told] == [0, 1]


async def test_a_hole_of_a_room_that_is_not_there_is_refused():
    bench = Bench()
    await bench.deliver(query_of(HoleQuery(room="nowhere", after=0)))
    reply, _ = await bench.write(2)
    assert QUERY_ANSWER.validate_json(reply[2]).code == "room_not_found"


async def test_a_message_is_told_as_a_target_with_what_the_asker_put_to_it():
    bench, story = Bench(), Chronicle()
    said = [story.created(), story.said(actor="bob"), story.event("reaction_added", target=2, emoji="+1", actor="ann")]
    asks = [query_of(TargetQuery(room="general", actor=actor, seq=2)) for actor in ("ann", "bob")]
    nothing = query_of(TargetQuery(room="general", actor="ann", seq=3))
    await bench.deliver(*map(entry, said), *asks, nothing)
    replies = [QUERY_ANSWER.validate_json(told[2]) for told in await bench.write(7) if told[0] == "replied"]
    message = MessageState(
        seq=2, author="bob", posted_at=said[1].entry.at, reactions=(ReactionCount(emoji="+1", count=1),)
    )
    assert replies == [TargetAnswer(message=message, reacted=("+1",)), TargetAnswer(message=message), TargetAnswer()]


async def test_garbage_is_parked_and_the_rest_stored():
    bench, story = Bench(), Chronicle()
    await bench.deliver(entry(story.created()), ("anything", b"garbage"), entry(story.said()))
    assert await bench.write(2) == [("parked", "malformed"), ("ack", 3, True)]
    assert (await bench.store.room("general")).seq == 2
    assert bench.count("parked", reason="malformed") == 1


async def test_a_delivery_on_which_reading_breaks_is_parked_and_the_rest_stored(monkeypatch):
    def break_on_poison(key, body, *more):
        if body == b"poison":
            raise KeyError(SECRET)
        return read_delivery(key, body, *more)

    monkeypatch.setattr(inbound, "read_delivery", break_on_poison)
    bench, story = Bench(), Chronicle()
    with capture_logs() as lines:
        await bench.deliver(entry(story.created()), ("anything", b"poison"), entry(story.said()))
        assert await bench.write(2) == [("parked", "poison"), ("ack", 3, True)]
    assert (await bench.store.room("general")).seq == 2
    assert [line["event"] for line in lines] == ["delivery_unreadable", "delivery_parked"]
    assert "sesame" not in "".join(str(format_exc_info(None, "", dict(line))) for line in lines)


class BusyStore(MemoryStore):
    """Does not return from its first append before it is told to."""

    def __init__(self):
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def append(self, batch):
        self.asked.set()
        await self.go_on.wait()
        return await super().append(batch)


async def test_while_the_store_is_busy_the_next_deliveries_are_read(monkeypatch):
    bench, story, read = Bench(BusyStore(), batch=2), Chronicle(), []
    monkeypatch.setattr(inbound, "read_delivery", lambda *told: read.append(told) or read_delivery(*told))
    await bench.deliver(*map(entry, [story.created(), story.said()]))
    writing = asyncio.create_task(bench.write(2))
    await asyncio.wait_for(bench.store.asked.wait(), 10)
    await bench.deliver(entry(story.said()))
    assert (len(read), bench.channel.told) == (3, [])
    bench.store.go_on.set()
    assert await writing == [("ack", 2, True), ("ack", 3, True)]
    assert len(read) == 3


async def test_i8_a_stale_entry_is_parked_and_counted():
    bench, story = Bench(), Chronicle(fence=1)
    for number in "12":
        await bench.deliver(query_of(SnapshotQuery(room="general", worker="w"), correlation_id=number))
    await bench.deliver(entry(story.created()))
    assert (await bench.write(6))[-2:] == [("parked", "stale_fence"), ("ack", 3, True)]
    assert bench.count("stale_fences") == 1


async def test_i3_a_hole_is_parked_and_counted_as_a_conflict():
    bench, story = Bench(), Chronicle()
    story.created()
    await bench.deliver(entry(story.said()))
    assert await bench.write(2) == [("parked", "conflict"), ("ack", 1, True)]
    assert bench.count("conflicts") == 1


async def test_a_reused_command_id_is_stored_counted_and_holds_nothing_up():
    bench, story = Bench(), Chronicle()
    said = [story.said(command_id="once") for _ in [story.created()] * 2]
    await bench.deliver(*map(entry, [story.log[0], *said, story.said()]))
    assert await bench.write(1) == [("ack", 4, True)]
    assert (bench.count("reused_command_ids"), bench.count("conflicts")) == (1, 0)
    assert (await bench.store.room("general")).seq == 4


async def test_what_cannot_be_parked_is_left_to_the_broker_to_set_aside():
    bench, story = Bench(outlet=Channel(fails=True)), Chronicle()
    await bench.deliver(entry(story.created()), ("anything", b"garbage"))
    assert await bench.write(2) == [("reject", 2, False), ("ack", 1, True)]


async def test_an_answer_that_cannot_be_sent_holds_nothing_up():
    bench, story = Bench(outlet=Channel(fails=True)), Chronicle()
    await bench.deliver(query_of(HoleQuery(room="general", after=0)), entry(story.created()))
    assert await bench.write(2) == [("ack", 1, False), ("ack", 2, True)]


class PoisonedStore(MemoryStore):
    async def append(self, batch):
        if any(getattr(logged.entry, "text", "") == "poison" for logged in batch):
            raise KeyError("a bug")
        return await super().append(batch)


async def test_a_poison_entry_is_parked_alone():
    bench, story, other = Bench(PoisonedStore()), Chronicle(), Chronicle("other")
    await bench.deliver(*map(entry, [story.created(), story.said("poison"), other.created(), other.said()]))
    assert await bench.write(2) == [("parked", "poison"), ("ack", 4, True)]
    assert (await bench.store.room("other")).seq == 2


class BrokenStore(MemoryStore):
    async def snapshot(self, room):
        raise KeyError(room)


async def test_a_query_on_which_the_store_breaks_is_parked_and_the_log_goes_on():
    bench, story = Bench(BrokenStore()), Chronicle()
    poison = query_of(SnapshotQuery(room="general", worker="w"))
    await bench.deliver(entry(story.created()._replace(fence=9)), poison, entry(story.said()._replace(fence=10)))
    assert await bench.write(4) == [("ack", 1, True), ("parked", "poison"), ("ack", 2, True), ("ack", 3, True)]
    assert (await bench.store.room("general")).seq == 2


SECRET = "open sesame"


class ChokingStore(MemoryStore):
    """Breaks on everything, and repeats it."""

    async def append(self, batch):
        raise KeyError(*(logged.entry.to_json() for logged in batch))

    async def snapshot(self, room):
        raise KeyError(room, SECRET)


async def everything_that_goes_wrong():
    """Conflicts, reused command_ids, stale fences, garbage, and a store that breaks on entries and on queries."""
    story, ask = Chronicle(), query_of(SnapshotQuery(room="general", worker="w"))
    log = [story.created(), story.said(SECRET, command_id="once"), story.said(SECRET, command_id="once")]
    story.said()
    hole, changed = story.said(SECRET), log[1]._replace(entry=log[1].entry.model_copy(update={"text": SECRET * 2}))
    stale = story.said(SECRET)._replace(fence=0)
    key, body = entry(story.said(SECRET))
    bench = Bench()
    await bench.deliver(*map(entry, log), entry(hole), (key, body[:-1]), (key, body.replace(b'"text"', b'"txt"')), ask)
    await bench.deliver(entry(stale), *[(key, changed.entry.to_json()[:-1] + b',"fence":9}')])
    await bench.write(7)
    bench = Bench(ChokingStore())
    await bench.deliver(*map(entry, log), ask)
    await bench.write(6)


async def test_no_log_line_holds_what_somebody_wrote():
    with capture_logs() as lines:
        await everything_that_goes_wrong()
    events = {line["event"] for line in lines}
    assert events == {"command_id_reused", "log_conflict", "delivery_parked", "batch_failed", "query_failed"}
    assert [line for line in lines if "sesame" in str(format_exc_info(None, "", dict(line)))] == []
    assert [line for line in lines if line["event"] == "command_id_reused"] == [
        {
            "event": "command_id_reused",
            "log_level": "error",
            "room": "general",
            "seq": 3,
            "entry": "message_posted",
            "actor": "alice",
            "command_id": "once",
        }
    ]


class AwayStore(MemoryStore):
    def __init__(self, times):
        super().__init__()
        self.times = times

    async def append(self, batch):
        if self.times > 0:
            self.times -= 1
            raise StoreUnavailable("away")
        return await super().append(batch)


async def test_i1_nothing_is_acked_while_the_store_is_away_and_all_of_it_when_it_is_back():
    bench, story = Bench(AwayStore(times=2)), Chronicle()
    await bench.deliver(*map(entry, [story.created(), story.said()]))
    assert await bench.write(1) == [("ack", 2, True)]
    assert bench.count("store_failures") == 2


async def test_a_stop_ends_the_wait_for_the_store_and_acks_nothing():
    bench, story = Bench(AwayStore(times=10**6)), Chronicle()
    await bench.deliver(entry(story.created()))
    writing = asyncio.create_task(bench.writer.write(bench.inbound))
    bench.stopping.set()
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(writing, 10)
    assert bench.channel.told == []


async def test_what_waits_at_the_end_is_not_taken_up():
    bench, story = Bench(), Chronicle()
    await bench.deliver(entry(story.created()))
    bench.inbound.end()
    await asyncio.wait_for(bench.writer.write(bench.inbound), 10)
    assert bench.channel.told == []
