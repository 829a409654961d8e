"""What the broker and the gates count: messages put into queues, bindings, and what a gate got beside chat."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from schemas import routes

QUIET_SECONDS: Final = 2.2
"""The broker's counters are up to a second old, those of quorum queues up to two."""
WITHIN_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.4
ASIDE: Final = re.compile(
    r'^gateway_fanout_deliveries_total\{kind="(?:tops|signal|probe|attached)"\} (\S+)', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Count:
    """Since the queues were made: messages into gates' queues and into the log's, and how many of the gates' were of
    another kind than events."""

    gates: int
    log: int
    aside: int


class Counters:
    """Reads them over HTTP."""

    def __init__(self, management_url: str, gate_urls: Iterable[str]) -> None:
        self._management_url = management_url
        self._gate_urls = tuple(gate_urls)

    async def settle(self) -> None:
        """Wait until the broker's counters have not changed for a while; the gates are left alone meanwhile.

        Raises:
            TimeoutError: it does not become quiet.
        """
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http, asyncio.timeout(WITHIN_SECONDS):
            said, since = await self._published(http), time.monotonic()
            while time.monotonic() - since < QUIET_SECONDS:
                await asyncio.sleep(PAUSE_SECONDS)
                if (now := await self._published(http)) != said:
                    said, since = now, time.monotonic()

    async def read(self) -> Count:
        """What is counted now."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            published = await self._published(http)
            pages = [(await http.get(f"{url}/metrics")).raise_for_status().text for url in self._gate_urls]
        return Count(
            gates=sum(count for name, count in published.items() if name.startswith("gate.")),
            log=sum(count for name, count in published.items() if name.startswith("history.shard.")),
            aside=int(sum(float(count) for page in pages for count in ASIDE.findall(page))),
        )

    async def bindings(self) -> int:
        """How many there are. Left out: the nameless exchange's own, and those of workers among themselves, whose
        queues the broker keeps for a while after them."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            every = await self._asked(http, "bindings?columns=source")
        return sum(each["source"] not in ("", routes.CONTROL) for each in every)

    async def _published(self, http: httpx.AsyncClient) -> dict[str, int]:
        """Messages that went into each queue since it was made."""
        queues = await self._asked(http, "queues?columns=name,message_stats.publish")
        return {each["name"]: each.get("message_stats", {}).get("publish", 0) for each in queues}

    async def _asked(self, http: httpx.AsyncClient, what: str) -> list[dict[str, Any]]:  # Any: JSON
        rows: list[dict[str, Any]] = (await http.get(f"{self._management_url}/api/{what}")).raise_for_status().json()
        return rows
