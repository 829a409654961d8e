"""What a running stack costs while a workload goes on: memory of workers and nodes, and what waits in queues."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple

import httpx

from infra.local.workers import Kind
from schemas import routes
from services.runtime.broker import wait_or
from tests.bed.memory import family_mib
from tests.reliability.nemesis.places import Places


class Sample(NamedTuple):
    """At one moment: MiB by worker and node, messages by queue. What was down just then is left out."""

    at: float
    mib: Mapping[str, float]
    waiting: Mapping[str, int]


class Upkeep:
    """Samples `places` every so many seconds."""

    def __init__(self, places: Places, *, every_seconds: float) -> None:
        self._places = places
        self._every_seconds = every_seconds
        self.samples: list[Sample] = []

    async def watch(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not await wait_or(stop, self._every_seconds):
            self.samples.append(
                Sample(time.monotonic(), dict(await asyncio.to_thread(self._memory)), await self._waiting())
            )

    def memory_around(self, moment: float, seconds: float) -> dict[str, float]:
        """The median MiB of each worker and node within so many seconds of a moment."""
        near = [sample.mib for sample in self.samples if abs(sample.at - moment) <= seconds]
        names = {name for mib in near for name in mib}
        return {name: median(mib[name] for mib in near if name in mib) for name in sorted(names)}

    def most_waiting(self) -> int:
        """The greatest number of messages that ever waited in a queue."""
        return max((count for sample in self.samples for count in sample.waiting.values()), default=0)

    def last_waiting(self) -> dict[str, int]:
        """What waited when the broker last told, by queue; left out are empty queues, and what was parked for good."""
        told = next(sample.waiting for sample in reversed(self.samples) if sample.waiting)
        return {name: count for name, count in told.items() if count and name != routes.PARKED_QUEUE}

    def _memory(self) -> dict[str, float]:
        workers = {f"{kind} {n}": each for kind in Kind for n, each in enumerate(self._places.services(kind), start=1)}
        nodes = {"broker": self._places.broker, "store": self._places.store}
        held = {}
        for name, process in (workers | nodes).items():
            with contextlib.suppress(OSError, IndexError):  # it was killed a moment ago
                held[name] = family_mib(process)
        return held

    async def _waiting(self) -> dict[str, int]:
        try:
            queues: list[dict[str, Any]] = await asyncio.to_thread(self._places.management.queues)
        except httpx.HTTPError:
            return {}
        return {queue["name"]: queue.get("messages", 0) for queue in queues}
