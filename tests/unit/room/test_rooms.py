"""The bound on rooms in memory."""

import pytest

from services.room.recent import Recent
from services.room.rooms import HeldRoom, HeldRooms


def held(in_progress=0):
    return HeldRoom(None, 1, Recent(), in_progress)


def test_the_room_that_was_idle_longest_goes_first():
    rooms = HeldRooms(2, in_use=lambda _: False)
    rooms.put("a", held())
    rooms.put("b", held())
    rooms.find("a")
    rooms.put("c", held())
    assert [rooms.find(name) is not None for name in "abc"] == [True, False, True]


def test_a_room_with_sessions_or_with_commands_in_progress_is_never_dropped():
    rooms = HeldRooms(1, in_use=lambda name: name == "watched")
    rooms.put("watched", held())
    rooms.put("busy", held(in_progress=1))
    rooms.put("new", held())
    assert len(rooms) == 3
    rooms.release("busy")
    rooms.put("newer", held())
    assert rooms.find("watched") is not None
    assert rooms.find("newer") is not None
    assert len(rooms) == 2


def test_releasing_a_room_that_is_not_held_is_a_bug():
    with pytest.raises(AssertionError):
        HeldRooms(1, in_use=lambda _: False).release("a")
