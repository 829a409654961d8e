"""One line that says on what the figures were taken."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

GIBIBYTE = 1024**3


def machine_line() -> str:
    """Processor, memory, kernel and interpreter."""
    memory_gib = psutil.virtual_memory().total / GIBIBYTE
    return (
        f"{os.cpu_count()} x {_processor()}, {memory_gib:.0f} GiB, Linux {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
