"""What a process costs: processor time and memory, as the kernel counts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Meter:
    """Watches processes by id; several are added up."""

    pids: tuple[int, ...]

    def cpu_seconds(self) -> float:
        """Processor time of all threads that live, since they began, in user and kernel mode. None of what is measured
        ends threads in between."""
        return sum(_run_nanoseconds(pid) for pid in self.pids) / NANOSECONDS

    def rss_bytes(self) -> int:
        """Memory that is resident now."""
        return sum(psutil.Process(pid).memory_info().rss for pid in self.pids)


def _run_nanoseconds(pid: int) -> int:
    """The kernel's own count, finer than the ticks of /proc/<pid>/stat."""
    return sum(int(schedstat.read_text().split()[0]) for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"))
