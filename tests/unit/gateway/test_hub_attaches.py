"""Wishes for a room: how the room is asked, and what each client hears of its answer."""

from __future__ import annotations

import pytest

from schemas.answers import Refused
from schemas.errors import Code
from schemas.ids import ClientId, RoomId
from services.gateway.feed import WISHES_AT_ONCE
from services.gateway.session import Ask, Ended, Stage
from tests.unit.gateway.rooms import EPOCH, ROOM, Gate, event, missed, own, wish


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


def test_an_attach_that_is_replaced_by_another_is_refused_by_its_id() -> None:
    gate = Gate()
    first = gate.want("ann")
    ask = gate.asked()
    again = gate.want("ann")
    gate.answer(ask, 4)
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


def test_events_before_the_room_has_answered_are_not_ours() -> None:
    gate = Gate()
    bob = gate.want("bob")
    ask = gate.asked()
    gate.push(event(4, own=own(bob, 4)))
    gate.hub.receive_top(ROOM, EPOCH, 4)
    gate.answer(ask, 4)
    assert [frame["type"] for frame in bob.outlet.frames] == ["accepted", "attached"]


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


def asked_about(gate: Gate) -> list[list[str]]:
    """The users of each question that the last settling made."""
    return [[session.user for session in effect.sessions] for effect in gate.todo if isinstance(effect, Ask)]


def test_a_lone_wish_is_asked_about_at_once() -> None:
    gate = Gate()
    gate.want("ann")
    assert asked_about(gate) == [["ann"]]


def test_wishes_of_one_burst_are_one_question() -> None:
    gate = Gate()
    for name in ("ann", "bob", "cid"):
        gate.hub.attach(wish(name))
    gate.settle()
    assert asked_about(gate) == [["ann", "bob", "cid"]]


def test_wishes_that_come_while_a_question_is_on_its_way_are_the_next_one() -> None:
    gate = Gate()
    ann = gate.want("ann")
    ask = gate.asked()
    others = [gate.want(name) for name in ("bob", "cid")]
    assert asked_about(gate) == []
    gate.answer(ask, 4)
    assert asked_about(gate) == [["bob", "cid"]]
    ask = gate.asked()
    gate.push(event(5))
    gate.answer(ask, 5)
    gate.push(event(6))
    assert ann.outlet.seqs == [5, 6]
    assert [one.outlet.seqs for one in others] == [[6], [6]]


def test_each_of_one_question_hears_its_own_answer() -> None:
    gate = Gate()
    gate.want("ann")
    ask = gate.asked()
    bob, cid = gate.want("bob"), gate.want("cid")
    gate.answer(ask, 4)
    gate.answer(gate.asked(), 4, refused={"cid": Code.NOT_A_MEMBER})
    gate.push(event(5))
    assert [frame["type"] for frame in bob.outlet.frames] == ["attached", "event"]
    assert [frame.get("code") for frame in cid.outlet.frames] == [Code.NOT_A_MEMBER]


def test_nobody_is_asked_about_who_is_gone_before_their_turn() -> None:
    gate = Gate()
    gate.want("ann")
    ask = gate.asked()
    gone, again = gate.want("bob"), [gate.want("cid"), gate.want("cid")]
    gate.hub.detach(ROOM, gone.client)
    gate.answer(ask, 4)
    assert gate.asked().sessions == (again[1],)
    assert [frame["code"] for frame in gone.outlet.frames] == [Code.NOT_ATTACHED]
    assert [frame["code"] for frame in again[0].outlet.frames] == [Code.NOT_ATTACHED]


def test_a_question_that_is_refused_makes_room_for_the_next() -> None:
    gate = Gate()
    gate.want("ann")
    ask = gate.asked()
    bob = gate.want("bob")
    gate.hub.receive_refusal(ROOM, ask.command_id, Refused.of(Code.OVERLOADED))
    gate.settle()
    gate.answer(gate.asked(), 4)
    assert [frame["type"] for frame in bob.outlet.frames] == ["attached"]


def test_a_wish_waits_no_longer_than_the_next_look_behind_a_question_without_an_answer() -> None:
    gate = Gate()
    gate.want("ann")
    gate.want("bob")
    gate.hub.ask_again()
    gate.settle()
    assert asked_about(gate) == [["bob"]]


def test_a_question_about_everyone_holds_up_no_wish_and_takes_along_those_that_wait() -> None:
    gate = Gate()
    gate.attach("ann", at=4)
    gate.want("bob")
    cid = gate.want("cid")
    gate.hub.reattach()
    gate.settle()
    whole = gate.asked()
    assert asked_about(gate) == [["ann", "bob", "cid"]]
    gate.want("dan")
    assert asked_about(gate) == [["dan"]]
    gate.answer(whole, 4)
    assert [frame["type"] for frame in cid.outlet.frames] == ["attached"]


def test_a_question_has_a_bound_and_the_rest_is_asked_about_behind_it() -> None:
    gate = Gate()
    for number in range(WISHES_AT_ONCE + 1):
        gate.hub.attach(wish(f"u{number}"))
    gate.settle()
    ask = gate.asked()
    assert len(ask.sessions) == WISHES_AT_ONCE
    gate.answer(ask, 4)
    assert asked_about(gate) == [[f"u{WISHES_AT_ONCE}"]]


def test_a_gap_is_asked_about_at_once_also_while_wishes_wait() -> None:
    gate = Gate()
    gate.attach("ann", at=4)
    gate.want("bob")
    first = gate.asked()
    cid = gate.want("cid")
    gate.push(event(6))
    assert asked_about(gate) == [["ann", "bob", "cid"]]
    whole = gate.asked()
    gate.answer(first, 6)
    gate.answer(whole, 6)
    gate.hub.receive_gap(ROOM, 4, 5, missed(5, 5))
    gate.settle()
    gate.push(event(7))
    assert [frame["type"] for frame in cid.outlet.frames] == ["attached", "event"]
    assert cid.outlet.seqs == [7]
