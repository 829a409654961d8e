"""What a reader gets to see."""

import pytest

from schemas import limits
from schemas.events import EVENT
from schemas.queries import HoleQuery, PageQuery
from services.history.fold import change_of
from services.history.pages import (
    Window,
    applied_command,
    fitting,
    may_read,
    member_view,
    needs_count,
    own_sought_after,
    read_through,
    room_view,
    unread,
    window_of,
)
from services.history.records import Projection
from tests.contract.chronicle import Chronicle

HEAD = 100


def page(**fields):
    return PageQuery(room="general", actor="alice", **fields)


@pytest.mark.parametrize(
    ("query", "window"),
    [
        (page(), Window(0, 100, 50, newest=True)),
        (page(limit=5, messages=True), Window(0, 100, 5, newest=True, messages=True)),
        (page(after=7), Window(7, 100, 50)),
        (page(after=0), Window(0, 100, 50)),
        (page(before=7), Window(0, 6, 50, newest=True)),
        (page(before=1000), Window(0, 100, 50, newest=True)),
        (page(after=3, before=7), Window(3, 6, 50)),
        (HoleQuery(room="general", after=3, limit=4), Window(3, 100, 4)),
    ],
)
def test_a_query_asks_for_its_window(query, window):
    assert window_of(query, HEAD) == window


def room_of(visibility="public", **more):
    """A room, its records, and its story."""
    story = Chronicle()
    projection = Projection()
    for logged in [story.created(visibility=visibility, members=("alice", "bob")), story.left("bob"), *story.chat(3)]:
        projection.apply(change_of(logged.entry, projection))
    return projection, story


@pytest.mark.parametrize(
    ("visibility", "user", "allowed"),
    [
        ("public", "alice", True),
        ("public", "bob", True),
        ("public", "stranger", True),
        ("private", "alice", True),
        ("private", "bob", False),
        ("private", "stranger", False),
        ("direct", "alice", True),
        ("direct", "bob", False),
        ("direct", "stranger", False),
    ],
)
def test_i10_rooms_that_are_not_public_are_read_by_members_alone(visibility, user, allowed):
    projection, _ = room_of(visibility)
    assert may_read(projection.room, projection.standings.get(user)) is allowed


def marked(projection, **marks):
    return projection.standings["alice"].membership.model_copy(update=marks)


def test_what_came_before_the_joining_is_never_unread():
    projection, _ = room_of()
    assert read_through(projection.room, marked(projection, joined_seq=4)) == 4
    assert read_through(projection.room, marked(projection, joined_seq=1, read=3)) == 3


def test_a_mark_beyond_the_room_counts_as_its_end():
    projection, _ = room_of()
    assert read_through(projection.room, marked(projection, read=10**6)) == projection.room.seq


def test_nothing_is_asked_for_where_nothing_can_be_unread():
    projection, _ = room_of()
    assert not needs_count(projection.room, marked(projection, read=5))
    assert needs_count(projection.room, marked(projection, read=4))


def test_ones_own_messages_are_sought_behind_the_mark_but_not_for_ever():
    projection, _ = room_of()
    room = projection.room.model_copy(update={"seq": 9_000, "last_message_seq": 8_000})
    assert [own_sought_after(room, mark) for mark in (0, 2_999, 3_000, 3_001, 7_999)] == [3_000] * 3 + [3_001, 7_999]


def test_unread_are_the_messages_of_others_behind_the_mark():
    projection, _ = room_of()
    assert [unread(projection.room, read, 0) for read in (0, 1, 3, 9)] == [3, 2, 0, 0]
    assert [unread(projection.room, 0, own) for own in (1, 3, 4)] == [2, 0, 0]


def test_a_view_shows_members_what_is_their_own_and_strangers_nothing_of_it():
    projection, _ = room_of()
    mine = room_view(projection.room, projection.standings["alice"], 2)
    assert (mine.role, mine.unread, mine.preview, mine.member_count) == ("owner", 2, "message 2", 1)
    for standing in (None, projection.standings["bob"]):
        others = room_view(projection.room, standing, 2)
        assert (others.role, others.unread) == (None, None)


def test_a_room_without_messages_has_no_preview():
    projection, _ = room_of()
    assert room_view(projection.room.model_copy(update={"preview": ""}), None).preview is None


def test_a_member_is_shown_by_name_and_role():
    projection, _ = room_of()
    view = member_view(projection.standings["alice"].membership)
    assert (view.user, view.role, view.online) == ("alice", "owner", False)


def test_i2_an_applied_command_carries_the_answer_it_got():
    _, story = room_of()
    said, left = story.log[-1].entry, story.log[1].entry
    command = applied_command(said)
    assert (command.actor, command.command_id) == (said.actor, said.command_id)
    assert (command.answer.seq, command.answer.message_id, command.answer.at) == (said.seq, said.message_id, said.at)
    assert applied_command(left).answer.message_id is None


def test_i2_the_answer_to_an_invite_names_it_again_and_nobody_elses_does():
    head = {"room": "r", "epoch": "e1", "seq": 2, "at": "2026-11-20T12:00:00Z", "actor": "alice", "command_id": "c"}
    facts = {"invite": "invite-1", "role": "member"}
    made = EVENT.validate_python(head | facts | {"event": "invite_created", "expires_at": "2026-11-27T12:00:00Z"})
    used = EVENT.validate_python(head | facts | {"event": "member_joined", "user": "bob"})
    assert applied_command(made).answer.invite == "invite-1"
    assert applied_command(used).answer.invite is None


def said(seq, text):
    return EVENT.validate_python(
        {
            "event": "message_posted",
            "room": "r",
            "epoch": "e",
            "seq": seq,
            "at": "2026-11-20T12:00:00Z",
            "actor": "ann",
            "command_id": f"c{seq}",
            "message_id": f"msg_{seq}",
            "text": text,
        }
    )


@pytest.mark.parametrize(("newest", "kept"), [(False, range(1, 32)), (True, range(170, 201))])
def test_a_page_ends_before_it_is_too_large_on_the_side_that_was_asked_for(newest, kept):
    events = [said(seq, "x" * limits.TEXT_BYTES) for seq in range(1, 201)]
    assert [event.seq for event in fitting(events, newest=newest)] == list(kept)


def test_a_page_of_one_event_is_never_empty(monkeypatch):
    monkeypatch.setattr(limits, "PAGE_BYTES", 1)
    assert [event.seq for event in fitting([said(1, "hi"), said(2, "ho")], newest=True)] == [2]
    assert fitting([], newest=False) == ()
