"""Lines that say on what the figures were taken, and of what."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

import httpx
import psutil

GIBIBYTE: Final = 1024**3
PACKAGES: Final = ("aio-pika", "nx-27017", "python-socketio", "uvicorn", "uvloop", "websockets")
"""Ours stand on some of them, peers and limits on all but the store. The Node peer's are in its lock file."""
BROKER_SECONDS: Final = 20


def machine_line() -> str:
    """Processor, memory, kernel and interpreter."""
    memory_gib = psutil.virtual_memory().total / GIBIBYTE
    return (
        f"{os.cpu_count()} x {_processor()}, {memory_gib:.0f} GiB, Linux {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def versions_line(management_url: str) -> str:
    """The broker, as it says itself, and the packages.

    Raises:
        httpx.HTTPError: the broker does not say.
    """
    answer = httpx.get(f"{management_url}/api/overview", timeout=BROKER_SECONDS, trust_env=False).raise_for_status()
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return f"RabbitMQ {answer.json()['rabbitmq_version']}, {packages}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
