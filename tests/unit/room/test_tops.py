"""Which quiet rooms are named when, and in how many messages."""

from schemas.fanout import TOPS_PER_MESSAGE, RoomTop
from services.room.tops import Tops, messages_by_gate


def test_a_room_is_due_when_it_was_quiet_and_once_more_and_then_no_longer():
    tops = Tops(quiet_seconds=3)
    tops.receive_event("r", 10.0)
    assert tops.take_due(12.9) == []
    assert tops.take_due(13.0) == ["r"]
    assert tops.take_due(15.9) == []
    assert tops.take_due(16.0) == ["r"]
    assert tops.take_due(99.0) == []


def test_an_event_puts_it_off_and_both_tellings_follow_it():
    tops = Tops(quiet_seconds=3)
    tops.receive_event("r", 10.0)
    assert tops.take_due(13.0) == ["r"]
    tops.receive_event("r", 14.0)
    assert tops.take_due(16.9) == []
    assert [tops.take_due(17.0), tops.take_due(20.0), tops.take_due(23.0)] == [["r"], ["r"], []]


def test_rooms_are_due_in_the_order_of_their_last_events():
    tops = Tops(quiet_seconds=3)
    for room, now in (("a", 1.0), ("b", 2.0), ("a", 3.0)):
        tops.receive_event(room, now)
    assert tops.take_due(10.0) == ["b", "a"]


def test_each_gate_gets_its_own_rooms_in_one_message():
    a, b = RoomTop(room="a", epoch="e", seq=1), RoomTop(room="b", epoch="e", seq=2)
    told = {gate: message.tops for gate, message in messages_by_gate([(a, ["g1", "g2"]), (b, ["g2"])])}
    assert told == {"g1": (a,), "g2": (a, b)}


def test_a_message_is_bounded():
    many = [(RoomTop(room=f"r{number}", epoch="e", seq=1), ["g1"]) for number in range(TOPS_PER_MESSAGE + 1)]
    assert [len(message.tops) for _, message in messages_by_gate(many)] == [TOPS_PER_MESSAGE, 1]
