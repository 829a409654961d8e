"""One conversation: frames in, lines and frames out. No clock but the numbers given here."""

import json
from datetime import UTC, datetime

import pytest

from clients.cli.conversation import Conversation
from clients.cli.entrance import Phase
from clients.cli.hole import HOLE_SECONDS, HOLE_TRIES
from clients.cli.lines import Kind, render
from clients.cli.questions import ANSWER_SECONDS
from clients.cli.timeline import MARK_EVERY_SECONDS, SHOWN_AT_FIRST
from clients.cli.wire import read_frame
from schemas.answers import Accepted, MemberView, Refused
from schemas.errors import Code
from schemas.events import MemberJoined, MemberLeft, MessageEdited, MessagePosted
from schemas.frames import Attached, Detached, Lagged, Page, Reset, Rooms
from schemas.roles import LeaveReason, Role, Status, Visibility
from schemas.signals import PresenceChange, PresenceSignal, ReceiptSignal, ServiceSignal, TypingSignal

AT = datetime(2026, 11, 20, 10, 42, tzinfo=UTC)
EPOCH = "e1"


def posted(seq, text=None, *, actor="bob", command_id=None, epoch=EPOCH):
    return MessagePosted(
        room="general",
        epoch=epoch,
        seq=seq,
        at=AT,
        actor=actor,
        command_id=command_id or f"theirs-{seq}",
        message_id=f"msg_{seq}",
        text=text or f"text {seq}",
    )


def presence(**states):
    changes = tuple(PresenceChange(user=user, state=state) for user, state in states.items())
    return PresenceSignal(room="general", online_count=1, changes=changes)


class Room:
    """A conversation and the gate's side of it, played by the test."""

    def __init__(self, invite=None):
        self.now = 100.0
        self.chat = Conversation("general", join_id="join-1", invite=invite)
        self.shown = []
        self.marks = []

    def connect(self):
        self.chat.link_made("alice", self.now)
        return self

    def disconnect(self):
        self.chat.link_lost()

    def give(self, *models):
        for model in models:
            self.chat.receive(read_frame(model.to_json()), self.now)
        return self.lines()

    def wait(self, seconds):
        self.now += seconds
        self.chat.tick(self.now)

    def say(self, text, command_id):
        self.chat.say(text, command_id, self.now)

    def sent(self):
        """All but the marks, which are kept apart."""
        frames = self.chat.frames_to_send()
        self.marks += [frame["seq"] for frame in frames if frame["type"] == "mark_read"]
        return [frame for frame in frames if frame["type"] != "mark_read"]

    def wish(self, command_id, **fields):
        self.chat.wish(fields, command_id, self.now)

    def sent_one(self, kind):
        frames = self.sent()
        assert [frame["type"] for frame in frames] == [kind]
        return frames[0]

    def lines(self):
        fresh = [render(line, UTC) for line in self.chat.lines_to_show()]
        self.shown += fresh
        return fresh

    def attach(self, seq, *, epoch=EPOCH, members=("alice", "bob")):
        number = self.sent_one("attach")["id"]
        views = tuple(MemberView(user=user, role=Role.MEMBER, online=user == "alice") for user in members)
        return self.give(
            Attached(
                id=number,
                room="general",
                epoch=epoch,
                seq=seq,
                title="General Discussion",
                visibility=Visibility.PUBLIC,
                member_count=len(views),
                members=views,
            )
        )

    def page(self, *events, head=None, epoch=EPOCH):
        number = self.sent_one("history")["id"]
        head = max((event.seq for event in events), default=0) if head is None else head
        return self.give(Page(id=number, room="general", epoch=epoch, head=head, events=events))

    def accept(self, frame, seq, *, epoch=EPOCH):
        return self.give(
            Accepted(id=frame["id"], command_id=frame["command_id"], room="general", epoch=epoch, seq=seq, at=AT)
        )

    def refuse(self, frame, code, **known):
        return self.give(Refused.of(code, id=frame["id"], **known))


@pytest.fixture
def room():
    """Attached at seq 2, both messages shown."""
    room = Room().connect()
    room.attach(2)
    room.page(posted(1), posted(2))
    room.sent()
    return room


