"""What a running stack costs while a workload goes on: memory of workers and nodes, and what waits in queues. Judging
the samples is pure."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final, NamedTuple

import httpx

from infra.engine import CommandFailed
from infra.local.workers import Kind
from schemas import routes
from services.runtime.broker import wait_or
from tests.bed.memory import family_mib
from tests.reliability.nemesis.places import Places

SAMPLES_EACH: Final = 5
"""What something holds at a moment is the median of so many samples."""
ALL_GATES: Final = "all gates"
BROKER, STORE = "broker", "store"


class Held(NamedTuple):
    """The memory of one process with all that it started."""

    pid: int
    mib: float


class Sample(NamedTuple):
    """At one moment: what is held, by worker and node, without those that were down; and the messages by queue, None
    where the broker did not tell. Left out are what was parked for good, and queues of workers that ended: nobody reads
    them any more, and they expire."""

    at: float
    held: Mapping[str, Held]
    waiting: Mapping[str, int] | None


class Growth(NamedTuple):
    """From when everything that is kept for good was there to the end."""

    early: float
    late: float


class Upkeep:
    """Samples `places` every so many seconds."""

    def __init__(self, places: Places, *, every_seconds: float) -> None:
        self._places = places
        self._every_seconds = every_seconds
        self.samples: list[Sample] = []

    async def watch(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not await wait_or(stop, self._every_seconds):
            at = time.monotonic()
            self.samples.append(Sample(at, await asyncio.to_thread(self._held), await self._waiting()))

    def is_drained(self, since: float) -> bool:
        """Whether all queues were empty at some moment from then on."""
        told = [sample.waiting for sample in self.samples if sample.at >= since and sample.waiting is not None]
        return any(not any(waiting.values()) for waiting in told)

    @property
    def slots(self) -> dict[str, Any]:
        """All workers and nodes by their names."""
        workers = {f"{kind} {n}": each for kind in Kind for n, each in enumerate(self._places.services(kind), start=1)}
        return workers | {BROKER: self._places.broker, STORE: self._places.store}

    def _held(self) -> dict[str, Held]:
        held = {}
        for name, process in self.slots.items():
            with contextlib.suppress(OSError, IndexError, CommandFailed):  # it was killed a moment ago
                held[name] = Held(process.pid, family_mib(process))
        return held

    async def _waiting(self) -> dict[str, int] | None:
        try:
            queues: list[dict[str, Any]] = await asyncio.to_thread(self._places.management.queues)
        except httpx.HTTPError:
            return None
        return {queue["name"]: queue.get("messages", 0) for queue in queues if not _is_left_behind(queue)}


def _is_left_behind(queue: Mapping[str, Any]) -> bool:
    return queue["name"] == routes.PARKED_QUEUE or ("x-expires" in queue["arguments"] and not queue.get("consumers"))


def with_gates_as_one(samples: Sequence[Sample]) -> list[Sample]:
    """Clients come back to any gate, and what a gate holds is what it holds for them: only all gates together have as
    many at all times. Where one of them was down nothing is told of them."""
    gates = {name for sample in samples for name in sample.held if name.startswith(f"{Kind.GATEWAY} ")}
    found = []
    for sample in samples:
        held = {name: each for name, each in sample.held.items() if name not in gates}
        if gates and gates <= sample.held.keys():
            held[ALL_GATES] = Held(0, sum(sample.held[name].mib for name in gates))
        found.append(sample._replace(held=held))
    return found


def growth_of_slots(samples: Sequence[Sample], early: float) -> dict[str, Growth]:
    """Of each worker and node, whichever process it was: the most it had held by `early`, and what it holds in the
    end."""
    found = {}
    for name in sorted({name for sample in samples for name in sample.held}):
        told = [(sample.at, sample.held[name].mib) for sample in samples if name in sample.held]
        if first := [mib for at, mib in told if at <= early]:
            found[name] = Growth(max(first), median(mib for _, mib in told[-SAMPLES_EACH:]))
    return found


def growth_of_processes(samples: Sequence[Sample], early: float, warm_seconds: float) -> dict[str, Growth]:
    """Of each process against itself: from `early`, or from when it had lived for `warm_seconds`, whichever is later,
    to its own end. Those that did not live so long and a few samples more are left out."""
    lives: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for sample in samples:
        for name, held in sample.held.items():
            lives.setdefault((name, held.pid), []).append((sample.at, held.mib))
    found = {}
    for (name, pid), life in sorted(lives.items()):
        warm = [mib for at, mib in life if at >= max(early, life[0][0] + warm_seconds)]
        if len(warm) >= 2 * SAMPLES_EACH:
            found[f"{name}, process {pid}"] = Growth(median(warm[:SAMPLES_EACH]), median(warm[-SAMPLES_EACH:]))
    return found


def growth_of_queues(samples: Sequence[Sample]) -> dict[str, Growth]:
    """The messages that wait in each queue, in the mean of the first and of the last third: a queue that grows has more
    and more, one that is held up for moments has not."""
    told = [sample.waiting for sample in samples if sample.waiting is not None]
    third = len(told) // 3
    if not third:
        return {}
    return {
        name: Growth(*(median(waiting.get(name, 0) for waiting in part) for part in (told[:third], told[-third:])))
        for name in sorted({name for waiting in told for name in waiting})
    }


def most_waiting(samples: Sequence[Sample]) -> int:
    """The greatest number of messages that ever waited in a queue."""
    return max((count for sample in samples for count in (sample.waiting or {}).values()), default=0)
