from __future__ import annotations

import pytest

from schemas.answers import Refused
from schemas.commands import SaidStatus
from schemas.errors import Code
from schemas.events import Expulsion
from schemas.ids import ClientId, CommandId, Epoch, RoomId
from schemas.roles import Status
from services.gateway.bounds import FeedLimits
from services.gateway.ring import Numbered
from services.gateway.session import Ask, Ended, Fill, Replay, Stage
from services.gateway.tally import Count
from tests.unit.gateway.rooms import EPOCH, ROOM, Gate, attach_answer, event, own


def missed(first: int, last: int) -> list[Numbered]:
    return [Numbered(seq, event(seq).frame) for seq in range(first, last + 1)]


def test_events_reach_every_session_in_order_and_once() -> None:
    gate = Gate()
    ann, bob = gate.attach("ann", at=4), gate.attach("bob", at=4)
    gate.push(event(5), event(6))
    gate.push(event(6), event(5), event(7))
    assert ann.outlet.seqs == bob.outlet.seqs == [5, 6, 7]


def test_events_of_one_burst_are_one_write() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    before = ann.outlet.writes
    gate.push(event(1), event(2), event(3))
    assert ann.outlet.writes == before + 1


def test_a_session_starts_exactly_where_the_room_says() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    bob = gate.want("bob")
    ask = gate.asked()
    gate.push(event(5))
    gate.answer(ask, 5)
    gate.push(event(6))
    assert bob.outlet.seqs == [6]
    assert bob.outlet.frames[0]["type"] == "attached"
    assert bob.outlet.frames[0]["seq"] == 5
    assert ann.outlet.seqs == [5, 6]


def test_the_sender_gets_accepted_in_place_of_its_event() -> None:
    gate = Gate()
    ann, bob = gate.attach("ann", at=0), gate.attach("bob", at=0)
    gate.push(event(1), event(2, own=own(ann, 2)), event(3))
    assert [frame["type"] for frame in ann.outlet.frames[1:]] == ["event", "accepted", "event"]
    assert [frame["type"] for frame in bob.outlet.frames[1:]] == ["event", "event", "event"]


def test_with_echo_the_sender_gets_both() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0, echo=True)
    gate.push(event(1, own=own(ann, 1)))
    assert [frame["type"] for frame in ann.outlet.frames[1:]] == ["accepted", "event"]


def test_a_sender_whose_session_ended_still_gets_accepted() -> None:
    gate = Gate()
    ann, _ = gate.attach("ann", at=0), gate.attach("bob", at=0)
    gate.hub.detach(ROOM, ann.client)
    gate.push(event(1, own=own(ann, 1)))
    assert [frame["type"] for frame in ann.outlet.frames[1:]] == ["accepted"]


def test_a_gap_holds_the_room_asks_about_everyone_and_fetches_exactly_the_gap() -> None:
    gate = Gate()
    ann, bob = gate.attach("ann", at=4), gate.attach("bob", at=4)
    gate.push(event(7), event(8))
    ask = gate.asked()
    assert {session.client for session in ask.sessions} == {ann.client, bob.client}
    assert ann.outlet.seqs == []
    assert gate.answer(ask, 8) == [Fill(ROOM, EPOCH, 4, 6)]
    gate.push(event(9))
    gate.hub.receive_gap(ROOM, 4, 6, missed(5, 6))
    gate.settle()
    assert ann.outlet.seqs == bob.outlet.seqs == [5, 6, 7, 8, 9]
    assert gate.hub.tally[Count.GAP] == 1


def test_whoever_was_expelled_in_the_gap_gets_nothing_of_it() -> None:
    gate = Gate()
    ann, bob = gate.attach("ann", at=4), gate.attach("bob", at=4)
    gate.push(event(7))
    gate.answer(gate.asked(), 7, refused={"bob": Code.NOT_A_MEMBER})
    gate.hub.receive_gap(ROOM, 4, 6, missed(5, 6))
    gate.settle()
    assert ann.outlet.seqs == [5, 6, 7]
    assert bob.outlet.seqs == []
    assert bob.outlet.frames[-1] == {"type": "detached", "room": ROOM, "code": "not_a_member"}


