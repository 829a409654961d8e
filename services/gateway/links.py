"""The connection that publishes: commands, queries and probes go out on it, answers come back on it.

It is another than the one that consumes the fan-out: an alarm that blocks publishing leaves the pushes running.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel

from services.gateway.gate import Gate
from services.runtime.broker import declare_topology, open_channel, wait_or
from services.runtime.observe import Health
from services.runtime.rpc import NOT_SENT, Rpc

HEALTH_PART: Final = "commands"
BEAT_SECONDS: Final = 1.0
NAMELESS, NOBODY = "", ""
"""The exchange that leads straight to queues, and the name of none."""
LOOK_SECONDS: Final = 0.2
"""How soon an alarm of the broker is noticed once it has been told."""


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
        await declare_topology(confirming, self._gate.settings.shards, declares=self._gate.settings.declares)
        channel = await open_channel(connection, confirms=True)
        rpc = Rpc(channel, in_flight_limit=2 * self._gate.settings.in_flight_per_gate)
        await rpc.open()
        self._link_up(rpc, confirming)
        try:
            await self._watch(rpc, channel, confirming)
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

    async def _watch(self, rpc: Rpc, *channels: Channel) -> None:
        """Say when an alarm blocks the link, and try it from time to time: the broker tells of an alarm only those who
        publish, and a publish that is confirmed is what shows that the link works."""
        beat_due = 0.0
        while not any(channel.is_closed for channel in channels):
            if rpc.blocked:
                self._health.fail(HEALTH_PART)
                self._gate.link_blocked()
            elif self._gate.clock() >= beat_due:
                beat_due = self._gate.clock() + BEAT_SECONDS
                self._try(rpc)
            if await wait_or(self._stopping, LOOK_SECONDS):
                return

    def _try(self, rpc: Rpc) -> None:
        """Publish to nobody."""
        with suppress(*NOT_SENT):
            rpc.post(NAMELESS, NOBODY, b"", on_confirm=self._receive_confirm)

    def _receive_confirm(self, taken: bool) -> None:  # noqa: FBT001 - as the link tells it
        if taken:
            self._health.beat(HEALTH_PART, self._gate.clock())
