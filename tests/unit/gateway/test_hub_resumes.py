"""Clients that come back with a position: the ring, history, or a reset."""

from __future__ import annotations

import pytest

from services.gateway.bounds import FeedLimits
from services.gateway.session import Replay
from services.gateway.tally import Count
from tests.unit.gateway.rooms import EPOCH, ROOM, Gate, event, missed, own


def test_a_replay_with_too_many_bytes_behind_it_is_reset() -> None:
    gate = Gate(FeedLimits(replay_held_bytes=2 * len(event(7).frame)))
    bob = gate.want("bob", position=(EPOCH, 3))
    gate.answer(gate.asked(), 6)
    gate.push(event(7), event(8))
    assert bob.outlet.frames == []
    gate.push(event(9))
    assert [(frame["type"], frame["seq"]) for frame in bob.outlet.frames] == [("reset", 9), ("attached", 9)]


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


def test_detaching_while_replaying_loses_no_answer() -> None:
    gate = Gate()
    gate.attach("ann", at=6)
    bob = gate.want("bob", position=(EPOCH, 3))
    gate.answer(gate.asked(), 6)
    gate.push(event(7, own=own(bob, 7)))
    gate.hub.detach(ROOM, bob.client)
    gate.settle()
    assert [frame["type"] for frame in bob.outlet.frames] == ["accepted", "refused"]


def test_a_replay_nobody_waits_for_changes_nothing() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    gate.hub.receive_replay(ann, missed(1, 2))
    gate.settle()
    assert ann.outlet.seqs == []


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


def test_all_who_stopped_at_the_same_place_are_given_the_same_bytes() -> None:
    gate = Gate()
    gate.attach("ann", at=0)
    gate.push(event(1), event(2), event(3))
    first = gate.want("bob", position=(EPOCH, 1))
    ask = gate.asked()
    others = [gate.want(name, position=(EPOCH, at)) for name, at in (("cid", 1), ("dan", 2), ("eve", 1))]
    gate.answer(ask, 3)
    gate.answer(gate.asked(), 3)
    assert [[one for one in others if one.outlet in write.outlets] for write in gate.pushed[-2:]] == [
        [others[0], others[2]],
        [others[1]],
    ]
    assert [session.outlet.seqs for session in (first, *others)] == [[2, 3], [2, 3], [3], [2, 3]]
    assert gate.hub.tally[Count.RING] == 4
