"""What the workloads share: the report of measured figures, and the loop that the services run on too."""

from __future__ import annotations

from pathlib import Path

import pytest
import uvloop

from tests.bed.report import pytest_terminal_summary, report
from tests.bed.scale import is_full

__all__ = ["pytest_terminal_summary", "report"]

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
