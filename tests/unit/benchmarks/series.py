"""Samples as a run would leave them."""

from benchmarks.sample import Sample, Series


def series(scenario, *samples):
    """`samples` are (contender, case, values)."""
    taken = [Sample(contender=who, case=case, values=values) for who, case, values in samples]
    return Series(
        scenario=scenario,
        machine="2 x Test",
        versions="RabbitMQ 0",
        taken_at="2026-11-28T10:00:00+00:00",
        samples=taken,
    )
