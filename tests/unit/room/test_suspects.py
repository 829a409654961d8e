"""Telling a poison delivery from a bad moment."""

from services.room.suspects import REMEMBERED, Suspects


def test_failures_of_one_delivery_are_counted_apart_from_those_of_others():
    suspects = Suspects()
    assert [suspects.receive_failure("k", b"bad", 0) for _ in range(3)] == [1, 2, 3]
    assert suspects.receive_failure("k", b"other", 0) == 1
    assert suspects.receive_failure("other", b"bad", 0) == 1


def test_what_the_broker_counted_for_another_worker_counts_too():
    suspects = Suspects()
    assert suspects.receive_failure("k", b"bad", 4) == 5
    assert suspects.receive_failure("k", b"bad", 2) == 6


def test_the_memory_is_bounded():
    suspects = Suspects()
    for number in range(REMEMBERED + 1):
        suspects.receive_failure("k", b"%d" % number, 0)
    assert suspects.receive_failure("k", b"0", 0) == 1
    assert suspects.receive_failure("k", b"%d" % REMEMBERED, 0) == 2
