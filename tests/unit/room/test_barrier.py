"""How a room worker asks history: what it takes for an answer, and what ends the wait for one."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from aiormq.abc import DeliveredMessage
from pamqp import commands
from pamqp.header import ContentHeader

from schemas import limits, routes
from schemas.answers import Accepted, Refused
from schemas.errors import Code
from schemas.parts import cut
from schemas.queries import BARRIER, LookupAnswer, SnapshotAnswer, TargetAnswer
from schemas.roles import Role, Visibility
from schemas.state import MemberState, MessageState, RoomState, Snapshot
from services.room.barrier import BarrierQueries, NotAnswered, NothingHeard
from services.runtime.broker import NotConfirmed
from tests.bed.waiting import eventually

AT = datetime(2026, 11, 20, tzinfo=UTC)
ACCEPTED = Accepted(command_id="c1", room="general", epoch="e1", seq=3, at=AT)


class Channel:
    """Keeps what is published, and what listens for answers."""

    def __init__(self):
        self.asked = []
        self.refuses = False

    async def basic_consume(self, _, callback, **__):
        self.answer = callback

    async def publish(self, exchange, key, body, envelope):
        """What the term's publisher does."""
        if self.refuses:
            raise NotConfirmed(exchange, key, "refused")
        properties = commands.Basic.Properties()
        properties.unmarshal(*envelope)
        self.asked.append((key, BARRIER.validate_json(body), properties))

    async def reply(self, body, correlation_id=None):
        """What the reply queue delivers."""
        known = correlation_id or self.asked[-1][2].correlation_id
        properties = commands.Basic.Properties(correlation_id=known)
        deliver = commands.Basic.Deliver(consumer_tag="c", delivery_tag=1, exchange="", routing_key="me")
        header = ContentHeader(0, len(body), properties)
        await self.answer(DeliveredMessage(delivery=deliver, header=header, body=body, channel=None))


class Bench:
    def __init__(self, answer_seconds=10):
        self.channel = Channel()
        self.queries = BarrierQueries(self.channel, self.channel, "w", answer_seconds=answer_seconds, broker_seconds=5)

    async def ask(self, asking, *bodies):
        """Ask, let history say `bodies`, and return what comes of it."""
        await self.queries.open()
        task = asyncio.create_task(asking)
        await eventually(lambda: self.channel.asked or task.done())
        for body in bodies:
            await self.channel.reply(body)
        return await asyncio.wait_for(task, 10)

    def snapshot(self, *bodies):
        return self.ask(self.queries.snapshot("general"), *bodies)


def whole(room="general", fence=4, members=5):
    people = (
        MemberState(user=f"u{number}", role=Role.MEMBER, joined_at=AT, joined_seq=1 + number)
        for number in range(members)
    )
    state = RoomState(
        room=room,
        epoch="e1",
        seq=members,
        title="General",
        visibility=Visibility.PUBLIC,
        capacity=100,
        created_at=AT,
        updated_at=AT,
        members=tuple(people),
    )
    return Snapshot(room=room, fence=fence, state=state)


def parts(snapshot):
    """One member a part."""
    return [part.to_json() for part in cut(snapshot, 1)]


async def test_a_query_goes_through_the_log_and_says_where_its_answer_goes():
    bench = Bench()
    assert await bench.snapshot(*parts(whole(members=0))) == whole(members=0)
    [(key, query, properties)] = bench.channel.asked
    assert (key, query.worker) == (routes.query_key("general"), "w")
    assert (properties.reply_to, properties.delivery_mode) == ("amq.rabbitmq.reply-to", 2)
    assert bench.queries.unconfirmed_room is None


async def test_a_snapshot_that_comes_in_parts_is_whole_with_the_last():
    assert await Bench().snapshot(*parts(whole())) == whole()


async def test_an_answer_given_twice_is_taken_once():
    first, second, *rest = parts(whole())
    assert await Bench().snapshot(first, second, first, second, *rest) == whole()


async def test_a_lookup_and_a_target_are_answered():
    bench, message = Bench(), MessageState(seq=2, author="bob", posted_at=AT)
    told = TargetAnswer(message=message, reacted=("+1",))
    assert await bench.ask(bench.queries.target("general", "alice", 2), told.to_json()) == told
    assert bench.channel.asked[-1][1].seq == 2
    bench = Bench()
    looked_up = bench.queries.lookup("general", "alice", "c1")
    assert await bench.ask(looked_up, LookupAnswer(answer=ACCEPTED).to_json()) == ACCEPTED


@pytest.mark.parametrize(
    "bodies",
    [
        [parts(whole())[0], parts(whole())[2]],
        [parts(whole())[1]],
        [parts(whole())[0], parts(whole(fence=5))[1]],
        parts(whole("another")),
        [LookupAnswer().to_json()],
        [Refused.of(Code.ROOM_NOT_FOUND).to_json()],
        [b"garbage"],
        [b'{"type":"snapshot","snapshot":{"room":"general","fence":0}}'],
        [b" " * (limits.SNAPSHOT_PART_BYTES + limits.FRAME_BYTES) + parts(whole(members=0))[0]],
    ],
    ids=["lost", "headless", "fences", "room", "kind", "refused", "garbage", "invalid", "too-long"],
)
async def test_what_is_no_answer_ends_the_wait_at_once(bodies):
    with pytest.raises(NotAnswered):
        await Bench(answer_seconds=600).snapshot(*bodies)


async def test_a_refusal_is_no_answer_to_a_lookup_or_a_target():
    for ask in (lambda each: each.lookup("general", "alice", "c1"), lambda each: each.target("general", "alice", 2)):
        bench = Bench()
        with pytest.raises(NotAnswered):
            await bench.ask(ask(bench.queries), Refused.of(Code.INTERNAL).to_json())


async def test_parts_without_an_end_are_given_up():
    endless = parts(whole(members=limits.SNAPSHOT_PARTS + 1))
    with pytest.raises(NotAnswered):
        await Bench(answer_seconds=600).snapshot(*endless)


async def test_a_lost_last_part_ends_in_time():
    with pytest.raises(NotAnswered):
        await Bench(answer_seconds=0.1).snapshot(*parts(whole())[:-1])


async def test_an_answer_that_nobody_waits_for_is_dropped():
    bench = Bench()
    assert await bench.snapshot(*parts(whole())) == whole()
    await bench.channel.reply(parts(whole())[0])
    await bench.channel.reply(SnapshotAnswer(snapshot=whole()).to_json(), "of-somebody-else")


async def test_a_query_that_the_log_does_not_take_is_not_confirmed_and_its_room_is_in_doubt():
    bench = Bench()
    bench.channel.refuses = True
    with pytest.raises(NotConfirmed):
        await bench.snapshot()
    assert bench.queries.unconfirmed_room == "general"


async def test_what_little_is_left_of_a_wait_bounds_the_answer_and_puts_no_doubt_on_the_log():
    bench, taken = Bench(), asyncio.Event()

    async def publish(*_):
        await taken.wait()

    bench.channel.publish = publish
    bench.channel.connection = SimpleNamespace(ready=lambda: SimpleNamespace(__await__=lambda: iter(())))
    soon = asyncio.get_running_loop().time() + 0.05
    with pytest.raises(NothingHeard):
        await asyncio.wait_for(bench.queries.target("general", "alice", 2, until=soon), 5)


async def test_without_time_nothing_is_asked():
    bench = Bench()
    with pytest.raises(NothingHeard):
        await bench.queries.lookup("general", "alice", "c1", until=asyncio.get_running_loop().time())
    assert bench.channel.asked == []
