"""Parking: how a delivery that cannot be settled is set aside with its reason (design §1 "settle")."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands, encode

from schemas import routes
from schemas.errors import ParkReason
from schemas.parked import parked_headers
from services.runtime.broker import PERSISTENT, headers_of, properties_of, publish_confirmed, publish_patiently

log = structlog.get_logger()

BROKER_HEADERS: Final = frozenset({"x-delivery-count", "x-death", "x-first-death-exchange", "x-first-death-queue"})


async def park(
    channel: Channel,
    delivery: DeliveredMessage,
    reason: ParkReason,
    detail: str,
    *,
    timeout_seconds: float,
    patient: bool = False,
) -> None:
    """Set a delivery aside in `chat.parked` under its own routing key, with the reason and the time. It is NOT acked
    here: the caller settles it, in its own order. `channel` confirms. `patient`: time under an alarm does not count.

    Raises:
        NotConfirmed: it could not be set aside; the caller rejects the delivery, which dead-letters it.
    """
    origin = delivery.exchange or ""
    key = delivery.routing_key or ""
    log.warning("delivery_parked", reason=reason.value, detail=detail[:200], exchange=origin, routing_key=key)
    publish = publish_patiently if patient else publish_confirmed
    properties = _kept(delivery, reason, detail)
    await publish(channel, routes.PARKED, key, delivery.body, properties, timeout_seconds=timeout_seconds)


def _writable(name: str, value: Any) -> bool:  # Any: whatever an AMQP field table holds
    """Whether a header that was read can be written again. Not all can: the driver reads a text that is no UTF-8, or a
    double, and writes neither."""
    try:
        encode.field_table({name: value})
    except (TypeError, ValueError, ArithmeticError, struct.error):
        return False
    return True


def _kept(delivery: DeliveredMessage, reason: ParkReason, detail: str) -> commands.Basic.Properties:
    came = properties_of(delivery)
    headers = {
        name: value
        for name, value in headers_of(delivery).items()
        if name not in BROKER_HEADERS and _writable(name, value)
    }
    return commands.Basic.Properties(
        content_type=came.content_type,
        correlation_id=came.correlation_id,
        delivery_mode=PERSISTENT,
        timestamp=datetime.now(UTC),
        headers=headers | parked_headers(reason, detail, delivery.exchange or ""),
    )
