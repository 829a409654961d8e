"""Medians, spreads and percentiles are of values that were measured."""

import pytest

from benchmarks.sample import LIMIT, OURS, percentile
from tests.unit.benchmarks.series import series

CASE = {"clients": 100, "mode": "steady"}
TAKEN = series(
    "fanout",
    (OURS, CASE, {"cost_us": 5.0}),
    (LIMIT, CASE, {"cost_us": 4.0}),
    (OURS, CASE, {"cost_us": 9.0}),
    (OURS, CASE, {"cost_us": 6.0}),
    (OURS, {"clients": 500, "mode": "steady"}, {"cost_us": 70.0}),
)


def test_the_middle_is_the_median_over_the_repeats_of_one_contender():
    assert TAKEN.middle(OURS, "cost_us", CASE) == 6.0
    assert TAKEN.middle(LIMIT, "cost_us", CASE) == 4.0


def test_a_part_of_a_case_names_all_cases_that_have_it():
    assert TAKEN.spread(OURS, "cost_us", {"mode": "steady"}) == (5.0, 70.0)
    assert TAKEN.middle(OURS, "cost_us", {"clients": 500}) == 70.0


def test_the_spread_is_the_least_and_the_greatest():
    assert TAKEN.spread(OURS, "cost_us", CASE) == (5.0, 9.0)


@pytest.mark.parametrize(
    ("contender", "value", "case"),
    [("ws", "cost_us", CASE), (OURS, "memory_kib", CASE), (OURS, "cost_us", {"clients": 1})],
)
def test_what_was_not_measured_has_no_middle_and_no_spread(contender, value, case):
    assert TAKEN.middle(contender, value, case) is None
    assert TAKEN.spread(contender, value, case) is None


def test_cases_contenders_and_repeats_are_told_in_the_order_of_the_run():
    assert TAKEN.cases(OURS) == [CASE, {"clients": 500, "mode": "steady"}]
    assert TAKEN.contenders() == [OURS, LIMIT]
    assert TAKEN.repeats == 3
    assert series("empty").repeats == 0


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
def test_a_percentile_is_a_value_that_was_measured(share, value):
    assert percentile(range(100, 0, -1), share) == value


def test_nothing_has_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
