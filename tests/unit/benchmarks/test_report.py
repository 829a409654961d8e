"""The report says what was measured, and of the rest that it was not."""

import pytest

from benchmarks.goals import Goal, Reading
from benchmarks.report import Chapter, figure, figures, goals_table, report
from benchmarks.sample import LIMIT, OURS
from tests.unit.benchmarks.series import series

TAKEN = series(
    "fanout",
    (OURS, {"clients": 100}, {"cost_us": 5.0, "rate": 1234.5}),
    (LIMIT, {"clients": 100, "mode": "burst"}, {"cost_us": 4.25}),
    (OURS, {"clients": 100}, {"cost_us": 6.5, "rate": 1234.5}),
)


def test_a_scenario_has_a_row_for_each_contender_and_case_with_median_and_spread():
    assert figures(TAKEN).splitlines() == [
        "| contender | clients | mode | cost us | rate |",
        "| --- | --- | --- | --- | --- |",
        "| gatehouse | 100 | - | 5.75 (5..6.50) | 1,234 |",
        "| limit | 100 | burst | 4.25 | - |",
    ]


def test_a_goal_is_reached_missed_or_not_measured():
    goals = [
        Goal("one", "<= 2 x limit", "us", lambda _: Reading(True, 3, limit=2, ratios=((1.5, "limit"),))),
        Goal("two", ">= 10/s", "/s", lambda _: Reading(False, 9)),
        Goal("three", "0", "", lambda _: None),
    ]
    assert goals_table({}, goals).splitlines()[2:] == [
        "| one | <= 2 x limit | 3 us | - | 2 us | 1.50 x limit | yes |",
        "| two | >= 10/s | 9/s | - | - | - | **no** |",
        "| three | 0 | not measured | - | - | - | - |",
    ]


def test_every_scenario_has_a_chapter_whether_it_was_measured_or_not():
    chapters = [Chapter("fanout", "Fan-out", "How it is done."), Chapter("idle", "Idle", "How that is done.")]
    text = report({"fanout": TAKEN}, chapters, {"fanout": ["plots/cost.svg"]})
    assert "## Fan-out (`fanout`)\n\nHow it is done.\n\n![Fan-out](plots/cost.svg)\n\n| contender |" in text
    assert "## Idle (`idle`)\n\nHow that is done.\n\nNot measured.\n" in text
    assert "- 2 x Test\n- RabbitMQ 0\n- `fanout`: 2026-11-28T10:00:00+00:00, 2 repeats\n" in text


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (0.125, "0.12"), (9.876, "9.88"), (12.34, "12.3"), (100.4, "100"), (1e6, "1,000,000")],
)
def test_a_figure_has_as_many_digits_as_say_something(number, said):
    assert figure(number) == said
