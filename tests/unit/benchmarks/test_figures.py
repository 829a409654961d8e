"""Figures of a worker's page are found under their name and labels, in whatever order they were declared."""

from prometheus_client import CollectorRegistry, Counter, generate_latest

from benchmarks.figures import counted_in, total


def page():
    registry = CollectorRegistry()
    queries = Counter("history_queries", "Reads.", ["type", "outcome"], registry=registry)
    queries.labels("page", "answered").inc(3)
    queries.labels("room", "refused").inc()
    return counted_in(generate_latest(registry).decode())


def test_a_figure_is_named_by_its_labels_in_their_order():
    assert page()['history_queries_total{outcome="answered",type="page"}'] == 3


def test_a_figure_is_added_up_over_its_labels():
    assert total(page(), "history_queries_total") == 4
