"""The contract of `services.history.store.Store`, over every adapter."""

import random
from datetime import timedelta

import pytest

from schemas import limits
from schemas.answers import Accepted
from schemas.events import EVENTS
from services.history.fold import fold
from services.history.intake import Conflict, Repeated, StaleFence, Stored
from services.history.pages import Window
from services.history.store import FENCE_LIFETIME, REMEMBERED_QUESTIONS
from tests.contract.chronicle import BEGAN, Chronicle, as_told, whole_story

pytestmark = pytest.mark.timeout(60)


async def append(history, *entries):
    return await history.append(entries)


async def page(history, room="general", *, after=0, through=10**6, limit=200, **more):
    record = await history.room(room)
    return [event.seq for event in await history.page(record, Window(after, through, limit, **more))]


async def state(history, room="general"):
    return (await history.snapshot(room)).state


def folded(log):
    current = None
    for logged in log:
        current = fold(current, logged.entry)
    return current


async def test_a_room_nobody_made_is_not_there(history):
    assert await history.room("general") is None
    assert await history.snapshot("general") is None
    assert await history.lookup("general", "alice", "c1") is None
    assert await history.members("general", None, 10) == []


async def test_what_is_appended_is_found_again_as_it_was(history):
    story = whole_story(Chronicle())
    assert await history.append(story.log) == [Stored()] * len(story.log)
    record = await history.room("general")
    events = await history.page(record, Window(0, 100, 200))
    assert events == as_told(story.log)


def test_the_whole_story_tells_of_every_event_type():
    assert {logged.entry.event for logged in whole_story(Chronicle()).log if logged.entry.type == "event"} == set(
        EVENTS
    )


async def test_i7_a_snapshot_is_the_fold_of_the_whole_log(history):
    story = whole_story(Chronicle())
    await history.append(story.log)
    assert await state(history) == folded(story.log)


@pytest.mark.parametrize("batch", [1, 2, 5])
async def test_i7_a_snapshot_and_later_events_folded_equal_a_fresh_snapshot_for_every_entry(history, batch):
    log = whole_story(Chronicle()).log
    before = None
    for start in range(0, len(log), batch):
        part = log[start : start + batch]
        await history.append(part)
        expected = before
        for logged in part:
            expected = fold(expected, logged.entry)
        before = await state(history)
        assert before == expected, f"after {part[-1].entry}"


async def test_i2_the_same_entries_again_are_repeats_and_change_nothing(history):
    story = whole_story(Chronicle())
    await history.append(story.log)
    before = await history.snapshot("general")
    outcomes = await history.append(story.log)
    events = [outcome for outcome, logged in zip(outcomes, story.log, strict=True) if logged.entry.type == "event"]
    assert events == [Repeated()] * len(events)
    assert await history.snapshot("general") == before


@pytest.mark.parametrize("seed", range(5))
async def test_i1_entries_given_again_in_any_batches_lead_to_the_same_end(history, seed):
    chance = random.Random(seed)
    log = whole_story(Chronicle()).log
    start = 0
    while start < len(log):
        end = chance.randint(start + 1, len(log))
        outcomes = await history.append(log[start:end])
        assert all(isinstance(outcome, Stored | Repeated) for outcome in outcomes)
        start = chance.randint(max(0, start - 3), end)
    record = await history.room("general")
    assert await page(history) == list(range(1, record.seq + 1))
    assert await state(history) == folded(log)
    assert (record.members, record.messages) == (4, 3)


async def test_i2_the_same_entry_twice_in_one_batch_is_kept_once(history):
    story = Chronicle()
    created, said = story.created(), story.said()
    assert await append(history, created, said, said) == [Stored(), Stored(), Repeated()]
    assert await page(history) == [1, 2]
    assert (await history.room("general")).messages == 1


async def test_i3_a_hole_is_a_conflict_and_keeps_everything_behind_it_out(history):
    story = Chronicle()
    log = [story.created(), story.said(), story.said(), story.said()]
    outcomes = await append(history, log[0], log[2], log[3])
    assert [type(outcome) for outcome in outcomes] == [Stored, Conflict, Conflict]
    assert await page(history) == [1]
    assert await history.append(log[1:]) == [Stored()] * 3


async def test_i3_another_event_in_a_place_that_is_taken_is_a_conflict(history):
    story, other = Chronicle(), Chronicle()
    await append(history, story.created(), story.said("one"))
    other.created()
    [outcome] = await append(history, other.said("another", command_id="c9"))
    assert isinstance(outcome, Conflict)
    assert [event.text for event in await history.page(await history.room("general"), Window(1, 9, 9))] == ["one"]