def test_the_latest_messages_are_shown_at_first_and_no_more_than_twenty():
    room = Room().connect()
    assert room.attach(50) == ["* General Discussion: 2 members, 1 here"]
    lines = room.page(*(posted(seq) for seq in range(1, 51)))
    assert lines == [f"10:42 #{seq} bob: text {seq}" for seq in range(51 - SHOWN_AT_FIRST, 51)]


def test_events_that_come_before_the_first_page_are_shown_behind_it():
    room = Room().connect()
    room.attach(2)
    asked = room.sent()
    assert room.give(posted(3)) == []
    page = Page(id=asked[0]["id"], room="general", epoch=EPOCH, head=2, events=(posted(1), posted(2)))
    assert room.give(page) == [f"10:42 #{seq} bob: text {seq}" for seq in (1, 2, 3)]


def test_a_first_page_that_lags_behind_the_room_is_completed(room):
    room = Room().connect()
    room.attach(4)
    room.page(posted(1), posted(2))
    room.wait(0)
    room.wait(HOLE_SECONDS)
    assert room.page(posted(3), posted(4)) == ["10:42 #3 bob: text 3", "10:42 #4 bob: text 4"]


def test_a_room_without_pages_is_still_a_live_room():
    room = Room().connect()
    room.attach(9)
    lines = room.refuse(room.sent_one("history"), Code.OVERLOADED)
    assert lines == ["! earlier messages cannot be shown: the service cannot take more right now"]
    assert room.give(posted(10)) == ["10:42 #10 bob: text 10"]


def test_an_own_message_appears_where_its_answer_places_it(room):
    room.say("hello", "mine-1")
    frame = room.sent_one("send")
    assert (frame["text"], frame["command_id"], frame["room"]) == ("hello", "mine-1", "general")
    assert room.accept(frame, 4) == []
    assert room.give(posted(3)) == ["10:42 #3 bob: text 3", "10:42 #4 alice: hello"]


def test_own_messages_go_one_at_a_time_in_their_order(room):
    room.say("one", "mine-1")
    room.say("two", "mine-2")
    first = room.sent_one("send")
    room.wait(1)
    assert room.sent() == []
    room.accept(first, 3)
    second = room.sent_one("send")
    assert (second["text"], "retry" in second) == ("two", False)


def test_what_was_said_while_away_is_sent_on_return():
    room = Room()
    room.say("early", "mine-1")
    assert room.sent() == []
    room.connect().attach(0)
    assert [frame["type"] for frame in room.sent()] == ["history", "send"]


def test_an_unanswered_message_is_sent_again_under_the_same_command_id(room):
    room.say("hello", "mine-1")
    room.sent_one("send")
    room.disconnect()
    room.connect().attach(2)
    again = room.sent_one("send")
    assert (again["command_id"], again["retry"]) == ("mine-1", True)
    assert room.accept(again, 3) == ["10:42 #3 alice: hello"]
    assert room.chat.unanswered == 0


def test_an_answer_that_does_not_come_is_asked_for_again(room):
    room.say("hello", "mine-1")
    room.sent_one("send")
    room.wait(ANSWER_SECONDS)
    room.wait(2)
    again = room.sent_one("send")
    assert (again["command_id"], again["retry"]) == ("mine-1", True)


def test_an_own_message_replayed_as_an_event_is_its_answer(room):
    room.say("hello", "mine-1")
    room.sent_one("send")
    room.disconnect()
    room.connect().attach(3)
    again = room.sent_one("send")
    assert room.give(posted(3, "hello", actor="alice", command_id="mine-1")) == ["10:42 #3 alice: hello"]
    assert room.chat.unanswered == 0
    assert room.accept(again, 3) == []


def test_the_answer_to_a_retry_before_the_replay_shows_nothing_twice(room):
    room.say("hello", "mine-1")
    room.sent()
    room.disconnect()
    room.connect().attach(4)
    assert room.accept(room.sent_one("send"), 4) == []
    assert room.give(posted(3)) == ["10:42 #3 bob: text 3", "10:42 #4 alice: hello"]
    assert room.give(posted(4, "hello", actor="alice", command_id="mine-1")) == []


