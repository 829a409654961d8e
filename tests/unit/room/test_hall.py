"""What becomes of a command: the log entry, the fan-out, the answer; who hears of whom."""

import json

import pytest

from schemas.answers import Accepted, AttachAnswer, Refused
from schemas.errors import Code
from schemas.events import decode_logged
from schemas.fanout import FanoutKind
from schemas.routes import log_key
from schemas.signals import SIGNAL, PresenceSignal
from services.room.effects import FanOut, Reply
from services.room.hall import Hall
from services.room.orders import Order, ReplyAddress
from tests.unit.room.given import NOW, ROOM, command, created, event, room, room_after, snapshot

ADDRESS = ReplyAddress("replies", "1")


def hall_with(held, rooms_limit=100):
    hall = Hall(rooms_limit)
    hall.receive_snapshot(snapshot(held))
    return hall


def order(verb="send", actor="mia", tag=1, reply=ADDRESS, **fields):
    fields = {"text": "hi", **fields} if verb == "send" else fields
    return Order(command(verb, actor, **fields), tag, reply)


def attach(hall, *people, gate="g1", tag=9):
    sessions = [{"client": client, "user": user} for client, user in people]
    return hall.receive_order(order("attach", gate, tag, sessions=sessions), NOW)


def detach(hall, *people, gate="g1"):
    sessions = [{"client": client, "user": user} for client, user in people]
    return hall.receive_order(order("detach", gate, 10, sessions=sessions), NOW)


def fan_outs(outcome, kind):
    return [each for each in outcome.effects if isinstance(each, FanOut) and each.headers.kind is kind]


def replies(outcome):
    return [each.answer for each in outcome.effects if isinstance(each, Reply)]


def presence(outcome):
    signals = [SIGNAL.validate_json(each.body) for each in fan_outs(outcome, FanoutKind.SIGNAL)]
    return [
        (signal.user, signal.state.value, signal.reason) for signal in signals if isinstance(signal, PresenceSignal)
    ]


def test_i6_an_event_is_one_log_entry_and_one_fan_out_to_the_gates_that_hold_a_session():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"), ("g1/b", "rita"))
    attach(hall, ("g2/c", "olga"), gate="g2")
    outcome = hall.receive_order(order(), NOW)
    [fan_out] = fan_outs(outcome, FanoutKind.EVENT)
    assert fan_out.gates == ("g1", "g2")
    assert outcome.log.key == log_key(ROOM, "message_posted")
    logged = decode_logged(outcome.log.body)
    assert (logged.fence, logged.frame) == (7, fan_out.body)
    assert (fan_out.headers.room, fan_out.headers.epoch, fan_out.headers.seq) == (ROOM, logged.entry.epoch, 2)


def test_an_event_of_a_room_nobody_watches_is_fanned_out_to_nobody():
    outcome = hall_with(room()).receive_order(order(), NOW)
    assert fan_outs(outcome, FanoutKind.EVENT) == []
    [answer] = replies(outcome)
    assert isinstance(answer, Accepted)


def test_the_answer_of_an_attached_sender_rides_on_the_fan_out():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    outcome = hall.receive_order(order(client="g1/a"), NOW)
    [fan_out] = fan_outs(outcome, FanoutKind.EVENT)
    frame = json.loads(fan_out.body)
    assert replies(outcome) == []
    assert (fan_out.headers.skip, fan_out.headers.command_id) == ("g1/a", "k1")
    assert (fan_out.headers.message_id, fan_out.headers.at) == (frame["message_id"], frame["at"])


@pytest.mark.parametrize("client", [None, "g1/not-attached", "g2/elsewhere"])
def test_any_other_sender_gets_a_reply_and_is_not_skipped(client):
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    outcome = hall.receive_order(order(client=client), NOW)
    [fan_out] = fan_outs(outcome, FanoutKind.EVENT)
    [answer] = replies(outcome)
    assert (fan_out.headers.skip, fan_out.headers.command_id) == (None, None)
    assert (answer.seq, answer.command_id, answer.at) == (2, "k1", NOW)


def test_who_waits_nowhere_is_not_answered():
    assert hall_with(room()).receive_order(order(reply=None), NOW).effects == ()


def test_i2_a_repeated_command_gets_the_first_answer_and_makes_no_second_event():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    first = hall.receive_order(order(client="g1/a"), NOW)
    again = hall.receive_order(order(client="g1/a", tag=2, retry=True, text="other"), NOW)
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
    hall.receive_order(order(), NOW)
    assert hall.receive_order(order(actor="olga"), NOW).log is not None


def test_i2_only_a_flagged_retry_that_is_not_remembered_asks_history():
    hall = hall_with(room())
    assert hall.wants_lookup(order(retry=True))
    assert not hall.wants_lookup(order())
    assert not hall.wants_lookup(order("typing", retry=True))
    hall.receive_order(order(), NOW)
    assert not hall.wants_lookup(order(retry=True))
    assert not hall_with(None).wants_lookup(order("create", title="T", retry=True))


def test_a_refusal_goes_by_reply_and_names_the_command():
    [answer] = replies(hall_with(room()).receive_order(order(actor="rita"), NOW))
    assert answer == Refused.of(Code.NOT_ALLOWED, command_id="k1")


def test_typing_is_accepted_at_the_top_of_the_room_and_only_signalled():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"))
    outcome = hall.receive_order(order("typing"), NOW)
    [signal] = fan_outs(outcome, FanoutKind.SIGNAL)
    [answer] = replies(outcome)
    assert outcome.log is None
    assert json.loads(signal.body)["signal"] == "typing"
    assert (answer.seq, signal.headers.seq) == (1, 1)


