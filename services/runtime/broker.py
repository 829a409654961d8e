"""Plain connections to RabbitMQ for the hot loops: state never survives a channel, so nothing reconnects by itself.

The raw aiormq channels are used on purpose (docs/decisions/0004): deliveries go to a callback that only appends,
acks are batched, confirms are in flight together.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Self, cast

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.connection import make_url
from aiormq.abc import AbstractConnection as DriverConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import AMQPError
from pamqp import commands
from yarl import URL

from schemas import topology

log = structlog.get_logger()

HEARTBEAT_SECONDS: Final = 10
"""What broker and client agree on where the URL names no `heartbeat` of its own."""
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
OPENING_SECONDS: Final = 20.0
"""The bound on opening a channel, and on declaring everything once."""
PATIENCE_STEP_SECONDS: Final = 1.0
PERSISTENT: Final = 2
TRANSIENT: Final = 1

BROKER_ERRORS: Final = (AMQPError, OSError, TimeoutError, RuntimeError, asyncio.InvalidStateError)
"""What the driver raises when the broker is away or a channel is gone; RuntimeError and InvalidStateError are how
aiormq says that a connection or channel was closed meanwhile."""


class NotConfirmed(Exception):
    """A publish was not taken up: nacked, unroutable, too late, or its channel died. It may still have been stored."""

    def __init__(self, exchange: str, key: str, reason: str) -> None:
        super().__init__(f"{exchange} {key}: {reason}")
        self.reason = reason


async def connect(url: str, name: str, *, timeout_seconds: float) -> AbstractConnection:
    """Open one connection, shown to operators under `name`.

    Raises:
        aiormq.exceptions.AMQPError, OSError, TimeoutError: the broker cannot be reached or refuses.
    """
    address = with_heartbeat(url)
    connection = aio_pika.Connection(address, client_properties={"connection_name": name})
    try:
        await connection.connect(timeout=timeout_seconds)
    except BaseException:
        await _close(connection, timeout_seconds)  # else it would try to close itself whenever it is collected
        raise
    return connection


def with_heartbeat(url: str) -> URL:
    """A broker's URL with our heartbeat, unless it names one itself."""
    address = make_url(url)
    return address if "heartbeat" in address.query else make_url(url, heartbeat=HEARTBEAT_SECONDS)


async def open_channel(connection: AbstractConnection, *, confirms: bool, prefetch: int = 0) -> Channel:
    """A raw channel; `prefetch` 0 is only for consumers without ack."""
    driver = driver_of(connection)
    async with asyncio.timeout(OPENING_SECONDS):
        channel = await driver.channel(publisher_confirms=confirms, on_return_raises=True)
        if not isinstance(channel, Channel):
            raise AssertionError("aiormq opens channels of its own class")  # noqa: TRY004 - a bug, not bad input
        if prefetch:
            await channel.basic_qos(prefetch_count=prefetch)
    return channel


async def declare_topology(channel: Channel, shards: int, *, declares: bool = True) -> None:
    """Declare everything durable; safe to repeat, and done by every service so that none depends on another. A service
    that may not declare only sees that it is there.

    Raises:
        TimeoutError, aiormq.exceptions.AMQPError: the broker does not take it, or does not have it.
    """
    seen = not declares
    async with asyncio.timeout(OPENING_SECONDS):
        for exchange in topology.EXCHANGES:
            await channel.exchange_declare(exchange.name, exchange_type=exchange.kind, durable=True, passive=seen)
        for queue in topology.queues(shards):
            await channel.queue_declare(queue.name, durable=True, passive=seen, arguments=dict(queue.arguments))
            for binding in queue.bindings if declares else ():
                await channel.queue_bind(queue.name, binding.exchange, binding.key)


