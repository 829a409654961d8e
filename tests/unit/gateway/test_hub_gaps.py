"""A gap in a room: it holds, is asked about and filled, or everyone starts afresh behind it (I3)."""

from __future__ import annotations

import pytest

from schemas.errors import Code
from schemas.events import Expulsion
from services.gateway.bounds import FeedLimits
from services.gateway.session import Ended, Fill
from services.gateway.tally import Count
from tests.unit.gateway.rooms import EPOCH, ROOM, Gate, event, missed, own


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
