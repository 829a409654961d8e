"""What a room's crowd is pushed: in order, once, and to whom."""

from __future__ import annotations

from schemas.answers import Refused
from schemas.commands import SaidStatus
from schemas.errors import Code
from schemas.ids import CommandId, RoomId
from schemas.roles import Status
from services.gateway.session import Ended, Stage
from tests.unit.gateway.rooms import EPOCH, ROOM, Gate, attach_answer, event, own


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


def test_a_signal_reaches_every_live_session() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=4)
    gate.hub.receive_signal(ROOM, event(0).frame)
    gate.settle()
    assert len(ann.outlet.frames) == 2


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


def test_who_is_attached_is_known_unless_they_wait_or_hide() -> None:
    gate = Gate()
    gate.attach("ann", at=0)
    hidden = gate.attach("bob", at=0)
    hidden.status = SaidStatus(state=Status.OFFLINE)
    gate.want("cat")
    assert (gate.hub.users_of(ROOM), gate.hub.room_count) == ({"ann"}, 1)
    assert gate.hub.users_of(RoomId("elsewhere")) == frozenset()
