"""Rooms that are numbered anew."""

from __future__ import annotations

from schemas.errors import Code
from schemas.ids import Epoch
from services.gateway.session import Replay
from tests.unit.gateway.rooms import EPOCH, ROOM, Gate, event, own


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