async def publish_confirmed(
    channel: Channel,
    exchange: str,
    key: str,
    body: bytes,
    properties: commands.Basic.Properties,
    *,
    timeout_seconds: float,
) -> None:
    """Publish as mandatory on a confirming channel and wait until every queue behind it has taken it.

    Publishes are written in the order in which these calls were started. `properties.message_id` stays unset.

    Raises:
        NotConfirmed: it was not, or not in time.
    """
    async with confirmed_or_not(exchange, key), asyncio.timeout(timeout_seconds):
        await channel.basic_publish(
            body, exchange=exchange, routing_key=key, properties=properties, mandatory=True, wait=False
        )


async def publish_patiently(
    channel: Channel,
    exchange: str,
    key: str,
    body: bytes,
    properties: commands.Basic.Properties,
    *,
    timeout_seconds: float,
) -> None:
    """As `publish_confirmed`, but the time during which an alarm of the broker blocks the connection does not count:
    what was written is taken up once the alarm is over.

    Raises:
        NotConfirmed: it was not, or not in time.
    """
    async with confirmed_or_not(exchange, key), Patience(channel, timeout_seconds):
        await channel.basic_publish(
            body, exchange=exchange, routing_key=key, properties=properties, mandatory=True, wait=False
        )


@contextlib.asynccontextmanager
async def confirmed_or_not(exchange: str, key: str) -> AsyncIterator[None]:
    """Turn whatever the driver raises into `NotConfirmed`; a cancellation that is meant for this task stays."""
    try:
        yield
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise NotConfirmed(exchange, key, "the connection was given up") from error
    except Exception as error:
        raise NotConfirmed(exchange, key, repr(error)) from error


def driver_of(connection: AbstractConnection) -> DriverConnection:
    """The driver's own connection below.

    Raises:
        ConnectionError: it was never opened, or is closed.
    """
    if connection.transport is None:
        raise ConnectionError("the connection is not open")
    return connection.transport.connection


def is_blocked(connection: DriverConnection) -> bool:
    """Whether the broker has said (`connection.blocked`) that an alarm keeps it from reading what we write. It goes on
    to deliver, and its heartbeats go on to come. It says so only to connections that try to publish.

    The driver keeps this to itself but for a wait: one step of it tells.
    """
    waiting = connection.ready().__await__()
    try:
        next(waiting)
    except StopIteration:
        return False
    waiting.close()
    return True


