"""Deliveries of a term that cannot be settled: each is set aside, and whoever waits for it is refused in the line."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from schemas.answers import Refused
from schemas.errors import Code, ParkReason
from schemas.ids import CommandId
from services.room.deliveries import Taken, delivery_count, reply_address
from services.room.effects import Outcome, Reply
from services.room.line import AckWindow
from services.room.orders import Misfit
from services.room.surroundings import Surroundings
from services.runtime.broker import NotConfirmed, tag_of
from services.runtime.settle import park

log = structlog.get_logger()

Spawn = Callable[[Coroutine[Any, Any, None]], None]  # Any: what coroutines of asyncio send


class HandlingBroke(Exception):
    """A bug met a delivery; the term ends, so that the delivery comes again on a fresh state."""


class Parking:
    """Of one term. Bounded by the prefetch: what is being parked is not acked.

    Attributes:
        in_progress: deliveries that are not parked yet, nor left to the broker.
    """

    def __init__(
        self,
        channel: Channel,
        acks: AckWindow,
        around: Surroundings,
        *,
        spawn: Spawn,
        append: Callable[[Outcome], None],
        on_parked: Callable[[], None],
    ) -> None:
        """`spawn` runs a task that the term owns; `append` takes refusals; `on_parked`: an ack is ready."""
        self._channel = channel
        self._acks = acks
        self._around = around
        self._spawn = spawn
        self._append = append
        self._on_parked = on_parked
        self.in_progress = 0

    def receive_failure(self, taken: Taken, error: Exception) -> None:
        """Handling a delivery broke: it comes again, or is set aside where it did so too often.

        Raises:
            HandlingBroke: it must come again.
        """
        delivery, command = taken.delivery, taken.order.command
        count = self._around.suspects.receive_failure(
            delivery.routing_key or "", delivery.body, delivery_count(delivery)
        )
        log.error("handling_broke", room=command.room, command_id=command.command_id, count=count, exc_info=error)
        if count < self._around.settings.poison_after:
            raise HandlingBroke(repr(error)) from error
        self.set_aside(delivery, Misfit(ParkReason.POISON, Code.INTERNAL, repr(error)), command.command_id)

    def set_aside(self, delivery: DeliveredMessage, misfit: Misfit, command_id: CommandId | None = None) -> None:
        """Park a delivery; who waits for it is refused behind what came before."""
        self._around.metrics.parked.labels(misfit.reason.value).inc()
        self.in_progress += 1
        self._spawn(self._park(delivery, misfit))
        address = reply_address(delivery)
        if address is not None:
            message = None if misfit.code is Code.INTERNAL else misfit.detail
            refused = Refused.of(misfit.code, message, command_id=command_id)
            self._append(Outcome(effects=(Reply(address, refused),)))

    async def _park(self, delivery: DeliveredMessage, misfit: Misfit) -> None:
        """Park and count as settled; where parking fails, reject, so that the broker dead-letters it."""
        timeout = self._around.settings.broker_timeout_seconds
        try:
            await park(self._channel, delivery, misfit.reason, misfit.detail, timeout_seconds=timeout, patient=True)
        except NotConfirmed as error:
            log.warning("not_parked", routing_key=delivery.routing_key, error=str(error))
            await self._channel.basic_reject(tag_of(delivery), requeue=False, wait=False)
            self._acks.give_up(tag_of(delivery))
        else:
            self._acks.settle(tag_of(delivery))
        self.in_progress -= 1
        self._on_parked()