def test_a_second_gap_behind_the_first_is_filled_too() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.push(event(2), event(4))
    gate.answer(gate.asked(), 4)
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    gate.settle()
    assert ann.outlet.seqs == [1, 2]
    assert gate.answer(gate.asked(), 4) == [Fill(ROOM, EPOCH, 2, 3)]
    gate.hub.receive_gap(ROOM, 2, 3, missed(3, 3))
    gate.settle()
    assert ann.outlet.seqs == [1, 2, 3, 4]


def test_a_gap_that_cannot_be_filled_resets_everyone_and_the_room_goes_on() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.push(event(3))
    gate.answer(gate.asked(), 3)
    gate.hub.receive_gap(ROOM, 0, 2, None)
    gate.settle()
    assert ann.outlet.frames[1] == {"type": "reset", "room": ROOM, "epoch": EPOCH, "seq": 2}
    assert ann.outlet.seqs == [3]


def test_a_gap_longer_than_the_limit_resets_everyone() -> None:
    gate = Gate(FeedLimits(resume_events=10))
    ann = gate.attach("ann", at=0)
    gate.push(event(50))
    assert gate.answer(gate.asked(), 50) == []
    assert [frame["type"] for frame in ann.outlet.frames] == ["attached", "reset", "event", "attached"]


def test_a_stale_gap_answer_changes_nothing() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.hub.receive_gap(ROOM, 0, 2, missed(1, 2))
    gate.settle()
    assert ann.outlet.seqs == []


def test_a_missing_tail_is_noticed_by_top() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    gate.hub.receive_top(ROOM, EPOCH, 6)
    gate.settle()
    assert gate.answer(gate.asked(), 6) == [Fill(ROOM, EPOCH, 4, 6)]
    gate.hub.receive_gap(ROOM, 4, 6, missed(5, 6))
    gate.settle()
    assert ann.outlet.seqs == [5, 6]


def test_a_top_that_is_reached_already_asks_nothing() -> None:
    gate = Gate()
    gate.attach("ann", at=4)
    gate.hub.receive_top(ROOM, EPOCH, 4)
    assert gate.settle() == []


def test_a_missing_tail_is_noticed_when_everyone_is_attached_again() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    gate.hub.reattach()
    gate.settle()
    assert gate.answer(gate.asked(), 6) == [Fill(ROOM, EPOCH, 4, 6)]
    gate.hub.receive_gap(ROOM, 4, 6, missed(5, 6))
    gate.settle()
    assert ann.outlet.seqs == [5, 6]
    assert [frame["type"] for frame in ann.outlet.frames] == ["attached", "event", "event"]


def test_a_newcomer_whose_answer_shows_a_missing_tail_waits_for_it_to_be_filled() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    bob = gate.want("bob")
    gate.answer(gate.asked(), 6)
    assert gate.answer(gate.asked(), 6) == [Fill(ROOM, EPOCH, 4, 6)]
    gate.hub.receive_gap(ROOM, 4, 6, missed(5, 6))
    gate.push(event(7))
    assert ann.outlet.seqs == [5, 6, 7]
    assert bob.outlet.seqs == [7]
    assert bob.outlet.frames[0]["seq"] == 6


def test_what_is_held_is_bounded_and_fetched_later() -> None:
    gate = Gate(FeedLimits(held_events=3))
    ann = gate.attach("ann", at=0)
    gate.push(*(event(seq) for seq in range(2, 11)))
    gate.answer(gate.asked(), 10)
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    assert gate.settle() == [Fill(ROOM, EPOCH, 4, 10)]
    assert ann.outlet.seqs == [1, 2, 3, 4]
    gate.hub.receive_gap(ROOM, 4, 10, missed(5, 10))
    gate.settle()
    assert ann.outlet.seqs == list(range(1, 11))


