"""The consumer of this gate's queue: reads headers, never the body of an event or signal, and starts nothing per push.

The callback only appends; one drain per tick of the loop hands everything that came to the hub, which joins the events
of a room into one write per socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pydantic import ValidationError

from schemas import routes, topology
from schemas.answers import Accepted, AttachAnswer
from schemas.fanout import FanoutHeaders, FanoutKind, RoomTops, roomless_headers
from services.gateway.gate import Gate
from services.gateway.session import LiveEvent, Own
from services.gateway.wire import text_frame
from services.runtime.broker import declare_topology, headers_of, open_channel, wait_or
from services.runtime.observe import Health

log = structlog.get_logger()

HEALTH_PART: Final = "fanout"
CHECK_SECONDS: Final = 3.0
FIRST_CHECKS_SECONDS: Final = 0.25
LATE_SECONDS: Final = 9.0
"""A probe that takes longer than this makes the gate unready."""
LOST_SECONDS: Final = 60.0
"""A probe that takes longer than this costs the queue."""


class Fanout:
    """One queue after the other, each under a fresh name; after each, every room is asked about its sessions."""

    def __init__(self, gate: Gate, health: Health, stopping: asyncio.Event) -> None:
        self._gate = gate
        self._health = health
        self._stopping = stopping
        self._incarnation = 0
        self.queue = ""
        self._arrived: deque[DeliveredMessage] = deque()
        self._drain_due = False
        self._heard = 0.0
        self._probed: float | None = None
        health.expect(HEALTH_PART)

    async def serve(self, connection: AbstractConnection) -> None:
        """Consume on this connection until it closes, or until our own probes stop coming back."""
        channel = await open_channel(connection, confirms=False)
        await declare_topology(channel, self._gate.settings.shards, declares=self._gate.settings.declares)
        await self._consume(channel)
        self._gate.hub.reattach()
        self._gate.carry_out()
        try:
            await self._watch(channel)
        finally:
            self._health.fail(HEALTH_PART)
            self._gate.announce_service(available=False)

    async def _consume(self, channel: Channel) -> None:
        self._incarnation += 1
        self._heard, self._probed = float("-inf"), None
        self.queue = queue = routes.gate_queue(self._gate.gate_id, self._incarnation)
        arguments = topology.gate_queue_arguments(self._gate.settings.queue_length)
        await channel.queue_declare(queue, exclusive=True, durable=False, arguments=dict(arguments))
        await channel.queue_bind(queue, routes.FANOUT, routes.gate_key(self._gate.gate_id))
        await channel.basic_consume(queue, self._on_delivery, no_ack=True)
        log.info("gate_queue_ready", queue=queue)

    async def _watch(self, channel: Channel) -> None:
        """See that the queue is there, and that what goes into the fan-out comes out of it: any delivery proves it, and
        in silence a probe of our own. A late one makes the gate unready before it costs the queue.

        Raises:
            TimeoutError, AMQPError: the queue is gone, or nothing comes through it any more.
        """
        while not channel.is_closed and not self._stopping.is_set():
            await self._look_at_queue(channel)
            late_seconds = self._judge(self._gate.clock())
            await wait_or(self._stopping, FIRST_CHECKS_SECONDS if late_seconds < CHECK_SECONDS else CHECK_SECONDS)

    async def _look_at_queue(self, channel: Channel) -> None:
        async with asyncio.timeout(self._gate.settings.broker_timeout_seconds):
            await channel.queue_declare(self.queue, passive=True)

    def _judge(self, now: float) -> float:
        """Probe where nothing proves the way; how long the oldest probe that is still out has been. An alarm that
        blocks publishing says nothing of this queue: pushes go on, and probes begin when it is over."""
        if self._gate.commands.blocked:
            self._probed = None
            return 0.0
        if now - self._heard <= self._gate.settings.probe_seconds and self._gate.service_available:
            self._health.beat(HEALTH_PART, now)
            return CHECK_SECONDS
        late_seconds = 0.0 if self._probed is None else now - self._probed
        if late_seconds > LOST_SECONDS:
            raise TimeoutError("our own probes do not come back through the fan-out")
        if late_seconds > LATE_SECONDS:
            self._health.fail(HEALTH_PART)
        self._probed = now - late_seconds
        probe = roomless_headers(FanoutKind.PROBE)
        self._gate.commands.post_fanout(routes.gate_key(self._gate.gate_id), probe)
        return late_seconds

    async def _on_delivery(self, delivery: DeliveredMessage) -> None:
        self._arrived.append(delivery)
        if not self._drain_due:
            self._drain_due = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        self._drain_due = False
        arrived, self._arrived = self._arrived, deque()
        self._hear()
        for delivery in arrived:
            self._guarded(partial(self._take, delivery))
        self._guarded(self._gate.carry_out)

    def _guarded(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except Exception:  # the outermost frame of a callback: nothing else that came may be lost with this
            log.exception("fanout_failed")
            self._gate.reattach_soon()

    def _take(self, delivery: DeliveredMessage) -> None:
        try:
            headers = FanoutHeaders.from_headers(headers_of(delivery))
            self.receive(headers, delivery.body)
        except (ValueError, ValidationError) as error:
            log.warning("fanout_malformed", error=str(error)[:200])

    def _hear(self) -> None:
        """Something came through: the queue, its binding and its consumer work."""
        self._heard, self._probed = self._gate.clock(), None
        self._health.beat(HEALTH_PART, self._heard)

    def receive(self, headers: FanoutHeaders, body: bytes) -> None:
        """Hand one delivery to the hub.

        Raises:
            ValueError: an `attached` or `tops` whose body is none.
        """
        gate = self._gate
        gate.metrics.deliveries.labels(headers.kind.value).inc()
        match headers.kind:
            case FanoutKind.EVENT:
                self._receive_event(headers, body)
            case FanoutKind.SIGNAL:
                gate.hub.receive_signal(headers.room, text_frame(body))
            case FanoutKind.TOPS:
                for top in RoomTops.model_validate_json(body).tops:
                    gate.hub.receive_top(top.room, top.epoch, top.seq)
            case FanoutKind.ATTACHED:
                gate.receive_attached(AttachAnswer.model_validate_json(body))
            case FanoutKind.PROBE:
                gate.announce_service(available=True)

    def _receive_event(self, headers: FanoutHeaders, body: bytes) -> None:
        own = self._own(headers)
        event = LiveEvent(headers.epoch, headers.seq, text_frame(body), own, headers.expulsion)
        followed = self._gate.hub.receive_event(headers.room, event)
        if not followed and own is not None:
            own.outlet.write(own.frame)

    def _own(self, headers: FanoutHeaders) -> Own | None:
        if headers.skip is None or headers.command_id is None:
            return None
        found = self._gate.accept(_accepted(headers), headers.skip)
        return None if found is None else Own(headers.skip, *found)


def _accepted(headers: FanoutHeaders) -> Accepted:
    return Accepted.model_validate(
        {
            "command_id": headers.command_id,
            "room": headers.room,
            "epoch": headers.epoch,
            "seq": headers.seq,
            "message_id": headers.message_id,
            "invite": headers.invite,
            "at": headers.at,
        }
    )
