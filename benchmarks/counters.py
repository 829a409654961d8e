"""What the broker and the gates count: messages put into queues, bindings, and what a gate got beside chat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from benchmarks.figures import read_counters, total
from schemas import routes

QUIET_SECONDS: Final = 2.2
"""The broker's counters are up to a second old, those of quorum queues up to two."""
WITHIN_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.4
DELIVERIES: Final = "gateway_fanout_deliveries_total"
EVENTS: Final = f'{DELIVERIES}{{kind="event"}}'


@dataclass(frozen=True, slots=True)
class Count:
    """Since the queues were made: events that went into gates' queues, and messages into the log's."""

    events: int
    log: int

    def risen(self, later: Count) -> Count:
        """The greater of each."""
        return Count(max(self.events, later.events), max(self.log, later.log))


class Counters:
    """Reads them over HTTP."""

    def __init__(self, management_url: str, gate_urls: Iterable[str]) -> None:
        self._management_url = management_url
        self._gate_urls = tuple(gate_urls)

    async def settled(self) -> Count:
        """What is counted once nothing has risen for a while. Other deliveries than events may come meanwhile: a gate
        counts them before the broker does, so they make a reading too low, never too high.

        Raises:
            TimeoutError: it goes on rising.
        """
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http, asyncio.timeout(WITHIN_SECONDS):
            said, since = await self._read(http), time.monotonic()
            while time.monotonic() - since < QUIET_SECONDS:
                await asyncio.sleep(PAUSE_SECONDS)
                if (now := said.risen(await self._read(http))) != said:
                    said, since = now, time.monotonic()
            return said

    async def bindings(self) -> int:
        """How many there are. Left out: the nameless exchange's own, and those of workers among themselves, whose
        queues the broker keeps for a while after them."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            every = await self._asked(http, "bindings?columns=source")
        return sum(each["source"] not in ("", routes.CONTROL) for each in every)

    async def _read(self, http: httpx.AsyncClient) -> Count:
        queues = await self._asked(http, "queues?columns=name,message_stats.publish")
        # a queue that has no counter yet has an empty list there
        published = {each["name"]: (each.get("message_stats") or {}).get("publish", 0) for each in queues}
        told = [await read_counters(url) for url in self._gate_urls]
        in_gates = sum(count for name, count in published.items() if name.startswith("gate."))
        aside = int(sum(total(counted, DELIVERIES) - counted.get(EVENTS, 0) for counted in told))
        in_log = sum(count for name, count in published.items() if name.startswith("history.shard."))
        return Count(in_gates - aside, in_log)

    async def _asked(self, http: httpx.AsyncClient, what: str) -> list[dict[str, Any]]:  # Any: JSON
        rows: list[dict[str, Any]] = (await http.get(f"{self._management_url}/api/{what}")).raise_for_status().json()
        return rows
