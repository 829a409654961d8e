"""What a scenario is, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from benchmarks.bed import Nodes
from benchmarks.sample import Sample


@dataclass(frozen=True, slots=True)
class Plan:
    """How thorough to be. `quick` shows that everything works, with figures that mean little."""

    nodes: Nodes
    repeats: int = 3
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One measurement of several contenders. `measure` yields every sample of every repeat, contenders interleaved: all
    of them once, then all of them again."""

    name: str
    title: str
    measure: Callable[[Plan], Coroutine[None, None, list[Sample]]]