def test_what_is_held_is_bounded_in_bytes_too() -> None:
    gate = Gate(FeedLimits(held_bytes=3 * len(event(2).frame)))
    ann = gate.attach("ann", at=0)
    gate.push(*(event(seq) for seq in range(2, 8)))
    gate.answer(gate.asked(), 7)
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    assert gate.settle() == [Fill(ROOM, EPOCH, 4, 7)]
    gate.hub.receive_gap(ROOM, 4, 7, missed(5, 7))
    gate.push(event(9), event(10))
    gate.answer(gate.asked(), 10)
    gate.hub.receive_gap(ROOM, 7, 8, missed(8, 8))
    gate.settle()
    assert ann.outlet.seqs == list(range(1, 11))


def test_a_replay_with_too_many_bytes_behind_it_is_reset() -> None:
    gate = Gate(FeedLimits(replay_held_bytes=2 * len(event(7).frame)))
    bob = gate.want("bob", position=(EPOCH, 3))
    gate.answer(gate.asked(), 6)
    gate.push(event(7), event(8))
    assert bob.outlet.frames == []
    gate.push(event(9))
    assert [(frame["type"], frame["seq"]) for frame in bob.outlet.frames] == [("reset", 9), ("attached", 9)]


def test_what_was_dropped_from_behind_a_gap_is_remembered_by_its_number() -> None:
    gate = Gate(FeedLimits(held_events=1))
    ann = gate.attach("ann", at=0)
    gate.push(event(2))
    ask = gate.asked()
    gate.answer(ask, 2)
    gate.push(event(3, own=own(ann, 3)), event(4))
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    gate.settle()
    assert gate.answer(gate.asked(), 4) == [Fill(ROOM, EPOCH, 2, 4)]
    gate.hub.receive_gap(ROOM, 2, 4, missed(3, 4))
    gate.settle()
    assert [(frame["type"], frame["seq"]) for frame in ann.outlet.frames[1:]] == [
        ("event", 1),
        ("event", 2),
        ("accepted", 3),
        ("event", 4),
    ]


def test_an_answer_whose_event_was_dropped_behind_a_gap_is_told_also_when_the_gap_stays() -> None:
    gate = Gate(FeedLimits(held_events=1, resume_events=2))
    ann = gate.attach("ann", at=0)
    gate.push(event(2))
    gate.answer(gate.asked(), 2)
    gate.push(event(3, own=own(ann, 3)), event(6))
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    gate.settle()
    gate.answer(gate.asked(), 6)
    assert [(frame["type"], frame["seq"]) for frame in ann.outlet.frames[1:]] == [
        ("event", 1),
        ("event", 2),
        ("accepted", 3),
        ("reset", 6),
        ("attached", 6),
    ]


@pytest.mark.parametrize("held_events", [1, 9])
def test_an_answer_behind_a_gap_is_told_when_nobody_follows_the_room_any_more(held_events: int) -> None:
    gate = Gate(FeedLimits(held_events=held_events))
    ann = gate.attach("ann", at=0)
    gate.push(event(2))
    gate.push(event(3, own=own(ann, 3)))
    gate.hub.detach(ROOM, ann.client)
    gate.settle()
    assert [(frame["type"], frame["seq"]) for frame in ann.outlet.frames[1:]] == [("accepted", 3)]


def test_a_held_event_keeps_its_senders_answer() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.push(event(2, own=own(ann, 2)))
    gate.answer(gate.asked(), 2)
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    gate.settle()
    assert [frame["type"] for frame in ann.outlet.frames[1:]] == ["event", "accepted"]


