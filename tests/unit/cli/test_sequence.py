"""The numbering of a room at a client."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from clients.cli.sequence import AHEAD_LIMIT, Sequence


def started(seq=0):
    sequence = Sequence("e1", seq)
    sequence.start(seq)
    return sequence


@given(st.permutations(list(range(1, 8))), st.lists(st.integers(1, 7), max_size=7))
def test_any_order_with_any_repeats_comes_out_in_order_and_once(order, repeats):
    sequence = started()
    handed = list(itertools.chain.from_iterable(sequence.put(seq, str(seq)) for seq in [*repeats, *order]))
    assert handed == [str(seq) for seq in range(1, 8)]
    assert not sequence.missing


def test_nothing_is_handed_out_before_the_start():
    sequence = Sequence("e1", 5)
    assert sequence.put(6, "six") == []
    assert sequence.put(4, "four") == []
    assert sequence.start(5) == ["six"]
    assert (sequence.seq, sequence.top) == (6, 6)


def test_what_waits_behind_a_hole_is_bounded_and_known_to_be_missing():
    sequence = started()
    for seq in range(2, AHEAD_LIMIT + 10):
        sequence.put(seq, seq)
    handed = sequence.put(1, 1)
    assert handed == list(range(1, AHEAD_LIMIT + 2))
    assert sequence.missing


def test_what_the_start_makes_old_takes_no_room():
    sequence = Sequence("e1", 0)
    for seq in range(1, AHEAD_LIMIT + 1):
        sequence.put(seq, seq)
    assert sequence.start(AHEAD_LIMIT) == []
    sequence.put(AHEAD_LIMIT + 2, "after the hole")
    assert sequence.put(AHEAD_LIMIT + 1, "the hole") == ["the hole", "after the hole"]


def test_the_next_one_is_taken_even_when_the_bound_is_reached():
    sequence = started()
    for seq in range(2, AHEAD_LIMIT + 2):
        sequence.put(seq, seq)
    assert sequence.put(1, 1)[0] == 1


def test_giving_up_passes_over_the_first_hole_only():
    sequence = started()
    sequence.put(3, "three")
    sequence.put(6, "six")
    assert sequence.give_up() == (2, ["three"])
    assert sequence.missing
    assert sequence.give_up() == (2, ["six"])
    assert not sequence.missing


def test_giving_up_what_only_the_top_tells_of_reaches_the_top():
    sequence = started()
    sequence.reach(4)
    assert sequence.give_up() == (4, [])
    assert not sequence.missing
