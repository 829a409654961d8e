"""What reads of the Mongo adapter bring over: no more than is asked for, however much there is."""

from datetime import timedelta

import pytest

from services.history.intake import Repeated
from tests.contract.chronicle import BEGAN, Chronicle
from tests.contract.overheard import overheard_store

pytestmark = [pytest.mark.store, pytest.mark.timeout(60)]

MANY = 300
A_FEW = 10


@pytest.fixture
async def overheard(mongo_url, monkeypatch):
    """A store with one long talk of alice's, which keeps its messages for a day, and what is heard of it from then."""
    store, heard = overheard_store(mongo_url, monkeypatch)
    await store.prepare()
    story = Chronicle()
    await store.append([story.created(members=("alice", "bob"), retention_days=1), *story.chat(MANY)])
    heard.told()
    yield store, heard, story
    await store.close()


async def test_two_old_entries_far_apart_do_not_bring_over_what_is_between_them(overheard):
    store, heard, story = overheard
    assert await store.append([story.log[1], story.log[-1]]) == [Repeated(), Repeated()]
    assert 2 <= heard.told() < A_FEW


async def test_where_nothing_is_due_retention_looks_at_one_event(overheard):
    store, heard, _ = overheard
    record = await store.room("general")
    heard.told()
    assert await store.empty(record, BEGAN, MANY) == (0, False)
    assert 1 <= heard.told() < A_FEW
    assert (await store.empty(record, BEGAN + timedelta(days=1), MANY)).messages == MANY - 1


async def test_counting_ones_own_messages_brings_none_of_them_over(overheard):
    store, heard, _ = overheard
    record = await store.room("general")
    heard.told()
    assert await store.own_messages(record, "alice", 0, record.seq) == MANY
    assert await store.messages_through(record, record.seq) == MANY
    assert heard.told() < A_FEW