def test_a_resume_names_the_position_and_repeats_nothing(room):
    room.give(posted(3))
    room.disconnect()
    room.connect()
    attach = room.chat.frames_to_send()[0]
    assert attach["position"] == {"epoch": EPOCH, "seq": 3}
    room.chat.link_lost()
    room.connect().attach(5)
    assert room.sent() == []
    assert room.give(posted(3), posted(4), posted(5)) == ["10:42 #4 bob: text 4", "10:42 #5 bob: text 5"]


def test_the_position_never_passes_a_hole(room):
    room.give(posted(4))
    room.disconnect()
    room.connect()
    assert room.sent()[0]["position"]["seq"] == 2


def test_a_hole_that_stays_is_asked_for_and_filled_in_order(room):
    assert room.give(posted(5)) == []
    room.wait(0)
    room.wait(HOLE_SECONDS)
    frame = room.sent()[0]
    assert (frame["type"], frame["after"]) == ("history", 2)
    page = Page(id=frame["id"], room="general", epoch=EPOCH, head=5, events=(posted(3), posted(4), posted(5)))
    assert room.give(page) == [f"10:42 #{seq} bob: text {seq}" for seq in (3, 4, 5)]


def test_a_replay_that_does_not_come_is_asked_for(room):
    room.disconnect()
    room.connect().attach(3)
    room.wait(0)
    room.wait(HOLE_SECONDS)
    assert room.page(posted(3)) == ["10:42 #3 bob: text 3"]


def test_a_new_connection_is_given_its_time_to_fill_the_hole(room):
    room.give(posted(4))
    room.wait(0)
    room.disconnect()
    room.now += HOLE_SECONDS
    room.connect().attach(4)
    room.wait(0)
    assert room.sent() == []


def test_questions_end_with_their_connection(room):
    room.disconnect()
    room.connect()
    room.sent_one("attach")
    room.disconnect()
    room.now += ANSWER_SECONDS - 1
    room.connect().attach(2)
    room.wait(1)
    room.wait(2)
    assert room.sent() == []


def test_a_hole_that_fills_itself_is_not_asked_for(room):
    room.give(posted(4))
    room.wait(0)
    room.give(posted(3))
    room.wait(HOLE_SECONDS)
    assert room.sent() == []


def test_a_hole_that_cannot_be_filled_is_said_and_the_chat_goes_on(room):
    room.give(posted(5))
    room.wait(0)
    for _ in range(HOLE_TRIES):
        room.wait(HOLE_SECONDS)
        room.refuse(room.sent_one("history"), Code.OVERLOADED)
    assert room.shown[-2:] == ["! 2 events could not be loaded", "10:42 #5 bob: text 5"]


def test_a_message_not_taken_now_is_tried_again_when_the_gate_says(room):
    room.say("hello", "mine-1")
    room.refuse(room.sent_one("send"), Code.RATE_LIMITED, command_id="mine-1", retry_after_seconds=3.0)
    room.wait(2)
    assert room.sent() == []
    room.wait(1)
    again = room.sent_one("send")
    assert (again["command_id"], again["retry"]) == ("mine-1", True)


def test_a_refused_message_is_told_with_its_sentence_and_the_next_one_goes(room):
    room.say("one", "mine-1")
    room.say("two", "mine-2")
    lines = room.refuse(room.sent_one("send"), Code.MUTED, command_id="mine-1")
    assert lines == ["! not sent: user is muted in this room: one"]
    assert room.sent_one("send")["command_id"] == "mine-2"


def test_a_refusal_that_names_no_command_is_known_by_its_id(room):
    room.say("hello", "mine-1")
    room.refuse(room.sent_one("send"), Code.BAD_FIELD)
    assert room.chat.unanswered == 0


def test_a_message_beyond_the_limit_is_not_even_sent(room):
    room.say("x" * 20_000, "mine-1")
    assert room.sent() == []
    assert room.lines() == ["! not sent: a message has at most 16384 bytes"]


def test_a_stranger_to_a_public_room_joins_it():
    room = Room().connect()
    room.refuse(room.sent_one("attach"), Code.NOT_A_MEMBER)
    join = room.sent_one("join")
    assert join["command_id"] == "join-1"
    room.accept(join, 3)
    room.attach(3)
    assert room.chat.phase is Phase.HERE


