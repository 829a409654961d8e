"""Messages on the Mongo adapter when writers and keepers are stopped in the middle, or wake up late: what is deleted or
emptied is in no document, and counts are right."""

import asyncio
from datetime import timedelta

import pytest

from services.history.intake import Repeated, Stored
from services.history.pages import Window
from services.history.store import StoreUnavailable
from services.history.store_mongo import MongoStore
from tests.contract.chronicle import BEGAN, Chronicle, as_told
from tests.contract.interrupted import COLLECTIONS, failing_store, paused_store

pytestmark = [pytest.mark.store, pytest.mark.timeout(60)]

SECRETS = ("sesame", "swordfish", "xyzzy")
NOW = BEGAN + timedelta(days=2)


def a_talk(**fields):
    """A room in which secrets are told, edited, liked and deleted."""
    story = Chronicle()
    story.created(members=("alice", "bob", "carol"), **fields)
    story.said("open sesame", mentions=["bob"], metadata={"hint": "sesame"})
    story.said("nothing to hide")
    story.event("reaction_added", target=2, emoji="👍", actor="bob")
    story.event("message_edited", target=2, text="say swordfish")
    story.event("reaction_added", target=2, emoji="👍", actor="carol")
    story.event("reaction_added", target=3, emoji="👍", actor="bob")
    story.event("message_edited", target=2, text="whisper xyzzy")
    story.event("reaction_added", target=3, emoji="👍", actor="carol")
    story.event("reaction_removed", target=3, emoji="👍", actor="bob")
    story.event("message_edited", target=3, text="still nothing to hide")
    story.event("message_deleted", target=2)
    story.event("reaction_added", target=3, emoji="🎉", actor="bob")
    return story


async def everything(mongo):
    """All that any document of the database holds, as text."""
    database = mongo.database.events.database
    documents = [
        document for name in await database.list_collection_names() async for document in database[name].find({})
    ]
    return repr(documents).lower()


async def told(mongo):
    return await mongo.page(await mongo.room("general"), Window(0, 1000, 200))


async def append_in_turn(store, *batches):
    for batch in batches:
        await store.append(batch)


async def empty_all(store, record):
    while (await store.empty(record, NOW, 4)).more:
        pass


async def reactions_by_user(mongo):
    users = ("alice", "bob", "carol")
    return {user: (await mongo.target("general", 3, user)).reacted for user in users}


async def assert_all_is_as_told(mongo, story):
    assert await told(mongo) == as_told(story.log)
    assert await reactions_by_user(mongo) == {"alice": (), "bob": ("🎉",), "carol": ("👍",)}
    held = await everything(mongo)
    assert "still nothing to hide" in held
    assert [secret for secret in SECRETS if secret in held] == []


async def test_the_watched_collections_are_all_there_are(mongo):
    await mongo.append(a_talk().log)
    await mongo.raise_fence("general", "q", BEGAN)
    await mongo.append([Chronicle("other").created(), Chronicle("other").receipt("alice")])
    names = set(await mongo.database.events.database.list_collection_names())
    assert names - {"invites"} == set(COLLECTIONS) - {"invites"}


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_after_a_delete_no_document_holds_the_text_any_more(mongo, size):
    story = a_talk()
    for start in range(0, len(story.log), size):
        await mongo.append(story.log[start : start + size])
    await assert_all_is_as_told(mongo, story)


async def test_a_text_that_an_edit_replaced_is_in_no_document(mongo):
    await mongo.append(a_talk().log[:8])
    held = await everything(mongo)
    assert [secret for secret in SECRETS if secret in held.replace('\'{"hint": "sesame"}\'', "")] == ["xyzzy"]


@pytest.mark.parametrize("moment", ["before", "behind"])
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize(("known", "held", "size"), [(0, 9, 1), (0, 100, 4), (3, 9, 100), (3, 100, 1), (5, 100, 2)])
async def test_messages_cut_off_at_any_write_are_healed_when_they_come_again(
    mongo_url, mongo, moment, number, known, held, size
):
    story = a_talk()
    await mongo.append(story.log[:known])
    failing = failing_store(mongo_url, number, moment)
    with pytest.raises(StoreUnavailable):
        await append_in_turn(failing, story.log[known : known + held], story.log[known + held :] or story.log)
    await failing.close()
    for start in range(known, len(story.log), size):
        outcomes = await mongo.append(story.log[start : start + size])
        assert all(isinstance(outcome, Stored | Repeated) for outcome in outcomes)
    await assert_all_is_as_told(mongo, story)


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize(("known", "held"), [(3, 3), (3, 6), (3, 9), (3, 100), (5, 4)])
async def test_a_former_writer_that_wakes_up_late_neither_miscounts_nor_brings_a_text_back(
    mongo_url, mongo, number, known, held
):
    story = a_talk()
    await mongo.append(story.log[:known])
    zombie, there, go = paused_store(mongo_url, number)
    writing = asyncio.create_task(zombie.append(story.log[known : known + held]))
    await asyncio.wait_for(there.wait(), 30)
    for logged in story.log[known:]:
        await mongo.append([logged])
    go.set()
    await writing
    await zombie.close()
    await assert_all_is_as_told(mongo, story)