class TestAttach:
    def test_i4_the_answer_goes_to_that_gate_alone_at_the_position_it_is_good_for(self):
        hall = hall_with(room())
        attach(hall, ("g2/z", "olga"), gate="g2")
        hall.receive_order(order(), NOW)
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
        outcome = hall.receive_order(order(), NOW)
        attach(hall, ("g1/a", "mia"))
        assert fan_outs(outcome, FanoutKind.EVENT) == []


class TestGoing:
    @pytest.mark.parametrize(("verb", "actor", "fields"), [("leave", "mia", {}), ("kick", "olga", {"user": "mia"})])
    def test_i10_who_is_no_member_any_longer_hears_of_it_and_then_nothing_more(self, verb, actor, fields):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        attach(hall, ("g2/b", "olga"), gate="g2")
        [last] = fan_outs(hall.receive_order(order(verb, actor, **fields), NOW), FanoutKind.EVENT)
        assert (last.gates, last.headers.expel) == (("g1", "g2"), "mia")
        [later] = fan_outs(hall.receive_order(order(actor="olga", command_id="k2"), NOW), FanoutKind.EVENT)
        assert later.gates == ("g2",)

    def test_only_the_last_session_of_a_user_makes_them_offline(self):
        hall = hall_with(room())
        assert presence(attach(hall, ("g1/a", "mia"), ("g1/b", "mia"))) == [("mia", "online", None)]
        attach(hall, ("g2/c", "olga"), gate="g2")
        assert presence(detach(hall, ("g1/a", "mia"))) == []
        assert presence(detach(hall, ("g1/b", "mia"))) == [("mia", "offline", None)]

    def test_a_stale_detach_changes_nothing(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"))
        assert detach(hall, ("g1/z", "mia")).effects == ()

    def test_a_detach_from_a_room_nobody_holds_is_over_at_once(self):
        hall = Hall(10)
        assert not hall.wants_room(order("detach", "g1", sessions=[{"client": "g1/a", "user": "mia"}]))
        assert detach(hall, ("g1/a", "mia")).effects == ()
        assert hall.wants_room(order())

    def test_a_lost_gate_takes_its_users_offline_and_says_why(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), ("g1/b", "olga"))
        attach(hall, ("g2/c", "olga"), gate="g2")
        assert presence(hall.drop_gate("g1")) == [("mia", "offline", "gate_lost")]
        [fan_out] = fan_outs(hall.receive_order(order(), NOW), FanoutKind.EVENT)
        assert fan_out.gates == ("g2",)


class TestTakeover:
    def test_a_loaded_room_tells_its_position_to_gates_that_may_hold_it(self):
        hall = Hall(10)
        hall.rosters.ask("g1", until=10)
        [top] = fan_outs(hall.receive_snapshot(snapshot(room())), FanoutKind.TOP)
        assert (top.gates, top.headers.seq, top.body) == (("g1",), 1, b"")
        assert Hall(10).receive_snapshot(snapshot(room())).effects == ()

    def test_i4_until_a_gate_has_told_its_roster_every_fan_out_includes_it(self):
        hall = hall_with(room())
        hall.rosters.ask("g1", until=10)
        [fan_out] = fan_outs(hall.receive_order(order(), NOW), FanoutKind.EVENT)
        assert fan_out.gates == ("g1",)
        hall.rosters.receive_done("g1", deliveries_before=0)
        assert fan_outs(hall.receive_order(order(command_id="k2"), NOW), FanoutKind.EVENT) == []

    def test_a_roster_announces_nobody_who_was_there_before(self):
        hall = hall_with(room())
        hall.rosters.ask("g1", until=10)
        assert presence(attach(hall, ("g1/a", "mia"))) == []

    def test_nobody_is_said_to_be_offline_before_every_roster_is_known(self):
        hall = hall_with(room())
        attach(hall, ("g1/a", "mia"), ("g1/b", "olga"), ("g1/c", "rita"))
        hall.rosters.ask("g2", until=10)
        assert presence(detach(hall, ("g1/a", "mia"), ("g1/b", "olga"))) == []
        attach(hall, ("g2/d", "olga"), gate="g2")
        hall.rosters.overdue(now=10, until=20)
        assert presence(hall.settle_presence()) == [("mia", "offline", None)]


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
    for hall in (hall_with(room()), Hall(10)):
        outcome = hall.refuse(order(), Code.OVERLOADED)
        assert replies(outcome) == [Refused.of(Code.OVERLOADED, command_id="k1")]
        hall.release(outcome.room)


def test_who_left_the_room_is_not_said_to_be_offline_as_well():
    hall = hall_with(room())
    attach(hall, ("g1/a", "mia"), ("g1/b", "olga"))
    hall.rosters.ask("g2", until=10)
    detach(hall, ("g1/a", "mia"))
    hall.receive_order(order("kick", "olga", user="mia"), NOW)
    hall.rosters.overdue(now=10, until=20)
    assert presence(hall.settle_presence()) == []


def test_a_room_is_in_progress_from_its_decision_to_the_release_of_its_effects():
    hall = hall_with(room(), rooms_limit=1)
    outcomes = [hall.receive_order(order(), NOW), hall.receive_order(order(actor="rita"), NOW)]
    assert hall.rooms.find(ROOM).in_progress == 2
    for outcome in outcomes:
        hall.release(outcome.room)
    assert hall.rooms.find(ROOM).in_progress == 0