def test_another_epoch_is_answered_by_asking_and_then_reset() -> None:
    gate = Gate()
    ann, bob = gate.attach("ann", at=9), gate.attach("bob", at=9)
    gate.push(event(1, epoch="e2"))
    assert ann.outlet.seqs == []
    gate.answer(gate.asked(), 1, epoch="e2", refused={"bob": Code.NOT_A_MEMBER})
    gate.push(event(2, epoch="e2"))
    assert [(frame["type"], frame["seq"]) for frame in ann.outlet.frames[1:]] == [
        ("reset", 1),
        ("attached", 1),
        ("event", 2),
    ]
    assert {frame["epoch"] for frame in ann.outlet.frames[1:3]} == {"e2"}
    assert bob.outlet.frames[-1]["type"] == "detached"


def test_a_top_of_another_epoch_asks_about_everyone() -> None:
    gate = Gate()
    gate.attach("ann", at=9)
    gate.hub.receive_top(ROOM, Epoch("e2"), 1)
    gate.settle()
    assert len(gate.asked().sessions) == 1


def test_an_expelled_user_gets_the_event_and_then_nothing_more() -> None:
    gate = Gate()
    ann, bob, tab = gate.attach("ann", at=0), gate.attach("bob", at=0), gate.attach("tab", at=0, user="bob")
    effects = gate.push(event(1, expel="bob"), event(2))
    assert effects == [Ended(bob, tell_room=False), Ended(tab, tell_room=False)]
    for session in (bob, tab):
        assert session.outlet.seqs == [1]
        assert session.outlet.frames[-1]["type"] == "detached"
        assert session.stage is Stage.ENDED
    assert ann.outlet.seqs == [1, 2]


def test_a_room_without_sessions_is_forgotten() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    assert gate.hub.has(ROOM, ann.client)
    assert gate.hub.detach(ROOM, ann.client) is ann
    gate.settle()
    assert not gate.hub.receive_event(ROOM, event(1))


def test_detaching_what_is_not_attached_finds_nothing() -> None:
    gate = Gate()
    gate.attach("ann", at=0)
    assert gate.hub.detach(ROOM, ClientId("g/nobody")) is None
    assert gate.hub.detach(RoomId("elsewhere"), ClientId("g/ann")) is None


def test_a_refused_session_is_told_and_never_live() -> None:
    gate = Gate()
    bob = gate.want("bob")
    effects = gate.answer(gate.asked(), 4, refused={"bob": Code.NOT_A_MEMBER})
    gate.push(event(5))
    assert [(frame["type"], frame["code"], frame["id"]) for frame in bob.outlet.frames] == [
        ("refused", "not_a_member", 1)
    ]
    assert effects == [Ended(bob, tell_room=False)]


def test_a_wish_that_nobody_answered_is_refused_and_the_room_is_told() -> None:
    gate = Gate()
    bob = gate.want("bob")
    gate.hub.receive_refusal(ROOM, gate.asked().command_id, Refused.of(Code.NO_ANSWER))
    assert gate.settle() == [Ended(bob, tell_room=True)]
    assert bob.outlet.frames[0]["code"] == "no_answer"


def test_a_question_about_everyone_that_nobody_answered_is_asked_again() -> None:
    gate = Gate()
    gate.attach("ann", at=4)
    gate.hub.reattach()
    gate.settle()
    gate.hub.receive_refusal(ROOM, gate.asked().command_id, Refused.of(Code.NO_ANSWER))
    assert gate.settle() == []
    gate.hub.ask_again()
    assert isinstance(gate.settle()[0], Ask)
    gate.hub.ask_again()
    assert gate.settle() == []


def test_a_room_that_is_gone_ends_all_its_sessions() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    gate.hub.reattach()
    gate.settle()
    gate.hub.receive_refusal(ROOM, gate.asked().command_id, Refused.of(Code.ROOM_NOT_FOUND))
    assert gate.settle() == [Ended(ann, tell_room=False)]
    assert ann.outlet.frames[-1] == {"type": "detached", "room": ROOM, "code": "room_not_found"}


def test_answers_to_questions_nobody_asked_change_nothing() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    ask = Ask(ROOM, gate.want("bob").client, ())
    assert gate.answer(ask, 9) == []
    gate.push(event(5))
    assert ann.outlet.seqs == [5]


