"""Holes in what came have their time, are asked for, and are given up."""

from clients.cli.hole import HOLE_SECONDS, HOLE_TRIES, HoleWatch


def test_a_hole_is_overdue_when_it_has_stayed_for_its_time():
    watch = HoleWatch()
    assert not watch.is_overdue(2, 100.0)
    assert not watch.is_overdue(2, 100.0 + HOLE_SECONDS / 2)
    assert watch.is_overdue(2, 100.0 + HOLE_SECONDS)


def test_another_hole_has_its_own_time_and_tries():
    watch = HoleWatch()
    watch.is_overdue(2, 100.0)
    assert not any(watch.stays(100.0) for _ in range(HOLE_TRIES - 1))
    assert not watch.is_overdue(5, 200.0)
    assert not watch.stays(200.0)


def test_a_hole_asked_for_often_enough_is_given_up_and_a_forgotten_one_is_not():
    watch = HoleWatch()
    watch.is_overdue(2, 100.0)
    assert [watch.stays(100.0) for _ in range(HOLE_TRIES)] == [False] * (HOLE_TRIES - 1) + [True]
    watch.forget()
    assert not watch.stays(100.0)
