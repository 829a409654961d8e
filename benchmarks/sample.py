"""What one measurement says, and the medians of many. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from pydantic import BaseModel

OURS = "gatehouse"
LIMIT = "limit"
SOCKETIO = "python-socketio"

Case = dict[str, int | str]
"""What the scenario was set to, such as `{"clients": 1000, "rate": 20}`; rates are per second."""


class Sample(BaseModel, frozen=True):
    """One contender measured once in one case. Names of values carry their unit (`cpu_us_per_delivery`)."""

    contender: str
    case: Case
    values: dict[str, float]


class Series(BaseModel, frozen=True):
    """All samples of one scenario, taken in one run."""

    scenario: str
    machine: str
    versions: str
    taken_at: str
    samples: list[Sample]

    def middle(self, contender: str, value: str, case: Mapping[str, int | str]) -> float | None:
        """The median of a value over the repeats; None when it was not measured. `case` may name a part of a case."""
        found = self._found(contender, value, case)
        return median(found) if found else None

    def spread(self, contender: str, value: str, case: Mapping[str, int | str]) -> tuple[float, float] | None:
        """The least and the greatest over the repeats."""
        found = self._found(contender, value, case)
        return (min(found), max(found)) if found else None

    def cases(self, contender: str) -> list[Case]:
        """What it was measured in, each once, in the order of the first repeat."""
        found: list[Case] = []
        for sample in self.samples:
            if sample.contender == contender and sample.case not in found:
                found.append(sample.case)
        return found

    def contenders(self) -> list[str]:
        """Who was measured, in the order of the first repeat."""
        return list(dict.fromkeys(sample.contender for sample in self.samples))

    @property
    def repeats(self) -> int:
        """How often the first case was measured."""
        first = self.samples[0] if self.samples else None
        return sum(
            first is not None and (each.contender, each.case) == (first.contender, first.case) for each in self.samples
        )

    def _found(self, contender: str, value: str, case: Mapping[str, int | str]) -> list[float]:
        return [
            sample.values[value]
            for sample in self.samples
            if sample.contender == contender and value in sample.values and case.items() <= sample.case.items()
        ]


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` (0..1) of them lie: the nearest rank, so one that was really measured.

    Raises:
        ValueError: there are none.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values to rank")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