class Patience(AbstractAsyncContextManager["Patience"]):
    """A bound on a wait for the broker, as `asyncio.timeout`, to which time under an alarm does not count.

    Raises TimeoutError in its end. The life of the connection bounds a wait under an alarm.
    """

    def __init__(self, channel: Channel, seconds: float) -> None:
        self._channel = channel
        self._left = seconds
        self._step = min(PATIENCE_STEP_SECONDS, seconds / 4)
        self._bound = asyncio.timeout(None)
        self._later: asyncio.TimerHandle

    async def __aenter__(self) -> Self:
        """Begin to count."""
        await self._bound.__aenter__()
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Raise TimeoutError where it was that which ended the wait."""
        self._later.cancel()
        await self._bound.__aexit__(kind, error, where)

    def _arm(self) -> None:
        self._later = asyncio.get_running_loop().call_later(self._step, self._count)

    def _count(self) -> None:
        if not is_blocked(self._channel.connection):
            self._left -= self._step
        if self._left > 0:
            self._arm()
        else:
            self._bound.reschedule(0)


async def keep_connected(
    url: str,
    name: str,
    serve: Callable[[AbstractConnection], Awaitable[None]],
    *,
    stopping: asyncio.Event,
    timeout_seconds: float,
) -> None:
    """Connect, run `serve`, and do so again after every loss, with jittered pauses, until `stopping` is set.

    `serve` is cancelled when the connection closes under it; it returns by itself once `stopping` is set.
    """
    pause = FIRST_PAUSE_SECONDS
    while not stopping.is_set():
        connection = await _reached(url, name, timeout_seconds)
        if connection is not None:
            pause = FIRST_PAUSE_SECONDS
            await _serve_until_closed(connection, name, serve, timeout_seconds)
        if not stopping.is_set():
            await wait_or(stopping, pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _reached(url: str, name: str, timeout_seconds: float) -> AbstractConnection | None:
    """One try. A broker that is going down ends it in any way at all: with an error of the driver, a bare Exception,
    or a CancelledError that nobody asked for."""
    try:
        async with given_up_is_an_error():
            return await connect(url, name, timeout_seconds=timeout_seconds)
    except Exception as error:  # noqa: BLE001 - the outermost loop of a connection: try again
        log.warning("broker_unreachable", connection=name, error=repr(error))
    return None


async def _close(connection: AbstractConnection, timeout_seconds: float) -> None:
    """Close, whatever state it is in, within the bound."""
    try:
        async with given_up_is_an_error(), asyncio.timeout(timeout_seconds):
            await connection.close()
    except Exception as error:  # noqa: BLE001 - it is gone either way
        log.debug("connection_not_closed", error=repr(error))


async def _serve_until_closed(
    connection: AbstractConnection,
    name: str,
    serve: Callable[[AbstractConnection], Awaitable[None]],
    timeout_seconds: float,
) -> None:
    serving = asyncio.ensure_future(serve(connection))
    closed = _closing(connection)
    try:
        await asyncio.wait((serving, closed), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            log.warning("connection_lost", connection=name)
    finally:
        serving.cancel()
        closed.cancel()
        [outcome, _] = await asyncio.gather(serving, closed, return_exceptions=True)
        if isinstance(outcome, Exception):
            _log_end(name, outcome)
        await _close(connection, timeout_seconds)


def _closing(connection: AbstractConnection) -> asyncio.Future[Any]:  # Any: how it closed does not matter here
    """Ends when the connection does. What aio_pika itself offers ends only when we close it."""
    return driver_of(connection).closing


def is_cancelled() -> bool:
    """Whether the running task was asked to end. The driver also *raises* CancelledError, for a connection that it gave
    up: whoever waited then was not cancelled, and must not end as if it was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def raise_if_cancelled() -> None:
    """For a loop that goes on behind every error: a cancellation may have been lost in one. A task group that fails
    while its task is cancelled raises the failure alone (Python before 3.13), `wait_for` in the driver may, and the
    driver raises errors of its own in place of it.

    Raises:
        asyncio.CancelledError: that happened.
    """
    if is_cancelled():
        raise asyncio.CancelledError


@contextlib.asynccontextmanager
async def given_up_is_an_error() -> AsyncIterator[None]:
    """Turn a CancelledError of the driver's own into a ConnectionError; one that is meant for this task stays."""
    try:
        yield
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise ConnectionError("the connection was given up") from error


def _log_end(name: str, error: Exception) -> None:
    if isinstance(error, (*BROKER_ERRORS, NotConfirmed)):
        log.warning("connection_ended", connection=name, error=repr(error))
    else:
        log.error("connection_failed", connection=name, exc_info=error)


async def wait_or(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait for `seconds` at most; True when `stopping` was set meanwhile."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
    return stopping.is_set()


def properties_of(delivery: DeliveredMessage) -> commands.Basic.Properties:
    """The AMQP properties of a delivery."""
    return delivery.header.properties


def tag_of(delivery: DeliveredMessage) -> int:
    """The tag under which a delivery is settled."""
    if delivery.delivery_tag is None:
        raise AssertionError("a delivery of a consumer has a tag")
    return delivery.delivery_tag


def key_at(exchange: str, delivery: DeliveredMessage) -> str:
    """The routing key under which a delivery was published to this exchange; "", which is no key of ours, where it came
    through another exchange or as a dead letter: the broker holds a key against what a login may write only where it is
    published."""
    straight = delivery.exchange == exchange and "x-death" not in headers_of(delivery)
    return (delivery.routing_key or "") if straight else ""


def headers_of(delivery: DeliveredMessage) -> dict[str, Any]:  # Any: an AMQP field table
    """The AMQP headers of a delivery, never None."""
    return cast("dict[str, Any]", properties_of(delivery).headers or {})  # pamqp names its own table type
