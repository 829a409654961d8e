"""Pushes of one tick: every socket gets the same bytes in the same order, in one write where rooms overlap."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.session import Ended, Session, Write
from services.gateway.writes import take_writes, writes_to_make
from tests.unit.gateway.rooms import ROOM, Wall


def carried_out(writes):
    for write in writes:
        for outlet in write.outlets:
            outlet.write(write.data)


def test_two_rooms_of_one_socket_are_one_write():
    ann, bob = Wall(), Wall()
    carried_out(writes_to_make([Write((ann, bob), b"1"), Write((bob, ann), b"2")]))
    assert [(wall.data, wall.writes) for wall in (ann, bob)] == [(b"12", 1), (b"12", 1)]


def test_a_crowd_and_what_single_sockets_are_told_are_written_as_they_are():
    ann, bob, cid = Wall(), Wall(), Wall()
    writes = [Write((ann, bob), b"to all"), Write((cid,), b"to the sender")]
    assert list(writes_to_make(writes)) == writes


def test_writes_are_taken_up_to_the_first_other_effect():
    ann = Wall()
    ended = Ended(Session(ROOM, "g/ann", "ann", ann), tell_room=False)
    effects = deque([Write((ann,), b"1"), Write((ann,), b"2"), ended, Write((ann,), b"3")])
    assert take_writes(effects) == [Write((ann,), b"1"), Write((ann,), b"2")]
    assert list(effects) == [ended, Write((ann,), b"3")]


@given(st.lists(st.tuples(st.sets(st.integers(0, 4)), st.binary(min_size=1, max_size=3))))
def test_joined_or_not_a_socket_gets_the_same_bytes_and_frames_are_counted_alike(pushes):
    plain, joined = [Wall() for _ in range(5)], [Wall() for _ in range(5)]

    def writes(walls):
        return [Write(tuple(walls[number] for number in sorted(to)), data) for to, data in pushes]

    carried_out(writes(plain))
    made = list(writes_to_make(writes(joined)))
    carried_out(made)
    assert [wall.data for wall in joined] == [wall.data for wall in plain]
    assert sum(one.frames * len(one.outlets) for one in made) == sum(len(to) for to, _ in pushes)
