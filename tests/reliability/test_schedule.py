"""A plan of faults follows from its seed alone, and leaves nothing out."""

import itertools

import pytest

from tests.reliability.nemesis.schedule import LEEWAY_SECONDS, Kind, schedule

LONG_SECONDS = 3_600


def test_a_seed_makes_the_same_plan_every_time_and_another_seed_another():
    assert schedule(7, 600) == schedule(7, 600)
    assert schedule(7, 600) != schedule(8, 600)


@pytest.mark.parametrize("seconds", [180, 600])
@pytest.mark.parametrize("seed", range(20))
def test_a_plan_has_every_kind_in_order_and_is_over_in_time(seed, seconds):
    plan = schedule(seed, seconds)
    assert {fault.kind for fault in plan} == set(Kind)
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert max(fault.end for fault in plan) <= seconds - LEEWAY_SECONDS + 0.01
    assert any(later.at < earlier.end for earlier, later in itertools.pairwise(plan))


@pytest.mark.parametrize("seed", range(20))
def test_each_kind_comes_once_before_any_comes_again(seed):
    kinds = [fault.kind for fault in schedule(seed, LONG_SECONDS)]
    deals = [kinds[start : start + len(Kind)] for start in range(0, len(kinds), len(Kind))]
    assert all(len(set(deal)) == len(deal) for deal in deals)
    assert all(set(deal) == set(Kind) for deal in deals[:-1])


@pytest.mark.parametrize("seed", range(20))
def test_a_short_plan_is_a_hurried_one(seed):
    longest = {seconds: max(fault.seconds for fault in schedule(seed, seconds)) for seconds in (60, 180, 600)}
    assert longest[60] < longest[180] < 20 < longest[600] < 30


def test_a_plan_of_some_kinds_has_no_other():
    assert {fault.kind for fault in schedule(1, 120, (Kind.POISON, Kind.ALARM))} == {Kind.POISON, Kind.ALARM}
