"""The Mongo adapter stopped between any two of its writes, and a former writer that wakes up: neither does harm."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from services.history.fold import fold
from services.history.intake import Repeated, Stored
from services.history.pages import Window
from services.history.store import StoreUnavailable
from services.history.store_mongo import MongoStore
from tests.contract.chronicle import BEGAN, Chronicle, as_told, whole_story
from tests.contract.interrupted import failing_store, paused_store, watched_store

pytestmark = [pytest.mark.store, pytest.mark.timeout(60)]

WRITES_OF_A_BATCH = 7
"""Events, standings, marks, invites, messages, reactions, rooms."""


def folded(log):
    state = None
    for logged in log:
        state = fold(state, logged.entry)
    return state


def states_behind(log):
    """The room behind each event."""
    return [folded(log[: number + 1]) for number, logged in enumerate(log) if logged.entry.type == "event"]


async def counts_kept(mongo):
    return [event["members_after"] async for event in mongo.database.events.find({}).sort("seq", 1)]


async def assert_is_the_fold_of(mongo, log):
    assert await counts_kept(mongo) == [len(state.members) for state in states_behind(log)]
    events = as_told(log)
    record = await mongo.room("general")
    snapshot = await mongo.snapshot("general")
    assert snapshot.state == folded(log)
    assert await mongo.page(record, Window(0, 1000, 200)) == events
    assert record.members == len(snapshot.state.members)
    assert record.messages == sum(event.event == "message_posted" for event in events)


@pytest.mark.parametrize("moment", ["before", "behind"])
@pytest.mark.parametrize("number", range(1, WRITES_OF_A_BATCH + 1))
@pytest.mark.parametrize(("held", "size"), [(100, 1), (100, 4), (100, 100), (10, 100)])
async def test_i1_i3_i7_a_batch_cut_off_at_any_write_is_healed_when_it_comes_again(
    mongo_url, mongo, number, moment, held, size
):
    log = whole_story(Chronicle()).log
    known, rest = log[:4], log[4:]
    await mongo.append(known)
    failing = failing_store(mongo_url, number, moment)
    with pytest.raises(StoreUnavailable):
        await failing.append(rest[:held])
    await failing.close()
    for start in range(0, len(rest), size):
        outcomes = await mongo.append(rest[start : start + size])
        assert all(isinstance(outcome, Stored | Repeated) for outcome in outcomes)
    await assert_is_the_fold_of(mongo, log)


@pytest.mark.parametrize("moment", ["before", "behind"])
@pytest.mark.parametrize("number", range(1, 4))
@pytest.mark.parametrize("size", [1, 5])
async def test_i1_i3_reused_command_ids_cut_off_at_any_write_are_stored_when_they_come_again(
    mongo_url, mongo, number, moment, size
):
    story = Chronicle()
    known = [story.created(), story.said(command_id="once"), story.said(command_id="twice")]
    await mongo.append(known)
    rest = [story.said(command_id=name) for name in ("new", "once", "newer", "twice", "new")]
    failing = failing_store(mongo_url, number, moment)
    with pytest.raises(StoreUnavailable):
        await failing.append(rest)
    await failing.close()
    for start in range(0, len(rest), size):
        outcomes = await mongo.append(rest[start : start + size])
        assert all(isinstance(outcome, Stored | Repeated) for outcome in outcomes)
    await assert_is_the_fold_of(mongo, story.log)
    answers = [await mongo.lookup("general", "alice", name) for name in ("once", "twice", "new", "newer")]
    assert [answer.seq for answer in answers] == [2, 3, 4, 6]


@pytest.mark.parametrize("number", range(1, WRITES_OF_A_BATCH + 1))
async def test_a_former_writer_that_wakes_up_in_mid_batch_undoes_nothing(mongo_url, mongo, number):
    log = whole_story(Chronicle()).log
    known, held, later = log[:4], log[4:24], log[24:]
    await mongo.append(known)
    zombie, there, go = paused_store(mongo_url, number)
    writing = asyncio.create_task(zombie.append(held))
    await asyncio.wait_for(there.wait(), 30)
    for logged in held + later:
        [outcome] = await mongo.append([logged])
        assert isinstance(outcome, Stored | Repeated)
    go.set()
    await writing
    await zombie.close()
    await assert_is_the_fold_of(mongo, log)


async def test_i1_two_writers_that_insert_the_same_batch_at_once_lose_nothing(mongo_url, mongo):
    story = Chronicle()
    log = [story.created(), *story.chat(7)]
    other = MongoStore(mongo_url, timeout_seconds=10)
    await other.append(log)
    scattered = [document async for document in mongo.database.events.find({"seq": {"$in": [2, 5, 8]}})]
    for name in ("events", "rooms", "members"):
        await getattr(mongo.database, name).delete_many({})
    await mongo.append(log[:1])
    await mongo.database.events.insert_many(scattered)
    outcomes = await mongo.append(log[1:])
    assert outcomes == [Repeated() if seq in (2, 5, 8) else Stored() for seq in range(2, 9)]
    await assert_is_the_fold_of(mongo, log)
    assert await mongo.append(log) == [Repeated()] * 8
    await other.close()


async def test_a_store_begun_before_command_ids_could_be_reused_is_taken_over(mongo_url, mongo):
    story = Chronicle()
    await mongo.append(
        [story.created(members=("alice", "bob")), *story.chat(2), story.event("member_banned", user="bob")]
    )
    for name, index in (await mongo.database.events.index_information()).items():
        if ("applied", 1) in index["key"]:
            await mongo.database.events.drop_index(name)
    await mongo.database.events.update_many({}, {"$unset": {"applied": ""}})
    await mongo.database.events.create_index([("room", 1), ("actor", 1), ("command_id", 1)], unique=True)
    for _ in range(2):
        await mongo.prepare()
    assert await mongo.append(story.log) == [Repeated()] * 4
    assert await mongo.append([story.said(command_id="c2")]) == [Stored(reused=True)]
    assert (await mongo.lookup("general", "alice", "c2")).seq == 2
    await assert_is_the_fold_of(mongo, story.log)


async def test_a_store_begun_before_rooms_remembered_former_members_is_taken_over(mongo):
    story = Chronicle()
    await mongo.append([story.created(members=("alice", "bob", "carol")), story.event("member_banned", user="bob")])
    await mongo.append([story.left("carol")])
    for name, index in (await mongo.database.members.index_information()).items():
        if ("kept", 1) in index["key"]:
            await mongo.database.members.drop_index(name)
    await mongo.database.members.create_index([("room", 1), ("member", 1), ("banned", 1)])
    await mongo.database.members.update_many({}, {"$unset": {"kept": "", "former": ""}})
    for _ in range(2):
        await mongo.prepare()
    kept = {each["user"]: each["kept"] async for each in mongo.database.members.find({})}
    assert kept == {"alice": 0, "bob": 1, "carol": 0}
    fields = [
        field for index in (await mongo.database.members.index_information()).values() for field, _ in index["key"]
    ]
    assert "kept" in fields
    assert "banned" not in fields
    await assert_is_the_fold_of(mongo, story.log)


async def test_i1_repeats_are_not_called_stored_before_a_majority_has_them(mongo_url, mongo):
    story = Chronicle()
    log = [story.created(), *story.chat(3)]
    await mongo.append(log)
    failing = failing_store(mongo_url, 1, "behind")
    with pytest.raises(StoreUnavailable):
        await failing.append(log[1:])
    await failing.close()
    assert await mongo.append(log[1:]) == [Repeated()] * 3


async def test_i1_repeats_that_a_new_primary_does_not_have_are_stored_again(mongo_url, mongo):
    story = Chronicle()
    log = [story.created(), *story.chat(3)]
    await mongo.append(log[:1])
    before = await mongo.database.rooms.find_one({})
    await mongo.append(log)

    @asynccontextmanager
    async def lost_meanwhile():
        await mongo.database.events.delete_many({"seq": {"$gt": 1}})
        await mongo.database.rooms.update_one({}, {"$set": before})
        yield

    losing = watched_store(mongo_url, lost_meanwhile)
    with pytest.raises(StoreUnavailable):
        await losing.append(log[1:])
    await losing.close()
    assert await mongo.append(log[1:]) == [Stored()] * 3
    await assert_is_the_fold_of(mongo, log)


async def test_i8_a_fence_that_was_raised_before_is_not_told_before_a_majority_has_it(mongo_url, mongo):
    await mongo.append([Chronicle().created()])
    assert await mongo.raise_fence("general", "q1", BEGAN) == 2
    failing = failing_store(mongo_url, 2, "before")
    with pytest.raises(StoreUnavailable):
        await failing.raise_fence("general", "q1", BEGAN)
    await failing.close()


async def test_a_snapshot_reads_nobody_of_whom_the_room_keeps_nothing(mongo):
    story = Chronicle()
    await mongo.append([story.created(members=("alice", "bob", "carol"))])
    await mongo.append([story.left("bob"), story.event("member_banned", user="carol")])
    await mongo.database.members.update_one({"user": "bob"}, {"$unset": {"ban": ""}})
    state = (await mongo.snapshot("general")).state
    assert ([member.user for member in state.members], [ban.user for ban in state.bans]) == (["alice"], ["carol"])


async def test_i8_two_that_ask_at_once_get_two_terms(mongo_url, mongo):
    stores = [MongoStore(mongo_url, timeout_seconds=10) for _ in range(4)]
    terms = await asyncio.gather(
        *(each.raise_fence("general", f"q{number}", BEGAN) for number, each in enumerate(stores * 5))
    )
    assert sorted(terms) == list(range(1, 21))
    for each in stores:
        await each.close()


async def test_a_question_cut_off_in_mid_raise_gets_one_term(mongo_url, mongo):
    await mongo.append([Chronicle().created()])
    failing = failing_store(mongo_url, 2, "behind")
    with pytest.raises(StoreUnavailable):
        await failing.raise_fence("general", "q1", BEGAN)
    await failing.close()
    assert await mongo.raise_fence("general", "q1", BEGAN) == 2
    assert await mongo.raise_fence("general", "q2", BEGAN) == 3


async def test_a_store_that_is_not_there_is_unavailable_within_its_bound():
    nowhere = MongoStore("mongodb://127.0.0.1:1/test", timeout_seconds=0.3)
    async with asyncio.timeout(10):
        for ask in (nowhere.ping, nowhere.prepare):
            with pytest.raises(StoreUnavailable):
                await ask()
        with pytest.raises(StoreUnavailable):
            await nowhere.append([Chronicle().created()])
    await nowhere.close()