@pytest.mark.parametrize("number", range(1, 5))
async def test_a_writer_that_takes_over_from_one_in_mid_batch_counts_every_reaction_once(mongo_url, mongo, number):
    story = a_talk()
    await mongo.append(story.log[:3])
    zombie, there, go = paused_store(mongo_url, number)
    writing = asyncio.create_task(zombie.append(story.log[3:]))
    await asyncio.wait_for(there.wait(), 30)
    await mongo.append(story.log[3:8])
    go.set()
    await writing
    await mongo.append(story.log[8:])
    await zombie.close()
    await assert_all_is_as_told(mongo, story)


@pytest.mark.parametrize("number", range(1, 5))
async def test_a_writer_under_way_while_its_room_is_emptied_brings_no_text_back(mongo_url, mongo, number):
    story = a_talk(retention_days=1)
    later = [
        story.event("message_edited", target=3, text="back again"),
        story.event("reaction_added", target=3, emoji="👍", actor="alice"),
    ]
    await mongo.append(story.log[: -len(later)])
    writer, there, go = paused_store(mongo_url, number)
    writing = asyncio.create_task(writer.append(later))
    await asyncio.wait_for(there.wait(), 30)
    since = later[0].entry.at
    await mongo.empty(await mongo.room("general"), since, 500)
    go.set()
    await writing
    await writer.close()
    record = await mongo.room("general")
    message = await mongo.message("general", f"msg_{3:019d}")
    assert (record.preview, message.text, message.deleted, message.reactions) == ("", None, True, None)
    assert [event.text for event in await told(mongo) if event.event == "message_edited"] == [None] * 4
    await mongo.empty(record, since, 500)
    held = await everything(mongo)
    assert [text for text in ("back", "again", "hide", "nothing") if text in held] == []


@pytest.mark.parametrize("moment", ["before", "behind"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_keeper_cut_off_at_any_write_is_followed_by_one_that_ends_its_work(mongo_url, mongo, number, moment):
    story = a_talk(retention_days=1)
    await mongo.append(story.log)
    record = await mongo.room("general")
    failing = failing_store(mongo_url, number, moment)
    with pytest.raises(StoreUnavailable):
        await empty_all(failing, record)
    await failing.close()
    await empty_all(mongo, record)
    assert "hide" not in await everything(mongo)
    assert await mongo.append(story.log) == [Repeated()] * len(story.log)


async def test_a_keeper_that_wakes_up_late_empties_nothing_that_is_not_due(mongo_url, mongo):
    story = a_talk(retention_days=1)
    await mongo.append(story.log)
    keeper, there, go = paused_store(mongo_url, 1)
    emptying = asyncio.create_task(keeper.empty(await mongo.room("general"), NOW, 500))
    await asyncio.wait_for(there.wait(), 30)
    await mongo.empty(await mongo.room("general"), NOW, 500)
    await mongo.append([story.said("new")])
    go.set()
    assert await emptying == (0, False)
    await keeper.close()
    record = await mongo.room("general")
    assert (record.preview, (await told(mongo))[-1].text) == ("new", "new")


async def test_messages_inserted_but_not_folded_are_not_found(mongo_url, mongo):
    story = a_talk()
    await mongo.append(story.log)
    failing = failing_store(mongo_url, 1, "behind")
    hidden = [story.said("coffee"), story.said("more coffee")]
    with pytest.raises(StoreUnavailable):
        await failing.append(hidden)
    await failing.close()
    assert await mongo.search(["general"], "coffee", 1) == []
    assert await mongo.message("general", hidden[0].entry.message_id) is None
    assert await mongo.target("general", hidden[0].entry.seq, "bob") is None
    await mongo.append(hidden)
    assert [message.text for message in await mongo.search(["general"], "coffee", 1)] == ["more coffee"]


async def test_a_store_begun_before_messages_could_be_changed_is_taken_over(mongo_url, mongo):
    story = Chronicle()
    await mongo.append([story.created(), *(story.said(f"coffee {number}") for number in range(3))])
    for name, index in (await mongo.database.events.index_information()).items():
        if {"words", "message_id"} & {field for field, _ in index["key"]}:
            await mongo.database.events.drop_index(name)
    await mongo.database.events.update_many({}, {"$unset": {"amended": "", "deleted": "", "words": ""}})
    again = MongoStore(mongo_url, timeout_seconds=10)
    for _ in range(2):
        await again.prepare()
    await again.append([story.event("message_edited", target=2, text="tea"), story.event("message_deleted", target=3)])
    assert await told(again) == as_told(story.log)
    assert [message.seq for message in await again.search(["general"], "coffee", 9)] == [4]
    assert (await again.message("general", f"msg_{2:019d}")).text == "tea"
    keys = [index["key"] for index in (await again.database.events.index_information()).values()]
    assert [[field for field, _ in key] for key in keys if len(key) > 1] == [
        ["room", "epoch", "seq"],
        ["room", "actor", "applied"],
        ["room", "message_id"],
        ["room", "words", "message_id"],
    ]
    await again.close()