async def test_an_event_of_another_epoch_is_a_conflict(history):
    story, other = Chronicle(), Chronicle(epoch="e2")
    await append(history, story.created())
    outcomes = await append(history, other.created(), other.said())
    assert [type(outcome) for outcome in outcomes] == [Conflict, Conflict]
    assert (await history.room("general")).epoch == "e1"


async def test_an_event_of_a_room_that_was_never_made_is_a_conflict(history):
    story = Chronicle()
    story.created()
    assert [type(outcome) for outcome in await append(history, story.said(), story.receipt("alice", read=1))] == [
        Conflict,
        Conflict,
    ]
    assert await history.room("general") is None


async def test_i1_i3_an_event_whose_command_id_was_used_long_ago_is_stored_and_the_room_goes_on(history):
    story = Chronicle()
    log = [story.created(), story.said(command_id="once"), story.said(), story.said(command_id="once"), story.said()]
    assert await history.append(log[:3]) == [Stored()] * 3
    assert await history.append(log[3:]) == [Stored(reused=True), Stored()]
    assert await append(history, story.said(command_id="once")) == [Stored(reused=True)]
    assert await page(history) == [1, 2, 3, 4, 5, 6]
    assert await state(history) == folded(story.log)


async def test_i1_i3_a_command_id_used_twice_in_one_batch_is_stored_twice(history):
    story = Chronicle()
    log = [story.created(), story.said(command_id="once"), story.said(command_id="once"), story.said()]
    assert await history.append(log) == [Stored(), Stored(), Stored(reused=True), Stored()]
    assert await page(history) == [1, 2, 3, 4]
    assert await history.lookup("general", "alice", "once") == Accepted.of(log[1].entry)


async def test_i2_a_reused_command_id_delivered_again_is_a_repeat_and_the_first_answer_stays(history):
    story = Chronicle()
    log = [story.created(), story.said(command_id="once"), story.said(command_id="once"), story.said()]
    for logged in log:
        await append(history, logged)
    assert await history.append(log) == [Repeated()] * 4
    assert await history.append(log[2:]) == [Repeated()] * 2
    assert await history.lookup("general", "alice", "once") == Accepted.of(log[1].entry)
    assert (await history.room("general")).messages == 3


async def test_the_same_command_id_of_another_actor_or_room_is_not_reused(history):
    story, other = Chronicle(), Chronicle("other")
    log = [story.created(), story.said(command_id="once"), story.said(actor="bob", command_id="once")]
    assert await history.append([*log, other.created(), other.said(command_id="once")]) == [Stored()] * 5


async def test_a_conflict_in_one_room_leaves_the_others_alone(history):
    good, bad = Chronicle("good"), Chronicle("bad")
    bad.created()
    outcomes = await append(history, good.created(), bad.said(), good.said())
    assert [type(outcome) for outcome in outcomes] == [Stored, Conflict, Stored]
    assert await page(history, "good") == [1, 2]


async def test_i8_a_lower_fence_changes_nothing(history):
    story = Chronicle(fence=1)
    await append(history, story.created())
    assert await history.raise_fence("general", "q1", BEGAN) == 2
    assert await append(history, story.said(), story.receipt("alice", read=1)) == [StaleFence(2), StaleFence(2)]
    assert await page(history) == [1]
    assert (await state(history)).members[0].read == 0


async def test_i8_a_lower_fence_cannot_make_a_room(history):
    await history.raise_fence("general", "q1", BEGAN)
    await history.raise_fence("general", "q2", BEGAN)
    assert await append(history, Chronicle(fence=1).created()) == [StaleFence(2)]
    assert await history.room("general") is None


async def test_what_was_stored_before_the_fence_rose_is_a_repeat_and_not_stale(history):
    story = Chronicle(fence=1)
    log = [story.created(), story.said()]
    await history.append(log)
    await history.raise_fence("general", "q1", BEGAN)
    assert await history.append(log) == [Repeated(), Repeated()]


async def test_i8_each_question_gets_the_next_term_and_the_same_one_again_its_own(history):
    terms = [await history.raise_fence("general", f"q{number}", BEGAN) for number in range(4)]
    assert terms == [1, 2, 3, 4]
    assert await history.raise_fence("general", "q1", BEGAN) == 2
    assert await history.raise_fence("general", "q3", BEGAN) == 4
    assert await history.raise_fence("general", "q9", BEGAN) == 5