def test_a_resume_within_the_ring_needs_no_history() -> None:
    gate = Gate()
    gate.attach("ann", at=4)
    gate.push(*(event(seq) for seq in range(5, 9)))
    bob = gate.attach("bob", at=8, position=(EPOCH, 6))
    gate.push(event(9))
    assert gate.todo == []
    assert bob.outlet.frames[0]["seq"] == 6
    assert bob.outlet.seqs == [7, 8, 9]


def test_a_longer_resume_is_fetched_and_joined_with_what_came_live() -> None:
    gate = Gate()
    bob = gate.want("bob", position=(EPOCH, 3))
    assert gate.answer(gate.asked(), 6) == [Replay(bob, EPOCH, 3, 6)]
    gate.push(event(7), event(8, own=own(bob, 8)))
    assert bob.outlet.frames == []
    gate.hub.receive_replay(bob, missed(4, 7))
    gate.push(event(9))
    assert bob.outlet.frames[0]["seq"] == 3
    assert bob.outlet.seqs == [4, 5, 6, 7, 8, 9]
    assert bob.outlet.frames[-2]["type"] == "accepted"


def test_a_resume_is_all_or_nothing() -> None:
    gate = Gate()
    bob = gate.want("bob", position=(EPOCH, 3))
    gate.answer(gate.asked(), 6)
    gate.hub.receive_replay(bob, missed(5, 6))
    gate.push(event(7))
    assert [frame["type"] for frame in bob.outlet.frames] == ["reset", "attached", "event"]
    assert bob.outlet.frames[1]["seq"] == 6


@pytest.mark.parametrize("position", [("e0", 5), (EPOCH, 2), (EPOCH, 20)], ids=["epoch", "too far", "ahead"])
def test_a_position_that_cannot_be_resumed_is_reset(position: tuple[str, int]) -> None:
    gate = Gate(FeedLimits(resume_events=5))
    bob = gate.attach("bob", at=10, position=position)
    gate.push(event(11))
    assert bob.outlet.frames[0] == {"type": "reset", "room": ROOM, "epoch": EPOCH, "seq": 10}
    assert bob.outlet.frames[1]["seq"] == 10
    assert bob.outlet.seqs == [11]


def test_a_replay_that_falls_too_far_behind_is_reset_and_loses_no_answer() -> None:
    gate = Gate(FeedLimits(replay_held_events=2))
    bob = gate.want("bob", position=(EPOCH, 3))
    gate.answer(gate.asked(), 6)
    gate.push(event(7, own=own(bob, 7)), event(8), event(9), event(10))
    assert [frame["type"] for frame in bob.outlet.frames] == ["reset", "attached", "accepted", "event"]
    assert bob.outlet.frames[1]["seq"] == 9
    gate.hub.receive_replay(bob, missed(4, 6))
    gate.settle()
    assert bob.outlet.seqs == [7, 10]


def test_an_attach_that_is_replaced_by_another_is_refused_by_its_id() -> None:
    gate = Gate()
    first = gate.want("ann")
    again = gate.want("ann")
    gate.answer(gate.asked(), 4)
    assert [(frame["type"], frame["id"], frame["code"]) for frame in first.outlet.frames] == [
        ("refused", 1, "not_attached")
    ]
    assert [frame["type"] for frame in again.outlet.frames] == ["attached"]


@pytest.mark.parametrize("position", [None, (EPOCH, 3)], ids=["waiting", "replaying"])
def test_an_attach_that_is_detached_before_its_answer_is_refused_by_its_id(position: tuple[str, int] | None) -> None:
    gate = Gate()
    bob = gate.want("bob", position=position)
    if position is not None:
        gate.answer(gate.asked(), 6)
    gate.hub.detach(ROOM, bob.client)
    gate.settle()
    assert [(frame["type"], frame["id"]) for frame in bob.outlet.frames] == [("refused", 1)]


