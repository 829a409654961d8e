"""What becomes of a command: the log entry, the fan-out, the answer; who hears of whom."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.answers import Accepted, AttachAnswer, Refused
from schemas.errors import Code
from schemas.events import decode_logged
from schemas.fanout import FanoutKind, RoomTops
from schemas.routes import log_key
from schemas.signals import SIGNAL
from schemas.state import Snapshot
from services.room.effects import FanOut, Reply
from services.room.hall import Hall, Want
from services.room.orders import Order, ReplyAddress
from services.room.presence import PresenceRules
from tests.unit.room.given import NOW, ROOM, command, created, event, room, room_after, snapshot

ADDRESS = ReplyAddress("replies", "1")
GRACE = 5.0
QUIET = 3.0


def a_hall(rooms_limit=100, limit=500, known_at=0.0):
    """The hall of an active writer to whom presence may speak from `known_at` on."""
    rules = PresenceRules(grace_seconds=GRACE, per_second=10, limit=limit)
    hall = Hall("w1", rules, quiet_seconds=QUIET, rooms_limit=rooms_limit, targets_limit=100)
    hall.rosters.listen(known_at)
    hall.tell_presence(0.0)
    return hall


def hall_with(held, **wanted):
    hall = a_hall(**wanted)
    hall.receive_snapshot(snapshot(held))
    return hall


def decided(hall, order, now=0.0):
    return hall.receive_order(order, NOW, now)


def order(verb="send", actor="mia", tag=1, reply=ADDRESS, **fields):
    fields = {"text": "hi", **fields} if verb == "send" else fields
    return Order(command(verb, actor, **fields), tag, reply)


def wants(hall, order):
    return hall.wants(order, NOW)


def attach(hall, *people, gate="g1", now=0.0, **fields):
    sessions = [{"client": client, "user": user, **fields} for client, user in people]
    return decided(hall, order("attach", gate, 9, sessions=sessions, command_id="a"), now)


def told_tops(fan_out):
    return {top.room: top.seq for top in RoomTops.model_validate_json(fan_out.body).tops}


def detach(hall, *people, gate="g1", now=0.0, **fields):
    sessions = [{"client": client, "user": user, **fields} for client, user in people]
    return decided(hall, order("detach", gate, 10, sessions=sessions, command_id="d"), now)


def attached_members(outcome):
    [answer] = fan_outs(outcome, FanoutKind.ATTACHED)
    return AttachAnswer.model_validate_json(answer.body).members


def fan_outs(outcome, kind):
    return [each for each in outcome.effects if isinstance(each, FanOut) and each.headers.kind is kind]


def replies(outcome):
    return [each.answer for each in outcome.effects if isinstance(each, Reply)]


def said(hall, now=0.0):
    """What presence says by now: of whom, what, and why."""
    signals = [SIGNAL.validate_json(each.body) for each in fan_outs(hall.tell_presence(now), FanoutKind.SIGNAL)]
    return [(change.user, change.state.value, change.reason) for signal in signals for change in signal.changes]


def test_i6_an_event_is_one_log_entry_and_one_fan_out_to_the_gates_that_hold_a_session():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"), ("g1/b", "rita"))
    attach(hall, ("g2/c", "olga"), gate="g2")
    outcome = decided(hall, order())
    [fan_out] = fan_outs(outcome, FanoutKind.EVENT)
    assert fan_out.gates == ("g1", "g2")
    assert outcome.log.key == log_key(ROOM, "message_posted")
    logged = decode_logged(outcome.log.body)
    assert (logged.fence, logged.entry.to_json()) == (7, fan_out.body)
    assert (fan_out.headers.room, fan_out.headers.epoch, fan_out.headers.seq) == (ROOM, logged.entry.epoch, 2)


def test_an_event_of_a_room_nobody_watches_is_fanned_out_to_nobody():
    outcome = decided(hall_with(room()), order())
    assert fan_outs(outcome, FanoutKind.EVENT) == []
    [answer] = replies(outcome)
    assert isinstance(answer, Accepted)


def test_the_answer_of_an_attached_sender_rides_on_the_fan_out():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    outcome = decided(hall, order(client="g1/a"))
    [fan_out] = fan_outs(outcome, FanoutKind.EVENT)
    frame = json.loads(fan_out.body)
    assert replies(outcome) == []
    assert (fan_out.headers.skip, fan_out.headers.command_id) == ("g1/a", "k1")
    assert (fan_out.headers.message_id, fan_out.headers.at) == (frame["message_id"], frame["at"])


@pytest.mark.parametrize("client", [None, "g1/not-attached", "g2/elsewhere"])
def test_any_other_sender_gets_a_reply_and_is_not_skipped(client):
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    outcome = decided(hall, order(client=client))
    [fan_out] = fan_outs(outcome, FanoutKind.EVENT)
    [answer] = replies(outcome)
    assert (fan_out.headers.skip, fan_out.headers.command_id) == (None, None)
    assert (answer.seq, answer.command_id, answer.at) == (2, "k1", NOW)


def test_who_waits_nowhere_is_not_answered():
    assert decided(hall_with(room()), order(reply=None)).effects == ()


def test_i2_a_repeated_command_gets_the_first_answer_and_makes_no_second_event():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    first = decided(hall, order(client="g1/a"))
    again = decided(hall, order(client="g1/a", tag=2, retry=True, text="other"))
    assert again.log is None
    [answer] = replies(again)
    assert answer == Accepted(
        command_id="k1",
        room=ROOM,
        epoch=decode_logged(first.log.body).entry.epoch,
        seq=2,
        message_id=decode_logged(first.log.body).entry.message_id,
        at=NOW,
    )
    assert fan_outs(again, FanoutKind.EVENT) == []


def test_i2_the_same_command_id_of_another_actor_is_another_command():
    hall = hall_with(room())
    decided(hall, order())
    assert decided(hall, order(actor="olga")).log is not None


def test_i2_only_a_flagged_retry_that_is_not_remembered_asks_history_for_its_answer():
    hall = hall_with(room())
    assert wants(hall, order(retry=True)) is Want.ANSWER
    assert wants(hall, replace(order(retry=True), looked_up=True)) is None
    assert wants(hall, order()) is None
    assert wants(hall, order("typing", retry=True)) is None
    decided(hall, order())
    assert wants(hall, order(retry=True)) is None
    assert wants(hall_with(None), order("create", title="T", retry=True)) is None


def test_only_who_may_speak_makes_the_room_ask_for_the_message_that_is_meant():
    hall = hall_with(room())
    about = {"seq": 1, "emoji": "+1"}
    assert wants(hall, order("react", **about)) is Want.TARGET
    assert wants(hall, order("react", "stranger", **about)) is None
    assert wants(hall, order("react", seq=2, emoji="+1")) is None
    assert wants(hall, order("react", seq=0, emoji="+1")) is None
    decided(hall, order("close", "olga"))
    assert wants(hall, order("react", **about, command_id="k2")) is None


def test_who_will_be_refused_anyway_makes_the_room_ask_nothing():
    hall = hall_with(room())
    assert wants(hall, order("delete", seq=1)) is Want.TARGET
    assert wants(hall, order("delete", "rita", seq=1)) is None
    decided(hall, order("mute", "olga", user="mia", until=NOW + timedelta(minutes=1), command_id="k2"))
    assert wants(hall, order("edit", seq=1, text="x", command_id="k3")) is None
    assert wants(hall, order("delete", seq=1, command_id="k3")) is Want.TARGET
    assert hall.wants(order("edit", seq=1, text="x", command_id="k3"), NOW + timedelta(seconds=59.5)) is Want.TARGET


def test_a_message_that_was_posted_here_is_known_and_never_asked_for():
    hall = hall_with(room())
    decided(hall, order())
    assert wants(hall, order("react", seq=2, emoji="+1", command_id="k2")) is None
    outcome = decided(hall, order("react", seq=2, emoji="+1", command_id="k2"))
    assert decode_logged(outcome.log.body).entry.event == "reaction_added"


def test_i2_a_wish_that_was_fulfilled_already_is_remembered_although_it_made_no_event():
    hall = hall_with(room())
    decided(hall, order())
    decided(hall, order("react", seq=2, emoji="+1", command_id="k2"))
    again = decided(hall, order("react", seq=2, emoji="+1", command_id="k3"))
    decided(hall, order("unreact", seq=2, emoji="+1", command_id="k4"))
    repeated = decided(hall, order("react", seq=2, emoji="+1", command_id="k3"))
    assert (again.log, again.word, repeated.log, repeated.word) == (None, "accepted", None, "repeated")
    assert replies(repeated) == replies(again)


def test_what_does_no_harm_when_it_is_repeated_takes_no_place_among_the_answers_that_are_remembered():
    hall = hall_with(room())
    for verb, fields in [("set_status", {"state": "dnd"}), ("mark_read", {"seq": 1}), ("mark_read", {"seq": 1})]:
        decided(hall, order(verb, **fields))
    assert len(hall.rooms.find(ROOM).recent) == 0


def test_a_refusal_goes_by_reply_and_names_the_command():
    [answer] = replies(decided(hall_with(room()), order(actor="rita")))
    assert answer == Refused.of(Code.NOT_ALLOWED, command_id="k1")


def test_typing_is_accepted_at_the_top_of_the_room_and_only_signalled():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    outcome = decided(hall, order("typing"))
    [signal] = fan_outs(outcome, FanoutKind.SIGNAL)
    [answer] = replies(outcome)
    assert outcome.log is None
    assert json.loads(signal.body)["signal"] == "typing"
    assert (answer.seq, signal.headers.seq) == (1, 1)


def test_the_same_typing_within_a_second_is_accepted_and_told_nobody_again():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    told = []
    for now, active in [(1.0, True), (1.9, True), (1.95, False), (3.0, False)]:
        outcome = decided(hall, order("typing", active=active), now)
        assert isinstance(replies(outcome)[0], Accepted)
        told.append(len(fan_outs(outcome, FanoutKind.SIGNAL)))
    assert told == [1, 0, 1, 1]


def test_who_writes_on_behind_their_own_message_is_told_of_at_once():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    decided(hall, order("typing"), 1.0)
    decided(hall, order("send", text="first", command_id="c-first"), 1.1)
    assert fan_outs(decided(hall, order("typing"), 1.2), FanoutKind.SIGNAL)


def test_a_mark_is_a_record_of_the_log_without_a_seq_and_a_receipt_to_the_others():
    hall = hall_with(room())
    attach(hall, ("g1/a", "olga"))
    outcome = decided(hall, order("mark_read", seq=1))
    logged = decode_logged(outcome.log.body)
    assert (logged.fence, logged.entry.record, logged.entry.read) == (7, "receipt", 1)
    [signal] = fan_outs(outcome, FanoutKind.SIGNAL)
    receipt = SIGNAL.validate_json(signal.body)
    assert (receipt.user, receipt.read, receipt.delivered, replies(outcome)[0].seq) == ("mia", 1, 1, 1)


def test_in_a_crowd_marks_are_logged_and_nobody_hears_of_them():
    hall = hall_with(room(), limit=1)
    attach(hall, ("g1/a", "olga"), ("g1/b", "adam"))
    outcome = decided(hall, order("mark_read", seq=1))
    assert outcome.log is not None
    assert fan_outs(outcome, FanoutKind.SIGNAL) == []


def test_an_operator_is_shown_the_room_and_its_sessions():
    hall = hall_with(room())
    attach(hall, ("g2/c", "olga"), gate="g2")
    attach(hall, ("g1/a", "mia"), ("g1/b", "mia"))
    hall.rosters.ask("g3", until=10)
    decided(hall, order())
    [shown] = replies(decided(hall, order("inspect", "operator", command_id="i")))
    assert [(gate.gate, gate.sessions) for gate in shown.gates] == [("g1", 2), ("g2", 1)]
    assert (shown.writer, shown.fence, shown.seq, shown.members) == ("w1", 7, 2, 5)
    assert (shown.online, shown.rosters_owed, shown.remembered, shown.in_progress) == (2, ("g3",), 1, 3)
    assert decided(hall, order("inspect", "operator", reply=None)).effects == ()


class TestAttach:
    def test_i4_the_answer_goes_to_that_gate_alone_at_the_position_it_is_good_for(self):
        hall = hall_with(room())
        attach(hall, ("g2/z", "olga"), gate="g2")
        decided(hall, order())
        outcome = attach(hall, ("g1/a", "mia"), ("g1/b", "bob"))
        [answer] = fan_outs(outcome, FanoutKind.ATTACHED)
        read = AttachAnswer.model_validate_json(answer.body)
        assert (answer.gates, answer.headers.seq, read.seq, read.member_count) == (("g1",), 2, 2, 5)
        assert [(each.session.client, each.code) for each in read.refused] == [("g1/b", Code.NOT_A_MEMBER)]
        assert replies(outcome) == []

    def test_those_with_a_session_come_first_in_the_member_list(self):
        hall = hall_with(room())
        outcome = attach(hall, ("g1/a", "rita"))
        [answer] = fan_outs(outcome, FanoutKind.ATTACHED)
        members = AttachAnswer.model_validate_json(answer.body).members
        assert [(each.user, each.online) for each in members][:2] == [("rita", True), ("adam", False)]
        assert len(members) == 5

    def test_the_member_list_is_bounded(self):
        crowd = [{"user": f"u{number:03d}", "role": "member"} for number in range(100)]
        events = [created(members=crowd, capacity=500)]
        events += [event("member_joined", seq, user=f"v{seq:03d}", role="member") for seq in range(2, 150)]
        [answer] = fan_outs(attach(hall_with(room_after(*events)), ("g1/a", "v149")), FanoutKind.ATTACHED)
        read = AttachAnswer.model_validate_json(answer.body)
        assert (len(read.members), read.member_count, read.members[0].user) == (200, 248, "v149")

    def test_a_gate_without_a_room_to_attach_to_hears_it_by_reply(self):
        hall = hall_with(None)
        outcome = attach(hall, ("g1/a", "mia"))
        assert [answer.code for answer in replies(outcome)] == [Code.ROOM_NOT_FOUND]
        assert len(outcome.effects) == 1

    def test_i6_an_event_decided_before_an_attach_does_not_go_to_that_gate(self):
        hall = hall_with(room())
        outcome = decided(hall, order())
        attach(hall, ("g1/a", "mia"))
        assert fan_outs(outcome, FanoutKind.EVENT) == []


class TestGoing:
    @pytest.mark.parametrize(("verb", "actor", "fields"), [("leave", "mia", {}), ("kick", "olga", {"user": "mia"})])
    def test_i10_who_is_no_member_any_longer_hears_of_it_and_then_nothing_more(self, verb, actor, fields):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        attach(hall, ("g2/b", "olga"), gate="g2")
        [last] = fan_outs(decided(hall, order(verb, actor, **fields)), FanoutKind.EVENT)
        assert (last.gates, last.headers.expel) == (("g1", "g2"), "mia")
        [later] = fan_outs(decided(hall, order(actor="olga", command_id="k2")), FanoutKind.EVENT)
        assert later.gates == ("g2",)

    def test_only_the_last_session_of_a_user_makes_them_offline_and_only_after_a_grace(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), ("g1/b", "mia"))
        assert said(hall) == [("mia", "online", None)]
        attach(hall, ("g2/c", "olga"), gate="g2")
        assert said(hall, 1.0) == [("olga", "online", None)]
        detach(hall, ("g1/a", "mia"), now=2.0)
        assert (hall.next_due(), said(hall, 99.0)) == (None, [])
        detach(hall, ("g1/b", "mia"), now=100.0)
        assert (hall.next_due(), said(hall, 104.9)) == (105.0, [])
        assert said(hall, 105.0) == [("mia", "offline", None)]

    def test_a_session_of_the_user_at_any_gate_keeps_them_online(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), ("g1/b", "olga"))
        attach(hall, ("g2/c", "mia"), gate="g2")
        said(hall)
        hall.drop_gate("g2", 1.0, lost=True)
        detach(hall, ("g1/b", "olga"), now=1.0)
        assert said(hall, 9.0) == [("olga", "offline", None)]

    def test_a_detach_of_a_session_that_is_not_there_changes_nothing(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        assert detach(hall, ("g1/z", "mia")).effects == ()
        assert hall.sessions.users(ROOM) == ["mia"]

    def test_a_late_detach_cannot_undo_a_newer_attach(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), attach_ref=1)
        attach(hall, ("g1/a", "mia"), attach_ref=2)
        detach(hall, ("g1/a", "mia"), attach_ref=1)
        assert said(hall, 99.0) == [("mia", "online", None)]

    def test_a_late_attach_is_answered_and_changes_nothing(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), attach_ref=2)
        late = attach(hall, ("g1/a", "olga"), attach_ref=1, status={"state": "dnd"})
        assert len(fan_outs(late, FanoutKind.ATTACHED)) == 1
        assert said(hall) == [("mia", "online", None)]

    def test_who_gave_their_client_to_another_user_is_gone_after_the_grace(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        attach(hall, ("g1/a", "olga"), attach_ref=1, now=1.0)
        assert said(hall, 1.0) == [("mia", "online", None), ("olga", "online", None)]
        assert said(hall, 6.0) == [("mia", "offline", None)]

    def test_a_detach_from_a_room_nobody_holds_is_over_at_once(self):
        hall = a_hall(10)
        assert not hall.wants_room(order("detach", "g1", sessions=[{"client": "g1/a", "user": "mia"}]))
        assert detach(hall, ("g1/a", "mia")).effects == ()
        assert hall.wants_room(order())

    def test_a_lost_gate_takes_its_users_offline_at_once_and_says_why(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), ("g1/b", "olga"))
        attach(hall, ("g2/c", "olga"), gate="g2")
        said(hall)
        hall.drop_gate("g1", 1.0, lost=True)
        assert said(hall, 1.0) == [("mia", "offline", "gate_lost")]
        [fan_out] = fan_outs(decided(hall, order()), FanoutKind.EVENT)
        assert fan_out.gates == ("g2",)

    def test_a_gate_that_said_good_bye_leaves_its_users_time_to_come_back_elsewhere(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), ("g1/b", "rita"))
        attach(hall, ("g2/c", "olga"), gate="g2")
        said(hall)
        hall.drop_gate("g1", 1.0, lost=False)
        assert said(hall, 5.9) == []
        attach(hall, ("g2/d", "mia"), gate="g2", now=5.9)
        assert said(hall, 6.0) == [("rita", "offline", None)]

    def test_who_was_expelled_is_not_said_to_be_offline_as_well(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), ("g1/b", "olga"))
        said(hall)
        detach(hall, ("g1/a", "mia"), now=1.0)
        decided(hall, order("kick", "olga", user="mia"))
        assert said(hall, 99.0) == []

    def test_presence_of_a_room_that_is_held_no_longer_is_told_to_nobody(self):
        hall = hall_with(room(), rooms_limit=1)
        outcomes = [attach(hall, ("g1/a", "mia")), detach(hall, ("g1/a", "mia"))]
        for outcome in outcomes:
            hall.release(outcome.room)
        hall.receive_snapshot(Snapshot(room="other", fence=1))
        assert hall.rooms.find(ROOM) is None
        assert (said(hall, 99.0), hall.next_due()) == ([], None)


class TestStatus:
    def test_what_a_member_says_of_themselves_is_told_and_shown_to_who_attaches(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        said(hall)
        outcome = decided(hall, order("set_status", state="away", mood="tired", text="lunch"), 1.0)
        assert (outcome.log, replies(outcome)[0].seq) == (None, 1)
        assert said(hall, 1.0) == [("mia", "away", None)]
        mia = attached_members(attach(hall, ("g2/b", "olga"), gate="g2"))[0]
        assert (mia.user, mia.online, mia.status.state, mia.status.mood, mia.status.text) == (
            "mia",
            True,
            "away",
            "tired",
            "lunch",
        )

    def test_who_hides_is_shown_as_any_member_who_is_not_there(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "rita"))
        decided(hall, order("set_status", "rita", state="offline", mood="sly"))
        members = attached_members(attach(hall, ("g2/b", "olga"), gate="g2"))
        assert [(each.user, each.online, each.status) for each in members] == [
            ("olga", True, None),
            ("adam", False, None),
            ("mia", False, None),
            ("mona", False, None),
            ("rita", False, None),
        ]

    def test_what_the_gate_remembers_restores_a_status_after_a_takeover(self):
        hall = hall_with(room(), known_at=3.0)
        attach(hall, ("g1/a", "mia"), status={"state": "dnd", "text": "later"})
        members = attached_members(attach(hall, ("g2/b", "olga"), gate="g2"))
        assert (members[0].status.state, members[0].status.text) == ("dnd", "later")
        assert said(hall, 3.0) == [("mia", "dnd", None), ("olga", "online", None)]


class TestQuietRooms:
    def test_a_room_that_fell_quiet_tells_its_position_twice_to_the_gates_that_hold_it(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        decided(hall, order(), now=10.0)
        assert hall.tell_tops(10.0 + QUIET - 0.1).effects == ()
        for moment in (10.0 + QUIET, 10.0 + 2 * QUIET):
            [tops] = fan_outs(hall.tell_tops(moment), FanoutKind.TOPS)
            assert (tops.gates, told_tops(tops)) == (("g1",), {ROOM: 2})
        assert hall.tell_tops(100.0).effects == ()

    def test_a_busy_room_tells_none(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        for number in range(5):
            decided(hall, order(command_id=f"k{number}"), now=number * (QUIET - 1))
            assert hall.tell_tops(number * (QUIET - 1)).effects == ()

    def test_what_makes_no_event_is_no_reason_to_tell_it(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        decided(hall, order("typing", active=True))
        assert hall.tell_tops(100.0).effects == ()

    def test_nobody_is_told_of_a_room_that_no_gate_holds(self):
        hall = hall_with(room())
        decided(hall, order())
        assert hall.tell_tops(100.0).effects == ()


class TestTakeover:
    def test_a_loaded_room_tells_its_position_to_gates_that_may_hold_it(self):
        hall = a_hall(10)
        hall.rosters.ask("g1", until=10)
        [tops] = fan_outs(hall.receive_snapshot(snapshot(room())), FanoutKind.TOPS)
        assert (tops.gates, told_tops(tops)) == (("g1",), {ROOM: 1})
        assert a_hall(10).receive_snapshot(snapshot(room())).effects == ()

    def test_i4_until_a_gate_has_told_its_roster_every_fan_out_includes_it(self):
        hall = hall_with(room())
        hall.rosters.ask("g1", until=10)
        [fan_out] = fan_outs(decided(hall, order()), FanoutKind.EVENT)
        assert fan_out.gates == ("g1",)
        hall.rosters.receive_done("g1", deliveries_before=0)
        assert fan_outs(decided(hall, order(command_id="k2")), FanoutKind.EVENT) == []

    def test_nobody_is_spoken_of_before_every_roster_is_known_and_then_all_who_are_there_are_named_anew(self):
        hall = hall_with(room(), known_at=3.0)
        hall.rosters.ask("g1", until=10)
        hall.rosters.ask("g2", until=10)
        attach(hall, ("g1/a", "mia"), ("g1/b", "rita"))
        detach(hall, ("g1/b", "rita"))
        hall.rosters.receive_done("g1", deliveries_before=0)
        assert said(hall, 3.0) == []
        attach(hall, ("g2/c", "olga"), gate="g2")
        hall.rosters.receive_done("g2", deliveries_before=0)
        assert said(hall, 2.9) == []
        [told] = fan_outs(hall.tell_presence(6.0), FanoutKind.SIGNAL)
        signal = SIGNAL.validate_json(told.body)
        assert (signal.anew, signal.online_count, told.gates) == (True, 2, ("g1", "g2"))
        assert [change.user for change in signal.changes] == ["mia", "olga"]

    def test_whose_gate_died_with_the_former_writer_is_not_among_those_who_are_named(self):
        hall = hall_with(room(), known_at=3.0)
        hall.rosters.ask("g2", until=10)
        attach(hall, ("g1/a", "mia"))
        hall.drop_gate("g2", 4.0, lost=True)
        assert said(hall, 4.0) == [("mia", "online", None)]

    def test_a_gate_that_does_not_tell_its_roster_keeps_the_others_waiting_only_so_long(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), ("g1/b", "olga"))
        said(hall)
        hall.rosters.ask("g2", until=10)
        detach(hall, ("g1/a", "mia"), ("g1/b", "olga"))
        attach(hall, ("g2/d", "olga"), gate="g2")
        assert said(hall, 9.0) == []
        hall.rosters.overdue(now=10, until=20)
        assert said(hall, 10.0) == [("mia", "offline", None)]


def test_a_pinned_room_is_in_progress_until_it_is_released():
    hall = hall_with(room())
    hall.pin(ROOM)
    assert hall.rooms.find(ROOM).in_progress == 1
    hall.release(ROOM)
    hall.release(None)
    hall.pin("not held")
    assert hall.rooms.find(ROOM).in_progress == 0


def test_i2_a_repeat_that_history_remembers_gets_the_first_answer_and_changes_nothing():
    hall = hall_with(room())
    first = Accepted(command_id="k1", room=ROOM, epoch="e", seq=1, at=NOW)
    outcome = hall.receive_repeat(order(retry=True), first)
    assert (outcome.log, replies(outcome)) == (None, [first])


def test_an_order_that_could_not_be_decided_is_refused_whether_its_room_is_held_or_not():
    for hall in (hall_with(room()), a_hall(10)):
        outcome = hall.refuse(order(), Code.OVERLOADED)
        assert replies(outcome) == [Refused.of(Code.OVERLOADED, command_id="k1")]
        hall.release(outcome.room)


def test_a_room_is_in_progress_from_its_decision_to_the_release_of_its_effects():
    hall = hall_with(room(), rooms_limit=1)
    outcomes = [decided(hall, order()), decided(hall, order(actor="rita"))]
    assert hall.rooms.find(ROOM).in_progress == 2
    for outcome in outcomes:
        hall.release(outcome.room)
    assert hall.rooms.find(ROOM).in_progress == 0
