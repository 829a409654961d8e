"""What the workloads share: the report of measured figures, and the loop that the services run on too."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.reliability.scale import is_full

REPORT = pytest.StashKey[dict[str, dict[str, Any]]]()
FULL_TIMEOUT_SECONDS = 600


def pytest_asyncio_loop_factories(config, item):
    """The load shares the machine with what it measures: it runs on uvloop as well."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items):
    """A full workload may take its time."""
    if is_full():
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.timeout(FULL_TIMEOUT_SECONDS), append=False)


@pytest.fixture
def report(request):
    """`report(accepted=12, ...)`: figures of this test, printed at the end and written to $GATEHOUSE_REPORTS/*.json."""
    figures = {}
    yield figures.update
    if figures:
        kept = request.config.stash.setdefault(REPORT, {})
        kept[request.node.name] = {name: _rounded(value) for name, value in figures.items()}
        _write(request.node.name, kept[request.node.name])


def pytest_terminal_summary(terminalreporter, config):
    reports = config.stash.get(REPORT, {})
    if reports:
        terminalreporter.section(f"figures of the workloads ({'full' if is_full() else 'small'})")
    for name, figures in reports.items():
        terminalreporter.write_line(name)
        for figure, value in figures.items():
            terminalreporter.write_line(f"  {figure.replace('_', ' ')}: {value}")


def _rounded(value):
    return round(value, 4) if isinstance(value, float) else value


def _write(name, figures):
    folder = os.environ.get("GATEHOUSE_REPORTS")
    if folder:
        path = Path(folder) / f"{name}.{'full' if is_full() else 'small'}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n")
