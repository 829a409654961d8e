"""The connection that publishes: commands, queries and probes go out on it, answers come back on it.

It is another than the one that consumes the fan-out: an alarm that blocks publishing leaves the pushes running.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel

from services.gateway.gate import Gate
from services.runtime.broker import declare_topology, open_channel, wait_or
from services.runtime.observe import Health
from services.runtime.rpc import Rpc

HEALTH_PART: Final = "commands"
BEAT_SECONDS: Final = 1.0


class Publisher:
    """Keeps the gate's commands and queries supplied with a channel, and the AMQP door with a confirming one."""

    def __init__(self, gate: Gate, health: Health, stopping: asyncio.Event) -> None:
        self._gate = gate
        self._health = health
        self._stopping = stopping
        self._confirming: Channel | None = None
        self._up = asyncio.Event()
        health.expect(HEALTH_PART)

    async def confirming_channel(self, timeout_seconds: float) -> Channel:
        """The confirming channel, waited for when the broker is away; no wait at all when it is there.

        Raises:
            TimeoutError: it did not come back in time.
        """
        while self._confirming is None or self._confirming.is_closed:
            self._up.clear()
            async with asyncio.timeout(timeout_seconds):
                await self._up.wait()
        return self._confirming

    async def serve(self, connection: AbstractConnection) -> None:
        """Publish on this connection until it, or one of its channels, closes."""
        confirming = await open_channel(connection, confirms=True)
        await declare_topology(confirming, self._gate.settings.shards)
        channel = await open_channel(connection, confirms=False)
        rpc = Rpc(channel, in_flight_limit=2 * self._gate.settings.in_flight_per_gate)
        await rpc.open()
        self._link_up(rpc, confirming)
        try:
            await self._beat(channel, confirming)
        finally:
            self._link_down()
            await rpc.close()

    def _link_up(self, rpc: Rpc, confirming: Channel) -> None:
        self._confirming = confirming
        self._up.set()
        self._gate.link_up(rpc)

    def _link_down(self) -> None:
        self._confirming = None
        self._up.clear()
        self._health.fail(HEALTH_PART)
        self._gate.link_down()
        self._gate.announce_service(available=False)

    async def _beat(self, *channels: Channel) -> None:
        while not any(channel.is_closed for channel in channels):
            self._health.beat(HEALTH_PART, self._gate.clock())
            if await wait_or(self._stopping, BEAT_SECONDS):
                return
