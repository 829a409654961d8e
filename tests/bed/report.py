"""Measured figures of tests: printed behind the results, and written to $GATEHOUSE_REPORTS, a file for each test.

A folder of tests has it by importing both names into its conftest.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bed.scale import is_full

FIGURES = "figures"
WORDS = "words"
TOLD = pytest.StashKey[bool]()


@pytest.fixture
def report(request):
    """`report(accepted=12, ...)`: figures of this test. None of them is judged."""
    figures: dict[str, Any] = {}
    yield figures.update
    if figures:
        told = {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
        request.node.user_properties.append((FIGURES, (request.node.name, told)))
        _write(request.node.name, "json", json.dumps(told, indent=2))


@pytest.fixture
def tell(request):
    """`tell(words)`: what this test has to say to people, in lines: printed like its figures, and kept beside them."""

    def told(words: str) -> None:
        request.node.user_properties.append((WORDS, (request.node.name, words)))
        _write(request.node.name, "txt", words)

    return told


def pytest_terminal_summary(terminalreporter, config):
    """Every conftest that has this asks for it; the first one prints."""
    first = not config.stash.get(TOLD, False)
    config.stash[TOLD] = True
    reports = list(_told(FIGURES, terminalreporter.stats)) if first else []
    if reports:
        terminalreporter.section(f"figures ({_scale()})")
    for name, figures in reports:
        terminalreporter.write_line(name)
        for figure, value in figures.items():
            terminalreporter.write_line(f"  {figure.replace('_', ' ')}: {value}")
    for name, words in _told(WORDS, terminalreporter.stats) if first else ():
        terminalreporter.section(name)
        terminalreporter.write_line(words)


def _told(what: str, stats: dict[str, list[Any]]) -> Iterator[tuple[str, Any]]:
    """They travel with the report of a test's end, whatever process ran the test."""
    for each in itertools.chain(*stats.values()):
        if getattr(each, "when", None) == "teardown":
            yield from (value for name, value in each.user_properties if name == what)


def _write(name: str, ending: str, words: str) -> None:
    folder = os.environ.get("GATEHOUSE_REPORTS")
    if folder:
        path = Path(folder) / f"{re.sub(r'[^a-z0-9_]+', '-', name).strip('-')}.{_scale()}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words + "\n")


def _scale() -> str:
    return "full" if is_full() else "small"
