"""What is attacked: a gate in this process on a real broker, with stand-ins behind it and its log watched; or all
services as processes, which stand for a whole module."""

from __future__ import annotations

import logging

import pytest
import pytest_asyncio
import structlog
import uvloop

from tests.bed.report import pytest_terminal_summary, report
from tests.bed.standing import standing_stack
from tests.bed.unlimited import ENVIRONMENT
from tests.integration.gateway.conftest import bench, start_bench
from tests.security.raw import RawClient
from tests.security.town import Town

__all__ = ["bench", "pytest_terminal_summary", "report", "start_bench"]

SEVERE = ("error", "critical", "exception")


def pytest_asyncio_loop_factories(config, item):
    """The services run on uvloop: so do these tests, whose gate lives in their own process."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def open_raw():
    """`await open_raw(bench)` shakes hands, as somebody or as nobody yet; all are cut at the end."""
    clients = []

    async def open_one(bench, *, upgraded=True, user="ann"):
        clients.append(await (RawClient.upgraded(bench, user) if upgraded else RawClient.open(bench)))
        return clients[-1]

    yield open_one
    for client in clients:
        client.abort()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(broker, store, ports, tmp_path_factory):
    """All services with two gates, and whoever a test wants in them. None of them may have failed unforeseen."""
    folder = tmp_path_factory.mktemp("town")
    async with standing_stack(broker, store, ports, folder, gates=2, environment=ENVIRONMENT) as (stack, management):
        made = Town(stack, management)
        yield made
        await made.close()
    assert [line for line in stack.logs(lines=100_000).splitlines() if '"level": "error"' in line] == []


@pytest.fixture(autouse=True)
def nothing_broke(caplog):
    """At the end of every test here: nothing in the gate failed unforeseen, neither a task nor a callback."""
    with structlog.testing.capture_logs() as said:
        yield
    broke = [
        entry for entry in said if entry["log_level"] in SEVERE or entry["event"] in ("fanout_failed", "task_failed")
    ]
    assert broke == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