def test_detaching_while_replaying_loses_no_answer() -> None:
    gate = Gate()
    gate.attach("ann", at=6)
    bob = gate.want("bob", position=(EPOCH, 3))
    gate.answer(gate.asked(), 6)
    gate.push(event(7, own=own(bob, 7)))
    gate.hub.detach(ROOM, bob.client)
    gate.settle()
    assert [frame["type"] for frame in bob.outlet.frames] == ["accepted", "refused"]


def test_attaching_again_replaces_the_session() -> None:
    gate = Gate()
    first = gate.attach("ann", at=4)
    again = gate.want("ann")
    ask = gate.asked()
    gate.push(event(5))
    assert first.stage is Stage.ENDED
    gate.answer(ask, 5)
    gate.push(event(6))
    assert again.outlet.seqs == [6]
    assert first.outlet.seqs == []


def test_a_signal_reaches_every_live_session() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    gate.hub.receive_signal(ROOM, event(0).frame)
    gate.settle()
    assert len(ann.outlet.frames) == 2


def test_signals_are_dropped_while_the_room_is_held_because_somebody_may_have_been_expelled() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    gate.push(event(9))
    gate.hub.receive_signal(ROOM, event(0).frame)
    gate.answer(gate.asked(), 9)
    gate.hub.receive_signal(ROOM, event(0).frame)
    gate.settle()
    assert len(ann.outlet.frames) == 1


def test_nobody_who_was_expelled_behind_a_held_answer_gets_what_came_after_it() -> None:
    """I10: the answer at 20 does not cover 21 to 24, so the room is asked again before those are fetched."""
    gate = Gate()
    ann, bob = gate.attach("ann", at=9), gate.attach("bob", at=9)
    gate.push(event(13))
    assert gate.answer(gate.asked(), 13) == [Fill(ROOM, EPOCH, 9, 12)]
    gate.hub.reattach()
    gate.settle()
    gate.answer(gate.asked(), 20)
    gate.push(event(25))
    gate.hub.receive_gap(ROOM, 9, 12, missed(10, 12))
    assert gate.settle() == [Fill(ROOM, EPOCH, 13, 20)]
    gate.hub.receive_gap(ROOM, 13, 20, missed(14, 20))
    gate.settle()
    assert gate.answer(gate.asked(), 25, refused={"bob": Code.NOT_A_MEMBER})[-1] == Fill(ROOM, EPOCH, 20, 24)
    gate.hub.receive_gap(ROOM, 20, 24, missed(21, 24))
    gate.settle()
    assert ann.outlet.seqs == list(range(10, 26))
    assert bob.outlet.seqs == list(range(10, 21))


def test_an_answer_to_a_newcomer_that_was_held_keeps_its_place_in_the_order() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.push(event(2))
    gate.answer(gate.asked(), 2)
    bob = gate.want("bob")
    gate.answer(gate.asked(), 4)
    gate.push(event(5))
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    gate.settle()
    assert gate.answer(gate.asked(), 5) == [Fill(ROOM, EPOCH, 2, 4)]
    gate.hub.receive_gap(ROOM, 2, 4, missed(3, 4))
    gate.settle()
    assert ann.outlet.seqs == [1, 2, 3, 4, 5]
    assert bob.outlet.frames[0]["seq"] == 4
    assert bob.outlet.seqs == [5]


def test_an_expulsion_inside_a_gap_ends_the_session_there_and_the_room_hears_of_it() -> None:
    gate = Gate()
    ann, bob = gate.attach("ann", at=4), gate.attach("bob", at=4)
    gate.push(event(8))
    gate.answer(gate.asked(), 8)
    gate.hub.receive_gap(ROOM, 4, 7, [*missed(5, 5), missed(6, 6)[0]._replace(expel=Expulsion("bob")), *missed(7, 7)])
    assert gate.settle() == [Ended(bob, tell_room=True)]
    assert ann.outlet.seqs == [5, 6, 7, 8]
    assert bob.outlet.seqs == [5, 6]