def test_a_join_cut_off_is_repeated_under_its_command_id():
    room = Room().connect()
    room.refuse(room.sent_one("attach"), Code.NOT_A_MEMBER)
    assert "retry" not in room.sent_one("join")
    room.disconnect()
    room.connect()
    room.refuse(room.sent_one("attach"), Code.NOT_A_MEMBER)
    again = room.sent_one("join")
    assert (again["command_id"], again["retry"]) == ("join-1", True)


def test_whoever_was_removed_while_away_does_not_join_again(room):
    room.disconnect()
    room.connect()
    room.refuse(room.sent_one("attach"), Code.NOT_A_MEMBER)
    assert room.chat.phase is Phase.OVER
    assert room.chat.ending == "cannot enter general: user is not a member of this room"


def test_a_room_that_is_not_there_ends_the_conversation():
    room = Room().connect()
    room.refuse(room.sent_one("attach"), Code.ROOM_NOT_FOUND)
    assert (room.chat.phase, room.chat.ending) == (Phase.OVER, "cannot enter general: room not found")


def test_an_attach_that_is_put_off_is_asked_again():
    room = Room().connect()
    room.refuse(room.sent_one("attach"), Code.OVERLOADED, retry_after_seconds=2.0)
    room.wait(1)
    assert room.sent() == []
    room.wait(1)
    assert room.sent_one("attach")["room"] == "general"


def test_an_attach_without_an_answer_is_asked_again():
    room = Room().connect()
    room.sent_one("attach")
    room.wait(ANSWER_SECONDS)
    room.wait(2)
    room.sent_one("attach")


def test_a_reset_loads_the_room_again_and_repeats_no_message(room):
    room.give(Reset(room="general", epoch=EPOCH, seq=4))
    lines = room.page(posted(1), posted(2), posted(3), posted(4))
    assert lines == ["* the conversation was loaded again", "10:42 #3 bob: text 3", "10:42 #4 bob: text 4"]
    assert room.give(posted(5)) == ["10:42 #5 bob: text 5"]


def test_a_reset_that_skips_messages_says_so(room):
    room.give(Reset(room="general", epoch=EPOCH, seq=300))
    lines = room.page(*(posted(seq) for seq in range(201, 301)))
    assert lines[0] == "* the conversation was loaded again; older messages in between: /history"
    assert lines[1:] == [f"10:42 #{seq} bob: text {seq}" for seq in range(281, 301)]


def test_a_reset_answered_by_a_page_that_lags_repeats_nothing_and_misses_nothing(room):
    room.give(posted(3), posted(4), Reset(room="general", epoch=EPOCH, seq=5))
    room.page(posted(1), posted(2), posted(3))
    assert room.give(posted(4), posted(5)) == ["10:42 #5 bob: text 5"]


def test_a_reset_to_another_epoch_shows_that_one(room):
    room.give(Reset(room="general", epoch="e2", seq=1))
    room.page(posted(1, "anew", epoch="e2"), epoch="e2")
    assert room.shown[-1] == "10:42 #1 bob: anew"
    assert room.give(posted(3, epoch=EPOCH)) == []


def test_a_reset_and_the_attached_behind_it_load_the_room_once(room):
    room.disconnect()
    room.connect()
    room.give(Reset(room="general", epoch="e2", seq=1))
    attach, _history = room.chat.frames_to_send()
    views = (MemberView(user="alice", role=Role.MEMBER, online=True),)
    room.give(
        Attached(
            id=attach["id"],
            room="general",
            epoch="e2",
            seq=1,
            title="General",
            visibility=Visibility.PUBLIC,
            member_count=1,
            members=views,
        )
    )
    assert room.sent() == []


def test_lagging_is_said_and_what_is_replayed_is_shown_once(room):
    assert room.give(Lagged(room="general", from_seq=2, to_seq=4)) == ["* catching up with 2 events"]
    assert room.give(posted(3), posted(4), posted(4)) == ["10:42 #3 bob: text 3", "10:42 #4 bob: text 4"]


