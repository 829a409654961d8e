"""The cables of clients, pulled at random."""

from __future__ import annotations

import asyncio

from services.runtime.broker import wait_or
from tests.reliability.fleet import Fleet


async def cut_some(fleet: Fleet, stop: asyncio.Event, *, every_seconds: float, share: float) -> int:
    """Pull the cables of a random part of the fleet again and again; how many were pulled."""
    cuts = 0
    while not await wait_or(stop, every_seconds):
        chosen = fleet.chance.sample(fleet.clients, max(1, round(len(fleet.clients) * share)))
        for client in chosen:
            client.cut()
        cuts += len(chosen)
    return cuts
