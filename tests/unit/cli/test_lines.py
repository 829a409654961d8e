"""What is read on the screen."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from clients.cli.lines import notice, problem, render, room_line, said
from clients.cli.telling import line_of, messages_of
from clients.cli.wire import UnknownEvent
from schemas.events import EVENT, EVENTS, MessageDeleted, MessageEdited, MessagePosted
from schemas.queries import RoomView

AT = datetime(2026, 11, 20, 10, 42, tzinfo=UTC)
BASE = {"room": "general", "epoch": "e1", "at": AT, "actor": "alice", "command_id": "c"}
FIELDS = {
    "room_created": {"title": "T", "visibility": "public", "capacity": 5, "members": []},
    "room_updated": {"title": "New"},
    "member_joined": {"user": "bob", "role": "member"},
    "member_left": {"user": "bob", "reason": "kicked", "text": "noise"},
    "member_banned": {"user": "bob", "text": "spam"},
    "member_unbanned": {"user": "bob"},
    "member_changed": {"user": "bob", "muted": True},
    "invite_created": {"invite": "invite-12", "role": "member", "expires_at": AT},
    "invite_revoked": {"invite": "invite-12"},
    "message_posted": {"message_id": "msg_1", "text": "hi"},
    "message_edited": {"target": 1, "text": "hi!"},
    "message_deleted": {"target": 1},
    "reaction_added": {"target": 1, "emoji": "*"},
    "reaction_removed": {"target": 1, "emoji": "*"},
}


def event(name, **fields):
    return EVENT.validate_python({**BASE, "event": name, "seq": 1, **FIELDS.get(name, {}), **fields})


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_told(name):
    assert line_of(event(name)).text


def test_events_read_as_sentences():
    assert line_of(event("member_joined", user="alice")).text == "alice joined"
    assert line_of(event("member_joined")).text == "bob joined, added by alice"
    assert line_of(event("member_left")).text == "bob was removed by alice: noise"
    assert line_of(event("member_left", user="bob", reason="left", text="", successor="carol")).text == (
        "bob left; carol is owner now"
    )
    assert line_of(event("member_banned", until=AT)).text == "bob was banned by alice until 2026-11-20 10:42 UTC: spam"
    assert line_of(event("member_changed", muted=None, role="admin")).text == "bob is now admin"
    assert line_of(event("invite_created", max_uses=3)).text == (
        "alice made an invite: invite-12 (as member until 2026-11-20 10:42 UTC, 3 uses)"
    )
    assert line_of(event("room_updated", title=None, topic="tea", visibility="private")).text == (
        "alice changed the room: it is about tea, now private"
    )
    assert line_of(event("reaction_removed", target=3)).text == "alice took * back from #3"
    assert line_of(event("message_edited", target=3)).text == "alice edited #3: hi!"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": None, "deleted": True}, "(deleted)"),
        ({"edited_seq": 9}, "hi (edited)"),
        ({"reply_to": 4, "kind": "media"}, "(to #4) [media] hi"),
        ({"reactions": [{"emoji": "+", "count": 2}, {"emoji": "!", "count": 1}]}, "hi  [+ 2  ! 1]"),
    ],
)
def test_a_stored_message_reads_as_its_later_events_left_it(fields, words):
    assert line_of(event("message_posted", **fields)).text == words


def test_a_message_is_its_time_writer_and_text():
    assert render(said(AT, 7, "alice", "hello"), UTC) == "10:42 #7 alice: hello"
    assert render(said(AT, 7, "alice", "hello"), timezone(timedelta(hours=2))) == "12:42 #7 alice: hello"


def test_notices_and_problems_are_marked():
    assert render(notice("bob left"), UTC) == "* bob left"
    assert render(problem("not sent"), UTC) == "! not sent"


def test_a_text_of_several_lines_cannot_pass_for_another_message():
    spoof = said(AT, 7, "bob", "hi\n10:42 alice: I owe you\r10:43 alice: really")
    assert render(spoof, UTC).split("\n") == [
        "10:42 #7 bob: hi",
        "      | 10:42 alice: I owe you",
        "      | 10:43 alice: really",
    ]


def test_what_would_move_the_cursor_or_the_direction_is_replaced():
    assert render(said(AT, 7, "bob", "a\x1b[2Jb\u202ec\u2028d"), UTC) == "10:42 #7 bob: a\ufffd[2Jb\ufffdc\ufffdd"


def test_stored_messages_read_as_they_are_now():
    events = [
        event("message_posted", seq=1, text="one"),
        event("message_posted", seq=2, text="two", message_id="msg_2"),
        UnknownEvent("general", "e1", 3),
        MessageEdited(**BASE, seq=4, target=1, text="one!"),
        MessageDeleted(**BASE, seq=5, target=2),
        MessageEdited(**BASE, seq=6, target=99, text="of an older page"),
    ]
    assert isinstance(events[0], MessagePosted)
    assert [(seq, line.text) for seq, line in messages_of(events)] == [(1, "one! (edited)"), (2, "(deleted)")]


def test_a_stored_message_that_knows_its_edit_keeps_its_reactions():
    stored = event("message_posted", seq=1, text="new", edited_seq=4, reactions=[{"emoji": "+", "count": 2}])
    late = [event("message_edited", seq=4, target=1, text="new"), event("message_edited", seq=3, target=1, text="old")]
    assert [line.text for _, line in messages_of([stored, *late])] == ["new (edited)  [+ 2]"]


def test_a_room_in_a_list_says_what_is_unread():
    view = RoomView(
        room="general",
        epoch="e1",
        seq=3,
        title="General",
        visibility="public",
        capacity=10,
        member_count=1,
        created_at=AT,
        updated_at=AT,
        unread=2,
    )
    assert room_line(view) == "general  General (public, 1 member, 2 unread)"