def test_an_event_of_an_unknown_name_keeps_its_place(room):
    strange = {"type": "event", "event": "poll_opened", "room": "general", "epoch": EPOCH, "seq": 3, "question": "?"}
    room.chat.receive(read_frame(json.dumps(strange)), room.now)
    assert room.give(posted(4)) == ["10:42 #4 bob: text 4"]


def test_who_comes_goes_joins_and_leaves_is_told(room):
    joined = MemberJoined(
        room="general", epoch=EPOCH, seq=3, at=AT, actor="carol", command_id="c", user="carol", role=Role.MEMBER
    )
    left = MemberLeft(
        room="general", epoch=EPOCH, seq=4, at=AT, actor="bob", command_id="d", user="bob", reason=LeaveReason.LEFT
    )
    lines = room.give(
        presence(bob=Status.ONLINE),
        presence(bob=Status.ONLINE),
        presence(bob=Status.OFFLINE),
        joined,
        left,
    )
    assert lines == ["* bob is here", "* bob went away", "* carol joined", "* bob left"]
    room.chat.show_members()
    assert room.lines() == ["* here: alice; away: carol"]


def test_own_presence_is_not_told(room):
    assert room.give(presence(alice=Status.OFFLINE)) == []


def test_what_one_does_is_sent_like_what_one_says_and_shown_as_the_event_it_made(room):
    room.wish("mine-1", type="edit", seq=1, text="better")
    room.say("and this", "mine-2")
    frame = room.sent_one("edit")
    assert (frame["room"], frame["seq"], frame["command_id"]) == ("general", 1, "mine-1")
    assert room.accept(frame, 3) == []
    assert not room.chat.at_rest
    edited = MessageEdited(
        room="general", epoch=EPOCH, seq=3, at=AT, actor="alice", command_id="mine-1", target=1, text="better"
    )
    assert room.give(edited) == ["* alice edited #1: better"]
    assert room.accept(room.sent_one("send"), 4) == ["10:42 #4 alice: and this"]
    assert room.chat.at_rest


def test_an_own_event_that_does_not_come_is_asked_for(room):
    room.wish("mine-1", type="delete", seq=1)
    room.accept(room.sent_one("delete"), 3)
    room.wait(0)
    room.wait(HOLE_SECONDS)
    assert room.sent_one("history")["after"] == 2


def test_a_command_cut_off_is_sent_again_under_its_command_id(room):
    room.wish("mine-1", type="react", seq=1, emoji="+")
    room.sent()
    room.disconnect()
    room.connect().attach(2)
    again = room.sent_one("react")
    assert (again["command_id"], again["retry"]) == ("mine-1", True)


def test_what_is_refused_is_told_with_its_sentence(room):
    room.wish("mine-1", type="set_role", user="bob", role="admin")
    lines = room.refuse(room.sent_one("set_role"), Code.NOT_ALLOWED, command_id="mine-1")
    assert lines == ["! not done (set role): the user's role does not allow this"]


def test_ones_own_events_are_asked_for():
    room = Room().connect()
    assert room.sent_one("attach")["echo"] is True


def test_an_own_reply_says_what_it_answers(room):
    room.wish("mine-1", type="send", text="yes", reply_to=2)
    assert room.accept(room.sent_one("send"), 3) == ["10:42 #3 alice: (to #2) yes"]


def test_whoever_leaves_of_their_own_wish_is_done_without_a_complaint(room):
    room.wish("mine-1", type="leave")
    room.accept(room.sent_one("leave"), 3)
    room.give(Detached(room="general", code="left"))
    assert (room.chat.phase, room.chat.ending) == (Phase.OVER, None)


def test_another_room_that_was_joined_is_said(room):
    room.wish("mine-1", type="join", room="cellar")
    frame = room.sent_one("join")
    assert frame["room"] == "cellar"
    accepted = Accepted(id=frame["id"], command_id="mine-1", room="cellar", epoch="e9", seq=7, at=AT)
    assert room.give(accepted) == ["* you are a member of cellar: gatehouse chat --room cellar"]
    assert room.chat.at_rest


