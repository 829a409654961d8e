"""Sorting a batch against what a store knows. The contract suite proves the rest, over every store."""

from dataclasses import replace

from services.history.fold import change_of
from services.history.intake import Command, Conflict, Kept, Known, Repeated, StaleFence, Stored, place_of, plan
from services.history.messages import kept_form
from services.history.records import Projection
from tests.contract.chronicle import Chronicle


def known_after(story, fence=0):
    """What a store knows that has folded all of a story so far."""
    projection, kept = Projection(), {}
    for logged in story.log:
        projection.apply(change_of(logged.entry, projection))
        kept[place_of(logged.entry)] = Kept(logged.entry, 1, projection.room.members, projection.room.messages)
    return Known({story.room: projection}, {story.room: fence}, kept)


def a_room(*users):
    story = Chronicle()
    story.created(members=users or ("alice",))
    return story


def test_new_events_are_planned_with_the_counts_behind_them():
    story = a_room()
    known = known_after(story)
    planned = plan([story.joined("bob"), story.said(), story.left("bob")], known)
    assert planned.outcomes == [Stored()] * 3
    assert [(kept.members, kept.messages) for kept in planned.events.values()] == [(2, 0), (2, 1), (1, 1)]
    assert planned.rooms["general"].seq == 4
    assert planned.moved == {("general", "bob")}


def test_what_is_known_is_left_as_it_is():
    story = a_room()
    known = known_after(story)
    plan([story.joined("bob"), story.said()], known)
    assert known.rooms["general"].room.seq == 1
    assert set(known.rooms["general"].standings) == {"alice"}


def test_a_repeat_changes_nothing_but_says_again_that_the_room_began():
    story = a_room()
    planned = plan(story.log, known_after(story))
    assert planned.outcomes == [Repeated()]
    assert (planned.events, planned.rooms, planned.begun) == ({}, {}, {"general": 1})


def test_an_event_kept_but_not_folded_is_folded_with_the_counts_kept_with_it():
    story = a_room("alice", "bob")
    known = known_after(story)
    banned = story.event("member_banned", user="bob")
    known.kept[place_of(banned.entry)] = Kept(banned.entry, 1, members=7, messages=3)
    planned = plan([banned, story.said()], known)
    assert planned.outcomes == [Repeated(), Stored()]
    assert (planned.rooms["general"].members, planned.rooms["general"].messages) == (7, 4)
    assert list(planned.events) == [1]


def test_i1_an_event_whose_command_made_another_before_is_planned_like_any_other():
    story = a_room()
    known = known_after(story)
    known.commands.add(Command("general", "alice", "old"))
    batch = [story.said(command_id=name) for name in ("old", "new", "new")]
    planned = plan(batch, known)
    assert planned.outcomes == [Stored(reused=True), Stored(), Stored(reused=True)]
    assert [kept.reused for kept in planned.events.values()] == [True, False, True]


def test_another_event_in_the_place_makes_holes_of_all_behind_it_in_its_room():
    story, other = a_room(), Chronicle("other")
    known = known_after(story)
    kept = story.said("kept").entry
    known.kept[place_of(kept)] = Kept(kept, 1, 1, 1)
    story.seq = 1
    planned = plan([story.said(), other.created(), story.said()], known)
    taken, hole = "another event is stored at seq 2", "after seq 1 comes 2, not 3"
    assert planned.outcomes == [Conflict(taken), Stored(), Conflict(hole)]


def test_i8_a_lower_fence_is_stale_unless_the_event_is_there_already():
    story = a_room()
    known = known_after(story, fence=2)
    assert plan([*story.log, story.said()], known).outcomes == [Repeated(), StaleFence(2)]


def test_another_event_kept_in_the_place_is_a_conflict_also_before_it_is_folded():
    story = a_room()
    known = known_after(story)
    kept = story.said("kept")
    known.kept[place_of(kept.entry)] = Kept(kept.entry, 1, 1, 1)
    story.seq = 1
    assert plan([story.said("other")], known).outcomes == [Conflict("another event is stored at seq 2")]


def test_a_second_beginning_is_a_conflict():
    story = a_room()
    known = known_after(story)
    assert plan([story.created()], known).outcomes == [Conflict("a room begins once")]


def test_what_later_events_leave_of_messages_is_planned_and_messages_as_posted_are_not():
    story = a_room()
    known = known_after(story)
    batch = [
        story.said("one"),
        story.said("two"),
        story.event("message_edited", target=2, text="better"),
        story.event("reaction_added", target=3, emoji="+1", actor="bob"),
        story.event("message_deleted", target=2),
    ]
    planned = plan(batch, known)
    assert planned.outcomes == [Stored()] * 5
    assert {key: (record.seq, record.message.text) for key, record in planned.messages.items()} == {
        ("general", 2): (6, None),
        ("general", 3): (5, "two"),
    }
    assert [record.kinds for record in planned.reactions.values()] == [("+1",)]
    assert [kept.event.text for kept in planned.events.values() if kept.event.event == "message_edited"] == [None]


def test_a_message_that_later_events_changed_is_repeated_when_it_comes_again():
    story = a_room()
    batch = [story.said("one"), story.said("two"), story.event("message_edited", target=2, text="better")]
    known = known_after(story)
    for place, kept in known.kept.items():
        record = known.rooms["general"].messages.get(place.seq)
        event = record.message if record is not None else kept_form(kept.event)
        known.kept[place] = replace(kept, event=event)
    assert plan(batch, known).outcomes == [Repeated()] * 3
    story.seq = 1
    other = plan([story.said("one", actor="bob")], known)
    assert other.outcomes == [Conflict("another event is stored at seq 2")]


def test_records_of_messages_that_an_earlier_try_wrote_are_planned_as_they_are():
    story = a_room()
    log = [story.said("one"), story.event("reaction_added", target=2, emoji="+1", actor="bob")]
    ahead, known = known_after(story).rooms["general"], Known()
    planned = plan([story.log[0], *log], known)
    known.rooms["general"] = Projection(planned.rooms["general"], {}, {}, ahead.messages, ahead.reactions)
    known.rooms["general"].room = known_after(a_room()).rooms["general"].room
    planned = plan(log, known)
    assert planned.messages["general", 2] == ahead.messages[2]
    assert [*planned.reactions.values()] == [*ahead.reactions.values()]


def test_a_receipt_counts_for_its_epoch_only():
    story, other = a_room(), Chronicle(epoch="e2")
    known = known_after(story)
    other.seq = 1
    planned = plan([story.receipt("alice", read=1), other.receipt("alice", read=1)], known)
    assert planned.outcomes == [Stored(), Conflict("the room's epoch is e1")]
    assert planned.marked == {("general", "alice")}
    assert planned.standings["general", "alice"].membership.read == 1


def test_a_receipt_and_the_end_of_the_membership_in_one_batch_leave_no_member():
    story = a_room("alice", "bob")
    known = known_after(story)
    planned = plan([story.receipt("bob", read=1), story.left("bob")], known)
    assert planned.standings["general", "bob"].membership is None


def test_a_receipt_of_somebody_unknown_writes_nothing():
    story = a_room()
    known = known_after(story)
    assert plan([story.receipt("stranger", read=1)], known).standings == {}
