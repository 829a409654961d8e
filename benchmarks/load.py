"""The harness's side of a crowd: starts it, gives it orders, takes its reports."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.crowd import AnyOrder, Report

LINE_BYTES = 256 * 1024 * 1024
GRACE_SECONDS = 15.0


class CrowdTrouble(Exception):
    """The crowd could not do what it was told; the text says why."""


class Load:
    """One crowd process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def tell(self, order: AnyOrder) -> Report:
        """Give one order and return its report.

        Raises:
            CrowdTrouble: it was not carried out.
        """
        within = getattr(order, "within_seconds", 0.0) + GRACE_SECONDS
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("a crowd is started with pipes")
        self._process.stdin.write(order.model_dump_json().encode() + b"\n")
        async with asyncio.timeout(within):
            line = await self._process.stdout.readline()
        if not line:
            raise CrowdTrouble("the crowd has ended; its last words are above")
        report = Report.model_validate_json(line)
        if not report.ok:
            raise CrowdTrouble(report.said)
        return report


@asynccontextmanager
async def crowd() -> AsyncIterator[Load]:
    """A crowd with nobody in it yet; ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.crowd",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    try:
        yield Load(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