async def test_only_the_latest_questions_are_remembered(history):
    for number in range(REMEMBERED_QUESTIONS + 1):
        await history.raise_fence("general", f"q{number}", BEGAN)
    assert await history.raise_fence("general", "q1", BEGAN) == 2
    assert await history.raise_fence("general", "q0", BEGAN) == REMEMBERED_QUESTIONS + 2


async def test_the_fence_of_a_room_that_never_came_to_be_is_forgotten(history):
    later = BEGAN + FENCE_LIFETIME + timedelta(seconds=1)
    await history.raise_fence("general", "q1", BEGAN)
    assert await history.raise_fence("general", "q2", BEGAN) == 2
    await history.raise_fence("another", "q3", later)
    assert await history.raise_fence("general", "q4", later) == 1


async def test_the_fence_of_a_room_that_is_there_stays_for_good(history):
    later = BEGAN + FENCE_LIFETIME + timedelta(seconds=1)
    fence = await history.raise_fence("general", "q1", BEGAN)
    await append(history, Chronicle(fence=fence).created())
    await history.raise_fence("another", "q2", later)
    assert await history.raise_fence("general", "q3", later) == fence + 1
    await history.raise_fence("another", "q4", later + FENCE_LIFETIME * 2)
    assert await history.raise_fence("general", "q5", later + FENCE_LIFETIME * 2) == fence + 2


async def test_a_room_made_without_a_fence_on_record_brings_its_own(history):
    await append(history, Chronicle(fence=7).created())
    assert await history.raise_fence("general", "q1", BEGAN) == 8


async def test_i2_a_snapshot_brings_the_latest_commands_oldest_first_with_their_answers(history):
    story = Chronicle()
    await append(history, story.created(), *story.chat(limits.RECENT_COMMANDS + 5))
    recent = (await history.snapshot("general")).recent
    expected = [logged.entry for logged in story.log][-limits.RECENT_COMMANDS :]
    assert [command.answer for command in recent] == [Accepted.of(event) for event in expected]
    assert recent[-1].answer.message_id == expected[-1].message_id
    assert {command.actor for command in recent} == {"alice"}


async def test_i2_a_command_is_looked_up_however_old(history):
    story = Chronicle()
    created, said = story.created(), story.said(command_id="once")
    await append(history, created, said, *story.chat(3))
    assert await history.lookup("general", "alice", "once") == Accepted.of(said.entry)
    assert await history.lookup("general", "bob", "once") is None
    assert await history.lookup("other", "alice", "once") is None


async def test_pages_hold_the_events_of_their_window_oldest_first(history):
    story = Chronicle()
    await append(history, story.created(), *story.chat(9))
    assert await page(history, after=3, limit=4) == [4, 5, 6, 7]
    assert await page(history, limit=3, newest=True) == [8, 9, 10]
    assert await page(history, through=5, limit=3, newest=True) == [3, 4, 5]
    assert await page(history, after=9) == [10]
    assert await page(history, after=10) == []


async def test_a_page_of_messages_leaves_all_else_out_before_the_limit_counts(history):
    story = Chronicle()
    await append(history, story.created(), story.said(), story.joined("bob"), story.joined("carol"), story.said())
    assert await page(history, limit=2, messages=True) == [2, 5]
    assert await page(history, limit=1, messages=True, newest=True) == [5]


async def test_messages_are_counted_and_nothing_else(history):
    story = Chronicle()
    await append(history, story.created(), story.said(), story.joined("bob"), story.said())
    record = await history.room("general")
    assert record.messages == 2
    assert [await history.messages_through(record, seq) for seq in range(5)] == [0, 0, 1, 1, 2]


async def test_the_directory_lists_public_open_rooms_newest_activity_first(history):
    for number, (name, visibility) in enumerate([("a", "public"), ("b", "private"), ("c", "public"), ("d", "direct")]):
        await append(history, *[(story := Chronicle(name)).created(visibility=visibility), *story.chat(number)])
    closed = Chronicle("closed")
    await append(history, closed.created(), closed.event("room_closed"))
    listed = await history.directory(0, 10)
    assert ([record.room for record in listed.rooms], listed.total) == (["c", "a"], 2)
    part = await history.directory(1, 1)
    assert ([record.room for record in part.rooms], part.total) == (["a"], 2)


