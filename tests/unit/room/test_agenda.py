"""One queue of moments for all rooms."""

from hypothesis import given
from hypothesis import strategies as st

from services.room.agenda import Agenda


def test_what_is_due_is_taken_out_once_the_earliest_first():
    agenda = Agenda()
    agenda.put("late", 30.0)
    agenda.put("second", 20.0)
    agenda.put("first", 10.0)
    assert agenda.next_due() == 10.0
    assert agenda.take_due(25.0, 9) == ["first", "second"]
    assert agenda.take_due(25.0, 9) == []
    assert agenda.next_due() == 30.0


def test_a_room_keeps_the_earliest_moment_it_was_put_down_for():
    agenda = Agenda()
    agenda.put("r", 20.0)
    agenda.put("r", 10.0)
    agenda.put("r", 30.0)
    assert agenda.take_due(10.0, 9) == ["r"]
    assert agenda.next_due() is None
    assert agenda.take_due(99.0, 9) == []


def test_no_more_are_taken_than_asked_for():
    agenda = Agenda()
    for room in "abc":
        agenda.put(room, 1.0)
    assert agenda.take_due(1.0, 2) == ["a", "b"]
    assert agenda.take_due(1.0, 2) == ["c"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans())))
def test_an_agenda_is_a_mapping_of_rooms_to_their_earliest_moments(steps):
    agenda, naive = Agenda(), {}
    for room, moment, is_put in steps:
        if is_put:
            agenda.put(room, float(moment))
            naive[room] = min(naive.get(room, 99.0), float(moment))
        else:
            due = [name for name, when in naive.items() if when <= moment]
            assert sorted(agenda.take_due(float(moment), 9)) == sorted(due)
            naive = {name: when for name, when in naive.items() if name not in due}
        assert agenda.next_due() == min(naive.values(), default=None)