def test_an_invite_opens_a_room_that_says_it_is_not_there():
    room = Room("invite-12").connect()
    room.refuse(room.sent_one("attach"), Code.ROOM_NOT_FOUND)
    join = room.sent_one("join")
    assert join["invite"] == "invite-12"
    room.refuse(join, Code.INVITE_INVALID)
    assert room.chat.ending == "cannot enter general: the invite is unknown, expired, used up or revoked"


def test_what_was_shown_is_marked_as_read_but_not_at_once_for_each(room):
    room.wait(0)
    room.give(posted(3), posted(4))
    room.wait(0)
    room.give(posted(5))
    room.wait(MARK_EVERY_SECONDS)
    room.wait(MARK_EVERY_SECONDS)
    assert (room.sent(), room.marks) == ([], [2, 5])


def test_what_was_shown_in_another_epoch_is_not_marked_in_this_one(room):
    room.give(Reset(room="general", epoch="e2", seq=1))
    room.wait(MARK_EVERY_SECONDS)
    room.page(posted(1, epoch="e2"), epoch="e2")
    room.wait(MARK_EVERY_SECONDS)
    room.sent()
    assert room.marks == [1]


def test_a_status_is_said_again_on_another_connection(room):
    room.wish("mine-1", type="set_status", state="away", text="lunch")
    room.accept(room.sent_one("set_status"), 2)
    room.disconnect()
    room.connect().attach(2)
    again = room.sent_one("set_status")
    assert (again["state"], again["text"], again["room"]) == ("away", "lunch", "general")


def test_who_has_read_ones_latest_message_is_told_once(room):
    room.say("hello", "mine-1")
    room.accept(room.sent_one("send"), 3)
    receipt = {"room": "general", "delivered": 3}
    assert room.give(ReceiptSignal(user="bob", read=2, **receipt)) == []
    assert room.give(ReceiptSignal(user="bob", read=3, **receipt)) == ["* bob has read #3"]
    assert room.give(ReceiptSignal(user="bob", read=3, **receipt)) == []
    assert room.give(ReceiptSignal(user="alice", read=3, **receipt)) == []


def test_writing_ends_by_itself_or_with_the_message(room):
    typing = {"room": "general", "active": True, "expires_seconds": 6.0}
    room.give(TypingSignal(user="bob", **typing), TypingSignal(user="carol", **typing))
    assert room.chat.writers(room.now) == ["bob", "carol"]
    room.give(posted(3))
    assert room.chat.writers(room.now) == ["carol"]
    assert room.chat.writers(room.now + 6) == []


def test_ones_own_writing_is_told_to_the_others_but_seldom(room):
    room.chat.write(room.now)
    room.chat.write(room.now + 1)
    assert room.sent_one("typing")["active"] is True


def test_the_service_going_and_coming_is_a_status(room):
    room.chat.receive(ServiceSignal(available=False, code=Code.OVERLOADED), room.now)
    room.chat.receive(ServiceSignal(available=True), room.now)
    assert [line.kind for line in room.chat.lines_to_show()] == [Kind.STATUS, Kind.STATUS]


def test_being_detached_for_a_reason_is_the_end(room):
    room.give(Detached(room="general", code="kicked"))
    assert (room.chat.phase, room.chat.ending) == (Phase.OVER, "you are no longer in general (kicked)")


def test_history_on_request_shows_so_many_messages(room):
    room.chat.ask_history(1, room.now)
    lines = room.page(posted(1), posted(2))
    assert lines == ["* the last 1 messages", "10:42 #2 bob: text 2", "* end of these"]


def test_rooms_on_request_are_listed(room):
    room.chat.ask_rooms(room.now)
    assert room.give(Rooms(id=room.sent_one("rooms")["id"], rooms=(), total=0)) == ["* no rooms yet"]


def test_requests_without_a_connection_are_told_so(room):
    room.disconnect()
    room.chat.ask_rooms(room.now)
    assert room.lines() == ["! not connected at the moment"]


def test_at_rest_means_everything_has_its_answer(room):
    assert room.chat.at_rest
    room.say("hello", "mine-1")
    assert not room.chat.at_rest
    room.accept(room.sent_one("send"), 3)
    assert room.chat.at_rest
