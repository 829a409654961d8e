"""The control plane of one process: FastStream on `chat.control`, and the home of a service's other slow subscribers.

A service adds its own subscribers (queries, for one) to `broker` before `start`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self

import structlog
from aio_pika.abc import AbstractConnection
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from faststream.rabbit.schemas.queue import ClassicQueueArgs
from pydantic import ValidationError

from schemas import routes
from schemas.control import CONTROL, Control
from services.runtime.broker import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    given_up_is_an_error,
    is_blocked,
    wait_or,
    with_heartbeat,
)

log = structlog.get_logger()

QUEUE_LENGTH: Final = 1_000
QUEUE_EXPIRES_MILLISECONDS: Final = 60_000


class ControlPlane:
    """Tells and hears `Control` messages. Best effort: what is lost is said again at the next heartbeat."""

    def __init__(
        self,
        url: str,
        name: str,
        on_control: Callable[[Control], Awaitable[None]],
        *,
        timeout_seconds: float,
        declares: bool = True,
    ) -> None:
        """Nothing is connected yet. `name` is new at every start of the process; `timeout_seconds` bounds each wait.
        Who does not declare finds `chat.control` declared; the private queue is this process's own in any case."""
        address = str(with_heartbeat(url))
        self.broker = RabbitBroker(address, timeout=timeout_seconds, reconnect_interval=1, logger=None)
        self._connection: AbstractConnection | None = None
        self._timeout_seconds = timeout_seconds
        self._on_control = on_control
        self._exchange = RabbitExchange(routes.CONTROL, type=ExchangeType.FANOUT, durable=True, declare=declares)
        self._subscribe(routes.control_queue(name))

    async def start(self, stopping: asyncio.Event) -> None:
        """Connect and start every subscriber, trying until it works or `stopping` is set."""
        pause = FIRST_PAUSE_SECONDS
        while not stopping.is_set():
            if await self._started():
                return
            await self.stop()
            await wait_or(stopping, pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """Stop every subscriber and disconnect, within the bound. Must be called in the end, whatever happened: what
        reconnects inside ends only when it is told to. Safe to repeat."""
        try:
            async with given_up_is_an_error(), asyncio.timeout(self._timeout_seconds):
                await self.broker.stop()
        except Exception as error:  # noqa: BLE001 - it is gone either way
            log.info("control_not_stopped", error=repr(error))

    async def __aenter__(self) -> Self:
        """Nothing yet: `start` waits for the broker, and may be called beside other work."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def tell(self, message: Control) -> bool:
        """Say it to everyone on `chat.control`; False when the broker did not take it. While an alarm blocks us nothing
        is even written: all that would come out at its end, long out of date."""
        if self._is_blocked():
            return False
        try:
            async with given_up_is_an_error(), asyncio.timeout(self._timeout_seconds):
                await self.broker.publish(message.to_json(), exchange=self._exchange, content_type="application/json")
        except Exception as error:  # noqa: BLE001 - best effort: the driver raises whatever ended the connection
            log.info("control_not_told", type=message.type, error=repr(error))
            return False
        return True

    async def _started(self) -> bool:
        try:
            async with given_up_is_an_error():
                await self.broker.start()
                self._connection = await self.broker.connect()
        except Exception as error:  # noqa: BLE001 - the outermost loop of a connection: try again
            log.warning("control_unreachable", error=repr(error))
            return False
        return True

    def _is_blocked(self) -> bool:
        transport = self._connection.transport if self._connection is not None else None
        return transport is not None and is_blocked(transport.connection)

    def _subscribe(self, queue: str) -> None:
        arguments: ClassicQueueArgs = {"x-expires": QUEUE_EXPIRES_MILLISECONDS, "x-max-length": QUEUE_LENGTH}

        @self.broker.subscriber(
            RabbitQueue(queue, durable=True, arguments=arguments),
            self._exchange,
            channel=Channel(prefetch_count=100),
            ack_policy=AckPolicy.ACK_FIRST,
            decoder=raw_body,
        )
        async def hear(message: RabbitMessage) -> None:
            await self._hear(message.body)

    async def _hear(self, body: bytes) -> None:
        try:
            heard = CONTROL.validate_json(body)
        except ValidationError as error:
            log.warning("control_malformed", error=str(error)[:200])
            return
        await self._on_control(heard)


async def raw_body(message: RabbitMessage) -> bytes:
    """A FastStream decoder that leaves the body alone: we parse it, so that bad input gets its own answer."""
    return message.body