def test_who_came_back_after_an_expulsion_inside_a_gap_is_still_taken() -> None:
    gate = Gate()
    gate.attach("ann", at=4)
    gate.push(event(8))
    gate.answer(gate.asked(), 8)
    bob = gate.want("bob")
    gate.answer(gate.asked(), 8)
    gate.hub.receive_gap(ROOM, 4, 7, [missed(5, 5)[0]._replace(expel=Expulsion("bob")), *missed(6, 7)])
    gate.settle()
    gate.push(event(9))
    assert bob.outlet.seqs == [9]


def test_events_before_the_room_has_answered_are_not_ours() -> None:
    gate = Gate()
    bob = gate.want("bob")
    ask = gate.asked()
    gate.push(event(4, own=own(bob, 4)))
    gate.hub.receive_top(ROOM, EPOCH, 4)
    gate.answer(ask, 4)
    assert [frame["type"] for frame in bob.outlet.frames] == ["accepted", "attached"]


def test_a_roster_names_the_rooms_of_that_shard_only() -> None:
    gate = Gate()
    gate.attach("ann", at=4)
    shards_asked = []
    for shard in range(8):
        gate.hub.reattach_shard(shard, 8)
        shards_asked += [shard] * len(gate.settle())
    assert len(shards_asked) == 1


def test_the_hub_counts_its_sessions() -> None:
    gate = Gate()
    gate.attach("ann", at=4)
    gate.attach("bob", at=4)
    assert gate.hub.session_count == 2


def test_a_newcomer_that_arrives_while_a_gap_is_filled_starts_behind_it() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.push(event(2))
    gate.answer(gate.asked(), 2)
    bob = gate.want("bob")
    gate.answer(gate.asked(), 2)
    gate.hub.receive_top(ROOM, EPOCH, 2)
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    gate.push(event(3))
    assert ann.outlet.seqs == [1, 2, 3]
    assert bob.outlet.frames[0]["seq"] == 2
    assert bob.outlet.seqs == [3]


def test_a_top_heard_while_a_gap_is_filled_is_not_forgotten() -> None:
    gate = Gate()
    gate.attach("ann", at=0)
    gate.push(event(2))
    gate.answer(gate.asked(), 2)
    gate.hub.receive_top(ROOM, EPOCH, 5)
    gate.hub.receive_gap(ROOM, 0, 1, missed(1, 1))
    gate.settle()
    assert gate.answer(gate.asked(), 5) == [Fill(ROOM, EPOCH, 2, 5)]


def test_a_refusal_of_a_question_that_is_forgotten_changes_nothing() -> None:
    gate = Gate()
    gate.attach("ann", at=0)
    gate.hub.reattach()
    gate.settle()
    old = gate.asked()
    gate.hub.reattach()
    gate.settle()
    gate.hub.receive_refusal(ROOM, old.command_id, Refused.of(Code.ROOM_NOT_FOUND))
    assert gate.settle() == []
    assert gate.hub.session_count == 1


def test_a_stray_event_of_another_epoch_stops_nothing_when_the_room_denies_it() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=3)
    gate.push(event(9, epoch="e0", own=own(ann, 9)), event(9, epoch="e0"))
    ask = gate.asked()
    gate.push(event(4))
    assert gate.answer(ask, 4) == []
    gate.push(event(5))
    assert ann.outlet.seqs == [9, 4, 5]


def test_a_new_epoch_takes_along_whoever_waited_behind_a_gap() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=3)
    cat = gate.want("cat", position=(EPOCH, 1))
    [replay] = gate.answer(gate.asked(), 3)
    assert isinstance(replay, Replay)
    gate.push(event(5, own=own(ann, 5)))
    whole = gate.asked()
    bob = gate.want("bob")
    gate.answer(gate.asked(), 5)
    gate.answer(whole, 2, epoch="e2")
    gate.push(event(3, epoch="e2"))
    assert [frame["type"] for frame in ann.outlet.frames] == ["attached", "reset", "accepted", "attached", "event"]
    assert [(frame["type"], frame["seq"]) for frame in bob.outlet.frames] == [("attached", 2), ("event", 3)]
    assert [(frame["type"], frame["seq"]) for frame in cat.outlet.frames] == [
        ("reset", 2),
        ("attached", 2),
        ("event", 3),
    ]


