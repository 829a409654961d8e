"""The contract of `services.history.store.Store` on retention: emptied behind a mark, in steps, and for good."""

from datetime import timedelta

import pytest

from services.history.intake import Repeated, Stored
from services.history.pages import Window
from tests.contract.chronicle import BEGAN, Chronicle

pytestmark = pytest.mark.timeout(60)

MOST = 100


def moment(seq):
    """When the event at `seq` happens."""
    return BEGAN + timedelta(seconds=seq)


def a_talk(room="general", **fields):
    story = Chronicle(room)
    story.created(members=("alice", "bob"), **{"retention_days": 1} | fields)
    for number in range(2, 7):
        story.said(f"text {number}", metadata={"n": number}, mentions=["bob"])
    return story


async def texts(history):
    events = await history.page(await history.room("general"), Window(0, 10**6, 200))
    return [event.text for event in events if event.event == "message_posted"]


async def empty(history, since, limit=MOST):
    return await history.empty(await history.room("general"), since, limit)


async def test_messages_that_were_kept_for_long_enough_are_as_if_deleted_and_rows_stay(history):
    story = a_talk()
    await history.append([*story.log, story.event("message_edited", target=2, text="edited")])
    assert await empty(history, moment(4)) == (2, False)
    record = await history.room("general")
    events = await history.page(record, Window(0, 100, 200))
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6, 7]
    for event in events[1:3]:
        assert (event.text, event.metadata, event.mentions, event.deleted) == (None, {}, (), True)
        assert event.edited_seq is None
    assert events[6].text is None
    assert [event.text for event in events[3:6]] == ["text 4", "text 5", "text 6"]
    assert (record.messages, record.preview) == (5, "text 6")
    assert (await history.target("general", 2, "bob")).message.deleted
    assert await history.search(["general"], "2", 5) == []


async def test_a_room_is_gone_through_in_bounded_steps_and_only_once(history):
    await history.append(a_talk().log)
    assert await empty(history, moment(6), limit=3) == (2, True)
    assert await empty(history, moment(6), limit=3) == (2, False)
    assert await texts(history) == [None, None, None, None, "text 6"]
    assert await empty(history, moment(6)) == (0, False)
    assert await empty(history, moment(5)) == (0, False)
    assert await empty(history, moment(7)) == (1, False)


async def test_nothing_is_due_before_its_time(history):
    await history.append(a_talk().log)
    assert await empty(history, moment(2)) == (0, False)
    assert None not in await texts(history)


async def test_a_moment_is_reckoned_exactly_with_and_without_a_fraction(history):
    await history.append(a_talk().log)
    assert await empty(history, moment(3) + timedelta(microseconds=1)) == (2, False)
    assert await empty(history, moment(4)) == (0, False)


async def test_the_preview_goes_with_the_last_message(history):
    await history.append(a_talk().log)
    await empty(history, moment(100))
    assert (await history.room("general")).preview == ""


async def test_no_later_event_brings_a_text_back(history):
    story = a_talk()
    await history.append(story.log)
    await empty(history, moment(100))
    later = [
        story.event("message_edited", target=6, text="back"),
        story.event("reaction_added", target=6, emoji="👍", actor="bob"),
        story.event("message_deleted", target=5),
    ]
    assert await history.append(later) == [Stored()] * 3
    record = await history.room("general")
    assert (await texts(history), record.preview) == ([None] * 5, "")
    assert (await history.page(record, Window(6, 9, 9)))[0].text is None
    assert (await history.target("general", 6, "bob")).reacted == ()
    assert await empty(history, moment(100)) == (0, False)


async def test_what_is_said_later_is_kept_until_its_own_time_has_come(history):
    story = a_talk()
    await history.append(story.log)
    await empty(history, moment(100))
    await history.append([story.said("new")])
    assert (await history.room("general")).preview == "new"
    assert await empty(history, moment(7)) == (0, False)
    assert (await texts(history))[-1] == "new"


async def test_i2_emptied_messages_delivered_again_are_repeats_and_stay_empty(history):
    story = a_talk()
    story.event("message_edited", target=2, text="edited")
    await history.append(story.log)
    await empty(history, moment(100))
    assert await history.append(story.log) == [Repeated()] * 7
    assert await texts(history) == [None] * 5


async def test_only_rooms_with_retention_are_to_be_emptied_by_id(history):
    for name, days in (("c", 2), ("a", 1), ("b", None), ("d", 3)):
        await history.append(a_talk(name, retention_days=days).log)
    await history.append([Chronicle("e").created()])
    assert [(room.room, room.retention_days) for room in await history.rooms_to_empty(None, 9)] == [
        ("a", 1),
        ("c", 2),
        ("d", 3),
    ]
    assert [room.room for room in await history.rooms_to_empty("a", 1)] == ["c"]
    assert await history.rooms_to_empty("d", 9) == []
