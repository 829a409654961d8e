"""How a gate sends its clients away: in stages, after their last answers, each with its own moment to come back at."""

from __future__ import annotations

import asyncio
from random import uniform
from typing import TYPE_CHECKING, Final

import structlog

from schemas.errors import Code

if TYPE_CHECKING:
    from services.gateway.gate import Gate

log = structlog.get_logger()

POLL_SECONDS: Final = 0.05
SOONEST_SECONDS: Final = 0.5
LATEST_SECONDS: Final = 5.0
RETURNS_A_SECOND: Final = 500
"""How many clients the other gates should get back in a second: with more than a few thousand they come back later."""


async def drain(gate: Gate, deadline: float) -> None:
    """No new connection and no new command is taken; who waits for an answer gets it before the `bye`. Returns when
    everybody is gone, and by `deadline` (of the gate's clock) whatever clients do."""
    gate.draining = True
    waiting = list(gate.connections.values())
    step_seconds = _step_seconds(gate, len(waiting), deadline)
    latest = max(LATEST_SECONDS, len(waiting) / RETURNS_A_SECOND)
    for start in range(0, len(waiting), gate.settings.drain_batch):
        for connection in waiting[start : start + gate.settings.drain_batch]:
            connection.retire(_return_seconds(latest))
        await asyncio.sleep(step_seconds)
    await _until_gone(gate, deadline - min(gate.settings.close_seconds, (deadline - gate.clock()) / 2))
    log.info("gate_drained", sent_away=len(waiting), in_a_hurry=len(gate.connections))
    for connection in list(gate.connections.values()):
        connection.end(Code.DRAINING, retry_after_seconds=_return_seconds(latest))
    await _until_gone(gate, deadline)


def _step_seconds(gate: Gate, count: int, deadline: float) -> float:
    """At most half of the time there is goes into the stages."""
    stages = max(1, -(-count // gate.settings.drain_batch))
    return max(0.0, min(gate.settings.drain_step_seconds, (deadline - gate.clock()) / 2 / stages))


async def _until_gone(gate: Gate, until: float) -> None:
    while gate.connections and gate.clock() < until:  # noqa: ASYNC110 - polled within a bound, once in a life
        await asyncio.sleep(POLL_SECONDS)


def _return_seconds(latest: float) -> float:
    return round(uniform(SOONEST_SECONDS, latest), 2)  # noqa: S311 - jitter, not a secret