async def test_the_directory_forgets_a_room_that_turns_private(history):
    story = Chronicle()
    await append(history, story.created())
    await append(history, story.event("room_updated", visibility="private"))
    assert (await history.directory(0, 10)).total == 0


async def test_the_rooms_of_a_user_are_those_they_are_a_member_of_now(history):
    for number, name in enumerate(["a", "b", "c"]):
        await append(history, *[(story := Chronicle(name)).created(members=("alice", "bob")), *story.chat(number)])
        if name == "c":
            await append(history, story.left("bob"))
    listed = await history.rooms_of("bob", 0, 10)
    assert ([record.room for record in listed.rooms], listed.total) == (["b", "a"], 2)
    assert ([record.room for record in (await history.rooms_of("bob", 1, 1)).rooms]) == ["a"]
    assert await history.rooms_of("stranger", 0, 10) == ([], 0)


async def test_members_come_by_user_id_behind_the_one_named(history):
    story = Chronicle()
    await append(history, story.created(members=("bob", "alice", "ümit", "dave")), story.left("dave"))
    assert [member.user for member in await history.members("general", None, 10)] == ["alice", "bob", "ümit"]
    assert [member.user for member in await history.members("general", "alice", 1)] == ["bob"]


async def test_standings_tell_members_from_those_who_left(history):
    for name in ("a", "b"):
        story = Chronicle(name)
        await append(history, story.created(members=("alice", "bob")))
    await append(history, story.left("bob"))
    standings = await history.standings("bob", ["a", "b", "c"])
    assert {room: standing.membership is not None for room, standing in standings.items()} == {"a": True, "b": False}
    assert await history.standings("stranger", ["a", "b"]) == {}


async def test_marks_only_grow(history):
    story = Chronicle()
    await append(history, story.created(), *story.chat(5), story.receipt("alice", read=4, delivered=5))
    await append(history, story.receipt("alice", read=2, delivered=6))
    [alice] = await history.members("general", None, 10)
    assert (alice.read, alice.delivered) == (4, 6)


async def test_a_new_membership_begins_without_marks_and_old_receipts_do_not_bring_them_back(history):
    story = Chronicle()
    await append(history, story.created(members=("alice", "bob")), *story.chat(3), story.receipt("bob", read=4))
    await append(history, story.left("bob"), story.joined("bob"))
    assert [member.read for member in await history.members("general", None, 10)] == [0, 0]
    await append(history, story.receipt("bob", read=6))
    assert [member.read for member in await history.members("general", None, 10)] == [0, 6]


async def test_a_receipt_of_somebody_who_is_no_member_says_nothing(history):
    story = Chronicle()
    await append(history, story.created(), story.receipt("stranger", read=1))
    assert [member.user for member in (await state(history)).members] == ["alice"]


async def test_a_store_that_answers_can_be_pinged(history):
    await history.ping()


async def test_bans_are_told_by_user_id_in_code_point_order(history):
    story = Chronicle()
    log = [story.created(members=("alice", "bob"))]
    log += [story.event("member_banned", user=user, text=f"for {user}") for user in ("zoë", "bob", "Dan", "eve")]
    log += [
        story.event("member_unbanned", user="eve"),
        story.joined("erin", role="reader"),
        story.left("erin", kept=True),
    ]
    await append(history, *log)
    assert [(ban.user, ban.text) for ban in await history.bans("general", None, 10)] == [
        ("Dan", "for Dan"),
        ("bob", "for bob"),
        ("zoë", "for zoë"),
    ]
    assert [ban.user for ban in await history.bans("general", "Dan", 1)] == ["bob"]
    assert await history.bans("elsewhere", None, 10) == []


async def test_invites_are_told_by_id_and_a_revoked_one_is_known_for_what_it_was(history):
    story = Chronicle()
    at = BEGAN + timedelta(days=1)
    created = story.created()
    ids = ("invite-b", "invite-a", "invite-c")
    made = [story.event("invite_created", invite=invite, role="member", expires_at=at) for invite in ids]
    await append(history, created, *made)
    await append(history, story.event("invite_revoked", invite="invite-c"), story.joined("bob", invite="invite-a"))
    assert [(invite.invite, invite.uses) for invite in await history.invites("general")] == [
        ("invite-a", 1),
        ("invite-b", 0),
    ]
    assert (await history.invite("general", "invite-a")).state.uses == 1
    assert (await history.invite("general", "invite-c")).state is None
    assert await history.invite("general", "invite-d") is None
    assert await history.invite("elsewhere", "invite-a") is None
    assert await history.invites("elsewhere") == []
