"""Requests over direct reply-to: one consumer and a table of futures, on the channel that also publishes.

Written once here because FastStream's own request holds one lock for the whole broker (docs/decisions/0004).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any, Final, NamedTuple
from uuid import uuid4

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from services.runtime.broker import BROKER_ERRORS, OPENING_SECONDS, PERSISTENT, TRANSIENT, properties_of

REPLY_TO: Final = "amq.rabbitmq.reply-to"


class LinkLost(Exception):
    """The channel is gone; what was in flight may or may not have been done."""


class TooManyInFlight(Exception):
    """The bound on unanswered requests, or on unwritten ones, is reached. Nothing was sent."""


class Call(NamedTuple):
    """A request under way. The future ends with the answer's body, or with `LinkLost`."""

    correlation_id: str
    answer: asyncio.Future[bytes]


class _Outgoing(NamedTuple):
    exchange: str
    key: str
    body: bytes
    properties: commands.Basic.Properties


class Rpc:
    """Requests and posts on one channel without confirms, written in the order of the calls.

    Whoever makes it owns it: `open` before use, `close` in the end. Nothing survives the channel.
    """

    def __init__(self, channel: Channel, *, in_flight_limit: int) -> None:
        self._channel = channel
        self._in_flight_limit = in_flight_limit
        self._prefix = uuid4().hex[:12]
        self._number = 0
        self._calls: dict[str, asyncio.Future[bytes]] = {}
        self._outgoing: deque[_Outgoing] = deque()
        self._wake = asyncio.Event()
        self._lost = False
        self._writer: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """How many calls wait for their answer."""
        return len(self._calls)

    async def open(self) -> None:
        """Listen for replies and start writing.

        Raises:
            aiormq.exceptions.AMQPError: the channel is closed already.
        """
        await self._channel.basic_consume(REPLY_TO, self._on_reply, no_ack=True, timeout=OPENING_SECONDS)
        self._channel.closing.add_done_callback(lambda _: self._lose())
        self._writer = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Stop writing; every pending call ends with `LinkLost`."""
        self._lose()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def send(
        self,
        exchange: str,
        key: str,
        body: bytes,
        *,
        headers: dict[str, Any] | None = None,  # Any: an AMQP field table
        persistent: bool = False,
    ) -> Call:
        """Ask; never waits. The caller bounds its own wait and calls `forget` when it gives up.

        Raises:
            TooManyInFlight: the bound is reached.
            LinkLost: the channel is gone.
        """
        if len(self._calls) >= self._in_flight_limit:
            raise TooManyInFlight(f"{len(self._calls)} requests wait for their answer")
        self._number += 1
        correlation_id = f"{self._prefix}-{self._number}"
        self._put(exchange, key, body, _properties(correlation_id, headers, persistent=persistent))
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._calls[correlation_id] = answer
        return Call(correlation_id, answer)

    def post(
        self,
        exchange: str,
        key: str,
        body: bytes,
        *,
        headers: dict[str, Any] | None = None,  # Any: an AMQP field table
        persistent: bool = False,
    ) -> None:
        """Tell, without an answer.

        Raises:
            TooManyInFlight: too much waits to be written.
            LinkLost: the channel is gone.
        """
        self._put(exchange, key, body, _properties(None, headers, persistent=persistent))

    async def call(self, exchange: str, key: str, body: bytes, *, timeout_seconds: float) -> bytes:
        """Ask and wait.

        Raises:
            TimeoutError: no answer came in time; the request may have been done.
            TooManyInFlight, LinkLost: see `send`.
        """
        call = self.send(exchange, key, body)
        try:
            return await asyncio.wait_for(call.answer, timeout_seconds)
        finally:
            self.forget(call)

    def resolve(self, correlation_id: str, body: bytes) -> None:
        """Give a call the answer that came for it, by reply or another way; a late one is dropped."""
        answer = self._calls.pop(correlation_id, None)
        if answer is not None and not answer.done():
            answer.set_result(body)

    def forget(self, call: Call) -> None:
        """The caller waits no longer."""
        self._calls.pop(call.correlation_id, None)

    def _put(self, exchange: str, key: str, body: bytes, properties: commands.Basic.Properties) -> None:
        if self._lost:
            raise LinkLost("the channel to the broker is gone")
        if len(self._outgoing) >= self._in_flight_limit:
            raise TooManyInFlight(f"{len(self._outgoing)} deliveries wait to be written")
        self._outgoing.append(_Outgoing(exchange, key, body, properties))
        self._wake.set()

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._outgoing:
                    await self._publish(self._outgoing.popleft())
        except BROKER_ERRORS:
            self._lose()

    async def _publish(self, item: _Outgoing) -> None:
        await self._channel.basic_publish(
            item.body, exchange=item.exchange, routing_key=item.key, properties=item.properties, wait=False
        )

    async def _on_reply(self, delivery: DeliveredMessage) -> None:
        correlation_id = properties_of(delivery).correlation_id
        if correlation_id:
            self.resolve(correlation_id, delivery.body)

    def _lose(self) -> None:
        self._lost = True
        calls, self._calls = self._calls, {}
        self._outgoing.clear()
        for answer in calls.values():
            if not answer.done():
                answer.set_exception(LinkLost("the channel to the broker is gone"))
                with contextlib.suppress(LinkLost):
                    answer.exception()


def _properties(
    correlation_id: str | None,
    headers: dict[str, Any] | None,  # Any: an AMQP field table
    *,
    persistent: bool,
) -> commands.Basic.Properties:
    return commands.Basic.Properties(
        content_type="application/json",
        correlation_id=correlation_id,
        reply_to=REPLY_TO if correlation_id else None,
        delivery_mode=PERSISTENT if persistent else TRANSIENT,
        headers=headers,
    )
