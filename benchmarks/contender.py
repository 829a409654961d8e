"""A program beside ours, under measure: started, waited for, metered, ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.bed import LOGS
from benchmarks.meter import Meter
from infra.deadline import wait_until
from infra.local.ports import free_port, is_free
from infra.process import is_alive, last_lines, start_process, stop_process

FIRST_PORT = 18100
READY_SECONDS = 20.0


class DidNotStart(Exception):
    """A contender ended, or did not listen in time."""


@dataclass(frozen=True, slots=True)
class Running:
    """A contender that listens."""

    port: int
    meter: Meter


@contextmanager
def python_contender(name: str, *arguments: str) -> Iterator[Running]:
    """`benchmarks.contenders.<name>` with `--port` and these arguments."""
    with contender(name, [sys.executable, "-m", f"benchmarks.contenders.{name}"], *arguments) as running:
        yield running


@contextmanager
def contender(name: str, command: Sequence[str], *arguments: str) -> Iterator[Running]:
    """Any program that takes `--port` and listens there once it is ready.

    Raises:
        DidNotStart: it does not.
    """
    port = free_port(FIRST_PORT)
    log = LOGS / f"{name}.log"
    process = start_process([*command, "--port", str(port), *arguments], os.environ, log)
    try:
        wait_until(lambda: not is_alive(process) or not is_free(port), READY_SECONDS)
        if not is_alive(process) or is_free(port):
            raise DidNotStart(f"{name} does not listen on {port}\n{last_lines(log)}")
        yield Running(port, Meter((process.pid,)))
    finally:
        stop_process(process, within_seconds=3)