def test_deliveries_for_rooms_without_sessions_change_nothing() -> None:
    gate = Gate()
    stranger = gate.attach("ann", at=0)
    gate.hub.detach(ROOM, stranger.client)
    gate.settle()
    gate.hub.receive_signal(ROOM, b"")
    gate.hub.receive_top(ROOM, EPOCH, 1)
    gate.hub.receive_attached(attach_answer(CommandId("attach-9"), 1))
    gate.hub.receive_refusal(ROOM, CommandId("attach-9"), Refused.of(Code.INTERNAL))
    gate.hub.receive_gap(ROOM, 0, 1, [])
    gate.hub.receive_replay(stranger, [])
    assert gate.settle() == []


def test_a_replay_nobody_waits_for_changes_nothing() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.hub.receive_replay(ann, missed(1, 2))
    gate.settle()
    assert ann.outlet.seqs == []


def test_who_is_attached_is_known_unless_they_wait_or_hide() -> None:
    gate = Gate()
    gate.attach("ann", at=0)
    hidden = gate.attach("bob", at=0)
    hidden.status = SaidStatus(state=Status.OFFLINE)
    gate.want("cat")
    assert (gate.hub.users_of(ROOM), gate.hub.room_count) == ({"ann"}, 1)
    assert gate.hub.users_of(RoomId("elsewhere")) == frozenset()


def test_an_answer_that_rode_on_a_lost_event_stands_in_its_place_when_the_gap_is_filled() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.push(event(3))
    gate.answer(gate.asked(), 3)
    assert gate.hub.receive_gap(ROOM, 0, 2, missed(1, 2), {2: own(ann, 2)})
    gate.settle()
    assert [(frame["type"], frame["seq"]) for frame in ann.outlet.frames[1:]] == [
        ("event", 1),
        ("accepted", 2),
        ("event", 3),
    ]


def test_an_answer_among_what_was_pushed_already_is_told_at_once() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    assert gate.hub.receive_gap(ROOM, 2, 4, missed(3, 4), {3: own(ann, 3)})
    gate.settle()
    assert [(frame["type"], frame["seq"]) for frame in ann.outlet.frames[1:]] == [("accepted", 3)]


def test_answers_of_a_room_that_nobody_follows_any_more_are_the_callers() -> None:
    assert not Gate().hub.receive_gap(ROOM, 0, 1, missed(1, 1), {})


def test_what_was_fetched_for_one_session_serves_the_others_from_the_ring() -> None:
    gate = Gate()
    waiting = []
    for name, seq in (("ann", 1), ("bob", 3), ("cat", 0)):
        waiting.append(gate.want(name, position=(EPOCH, seq)))
        [replay] = gate.answer(gate.asked(), 5)
        assert isinstance(replay, Replay)
    ann, bob, cat = waiting
    gate.push(event(6))
    gate.hub.receive_replay(ann, missed(2, 5))
    assert gate.hub.replay_from_ring(bob)
    assert not gate.hub.replay_from_ring(cat)
    gate.settle()
    assert ann.outlet.seqs == [2, 3, 4, 5, 6]
    assert bob.outlet.seqs == [4, 5, 6]
    assert cat.outlet.seqs == []
    assert (gate.hub.tally[Count.HISTORY], gate.hub.tally[Count.RING]) == (1, 1)


def test_nothing_is_fetched_for_a_session_that_waits_no_longer() -> None:
    gate = Gate()
    ann = gate.want("ann", position=(EPOCH, 1))
    gate.answer(gate.asked(), 5)
    gate.hub.detach(ROOM, ann.client)
    gate.settle()
    assert gate.hub.replay_from_ring(ann)
    assert ann.outlet.seqs == []
