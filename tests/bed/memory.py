"""How much memory processes hold, as the kernel tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROCESSES = Path("/proc")


def resident_mib(process: Any) -> float:
    """Of one process, by its `pid`. Raises OSError or IndexError for one that has ended."""
    status = (PROCESSES / str(process.pid) / "status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def family_mib(process: Any) -> float:
    """Of a process and all that it started: what a node is made of. Raises as `resident_mib` does."""
    return resident_mib(process) + sum(map(family_mib, _children(process.pid)))


class _Child:
    def __init__(self, pid: int) -> None:
        self.pid = pid


def _children(pid: int) -> list[_Child]:
    threads = (PROCESSES / str(pid) / "task").iterdir()
    return [_Child(int(child)) for thread in threads for child in (thread / "children").read_text().split()]
