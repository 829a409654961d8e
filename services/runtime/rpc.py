"""Requests over direct reply-to: one consumer and a table of futures, on the channel that also publishes.

Written once here because FastStream's own request holds one lock for the whole broker (docs/decisions/0004).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import uuid4

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import DeliveryError
from pamqp import commands

from services.runtime.broker import BROKER_ERRORS, OPENING_SECONDS, PERSISTENT, TRANSIENT, is_blocked, properties_of
from services.runtime.confirms import write_publish

REPLY_TO: Final = "amq.rabbitmq.reply-to"


class LinkLost(Exception):
    """The channel is gone; what was in flight may or may not have been done."""


class TooManyInFlight(Exception):
    """The bound on unanswered requests, or on unconfirmed publishes, is reached. Nothing was sent."""


class NotTaken(Exception):
    """The broker does not take it: a queue is full, or an alarm of its memory or disk blocks publishing. Certainly
    nobody will ever see it."""


NOT_SENT: Final = (LinkLost, TooManyInFlight, NotTaken)
"""What `send` and `post` raise."""
OnConfirm = Callable[[bool], None]
"""Told whether the broker took a publish; never told when the channel is lost first."""


class Call(NamedTuple):
    """A request under way. The future ends with the answer's body, or with `LinkLost`, or with `NotTaken`."""

    correlation_id: str
    answer: asyncio.Future[bytes]


class _Outgoing(NamedTuple):
    exchange: str
    key: str
    body: bytes
    properties: commands.Basic.Properties
    on_confirm: OnConfirm | None


class Rpc:
    """Requests and posts on one channel, written in the order of the calls.

    On a channel with confirms, what the broker refuses ends at once with `NotTaken`, and what it has not confirmed yet
    is bounded. Without confirms a full queue shows as silence only.

    Whoever makes it owns it: `open` before use, `close` in the end. Nothing survives the channel.
    """

    def __init__(self, channel: Channel, *, in_flight_limit: int) -> None:
        self._channel = channel
        self._in_flight_limit = in_flight_limit
        self._prefix = uuid4().hex[:12]
        self._number = 0
        self._calls: dict[str, asyncio.Future[bytes]] = {}
        self._outgoing: deque[_Outgoing] = deque()
        self._unconfirmed = 0
        self._wake = asyncio.Event()
        self._lost = False
        self._writer: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """How many calls wait for their answer."""
        return len(self._calls)

    @property
    def blocked(self) -> bool:
        """An alarm of the broker keeps it from taking anything, as far as it has said so."""
        return is_blocked(self._channel.connection)

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
            NotTaken: an alarm of the broker blocks publishing.
            LinkLost: the channel is gone.
        """
        if len(self._calls) >= self._in_flight_limit:
            raise TooManyInFlight(f"{len(self._calls)} requests wait for their answer")
        self._number += 1
        correlation_id = f"{self._prefix}-{self._number}"
        properties = _properties(correlation_id, headers, persistent=persistent)
        self._put(_Outgoing(exchange, key, body, properties, partial(self._receive_confirm, correlation_id)))
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
        on_confirm: OnConfirm | None = None,
    ) -> None:
        """Tell, without an answer. `on_confirm` must not raise.

        Raises:
            TooManyInFlight: too much waits to be confirmed.
            NotTaken: an alarm of the broker blocks publishing.
            LinkLost: the channel is gone.
        """
        properties = _properties(None, headers, persistent=persistent)
        self._put(_Outgoing(exchange, key, body, properties, on_confirm))

    async def call(self, exchange: str, key: str, body: bytes, *, timeout_seconds: float) -> bytes:
        """Ask and wait.

        Raises:
            TimeoutError: no answer came in time; the request may have been done.
            TooManyInFlight, NotTaken, LinkLost: see `send`.
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

    def _put(self, item: _Outgoing) -> None:
        if self._lost:
            raise LinkLost("the channel to the broker is gone")
        if self.blocked:
            raise NotTaken("an alarm of the broker blocks publishing")
        if len(self._outgoing) + self._unconfirmed >= self._in_flight_limit:
            raise TooManyInFlight(f"{len(self._outgoing) + self._unconfirmed} publishes wait for their confirm")
        self._outgoing.append(item)
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
        confirm = await write_publish(self._channel, item.exchange, item.key, item.body, item.properties)
        if confirm is not None:
            self._unconfirmed += 1
            confirm.add_done_callback(partial(self._settle, item.on_confirm))

    def _settle(self, on_confirm: OnConfirm | None, confirm: asyncio.Future[Any]) -> None:  # Any: the driver's frame
        self._unconfirmed -= 1
        error = asyncio.CancelledError() if confirm.cancelled() else confirm.exception()
        if on_confirm is not None and (error is None or isinstance(error, DeliveryError)):
            on_confirm(error is None)

    def _receive_confirm(self, correlation_id: str, taken: bool) -> None:  # noqa: FBT001 - the shape of OnConfirm
        answer = None if taken else self._calls.pop(correlation_id, None)
        if answer is not None:
            _fail(answer, NotTaken("a queue of the broker is full"))

    async def _on_reply(self, delivery: DeliveredMessage) -> None:
        correlation_id = properties_of(delivery).correlation_id
        if correlation_id:
            self.resolve(correlation_id, delivery.body)

    def _lose(self) -> None:
        self._lost = True
        calls, self._calls = self._calls, {}
        self._outgoing.clear()
        for answer in calls.values():
            _fail(answer, LinkLost("the channel to the broker is gone"))


def _fail(answer: asyncio.Future[bytes], error: Exception) -> None:
    """End a call that may have nobody left who looks at it."""
    if not answer.done():
        answer.set_exception(error)
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
