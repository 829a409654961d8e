"""What users and addresses may do, over all their connections; tables that do not grow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.gateway.limits import Buckets, Counts, Limit
from services.gateway.visitors import TurnedAway, VisitorLimits, Visitors

BOUNDS = VisitorLimits(
    connections=5,
    connections_per_address=3,
    connects_per_address_rate=1,
    connects_per_address_burst=100,
    connections_per_user=2,
    user_rate=2,
    user_burst=4,
    reads_per_user=2,
    users_remembered=10,
    addresses_remembered=10,
)


def enter(visitors: Visitors, address: str, now: float = 0.0) -> TurnedAway | None:
    turned_away = visitors.admit(address, now)
    if turned_away is None:
        visitors.enter(address)
    return turned_away


def test_an_address_has_so_many_connections_and_again_when_one_is_gone() -> None:
    visitors = Visitors(BOUNDS)
    assert [enter(visitors, "a") for _ in range(3)] == [None] * 3
    assert enter(visitors, "a") == TurnedAway(Limit.CONNECTIONS_PER_ADDRESS)
    assert enter(visitors, "b") is None
    visitors.leave("a")
    assert enter(visitors, "a") is None


def test_a_gate_has_so_many_connections() -> None:
    visitors = Visitors(BOUNDS)
    assert [enter(visitors, name) for name in "aabbc"] == [None] * 5
    assert enter(visitors, "d") == TurnedAway(Limit.CONNECTIONS_PER_GATE)
    visitors.leave("c")
    assert enter(visitors, "d") is None


def test_an_address_connects_only_so_fast_whether_it_is_let_in_or_not() -> None:
    visitors = Visitors(replace(BOUNDS, connects_per_address_burst=4))
    assert [enter(visitors, "a") for _ in range(3)] == [None] * 3
    assert enter(visitors, "a") == TurnedAway(Limit.CONNECTIONS_PER_ADDRESS)
    assert enter(visitors, "a") == TurnedAway(Limit.CONNECTS_PER_ADDRESS, pytest.approx(1.0))
    assert enter(visitors, "b") is None
    visitors.leave("a")
    assert enter(visitors, "a", now=1.0) is None


def test_a_user_has_so_many_connections_and_again_when_one_is_gone() -> None:
    visitors = Visitors(BOUNDS)
    assert [visitors.take_place("ann") for _ in range(3)] == [True, True, False]
    assert visitors.take_place("bob")
    visitors.give_place("ann")
    assert visitors.take_place("ann")


def test_a_user_asks_only_so_fast() -> None:
    visitors = Visitors(BOUNDS)
    assert [visitors.ask("ann", 0.0) for _ in range(4)] == [0.0] * 4
    assert visitors.ask("ann", 0.0) == pytest.approx(0.5)
    assert visitors.ask("bob", 0.0) == 0.0
    assert visitors.ask("ann", 0.5) == 0.0


def test_a_user_has_so_many_reads_in_flight() -> None:
    visitors = Visitors(BOUNDS)
    assert [visitors.begin_read("ann") for _ in range(3)] == [True, True, False]
    visitors.end_read("ann")
    assert visitors.begin_read("ann")


def test_whoever_enters_without_being_admitted_is_a_bug() -> None:
    visitors = Visitors(replace(BOUNDS, connections_per_address=1))
    visitors.enter("a")
    with pytest.raises(AssertionError, match="not admitted"):
        visitors.enter("a")


def test_of_many_names_the_longest_quiet_one_is_forgotten() -> None:
    buckets = Buckets(rate=1, burst=1, limit=3)
    for name in ("a", "b", "a", "c", "d"):
        buckets.take(name, 0.0)
    assert len(buckets) == 3
    assert buckets.take("a", 0.0) > 0
    assert buckets.take("b", 0.0) == 0.0


def test_ten_thousand_names_take_no_more_memory_than_the_limit() -> None:
    buckets = Buckets(rate=1, burst=1, limit=100)
    for number in range(10_000):
        buckets.take(str(number), 0.0)
    assert len(buckets) == 100


def test_a_sweep_forgets_those_only_who_have_everything_again() -> None:
    buckets = Buckets(rate=1, burst=10, limit=100)
    buckets.take("a", 0.0)
    buckets.take("b", 5.0)
    buckets.sweep(9.9)
    assert len(buckets) == 2
    buckets.sweep(10.0)
    assert len(buckets) == 1
    buckets.sweep(15.0)
    assert len(buckets) == 0


def test_visitors_that_are_quiet_and_gone_leave_nothing_behind() -> None:
    visitors = Visitors(BOUNDS)
    enter(visitors, "a")
    visitors.take_place("ann")
    visitors.ask("ann", 0.0)
    visitors.leave("a")
    visitors.give_place("ann")
    visitors.sweep(1_000.0)
    assert [len(table) for table in (visitors._of_address, visitors._of_user, visitors._connects, visitors._asks)] == [
        0,
        0,
        0,
        0,
    ]


def test_a_count_that_is_released_too_often_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Counts(1).release("a")
