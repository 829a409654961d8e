"""What a delivery of the shard's queue says beside its body, and the ones that are set aside instead of settled."""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from schemas.commands import Command, Invite
from schemas.ids import InviteId
from services.room.line import AckWindow
from services.room.orders import Misfit, Order, ReplyAddress
from services.runtime.broker import NotConfirmed, headers_of, properties_of
from services.runtime.settle import park

log = structlog.get_logger()

TOKEN_BYTES: Final = 18


class Taken(NamedTuple):
    """A command with the delivery that brought it."""

    order: Order
    delivery: DeliveredMessage


def tag_of(delivery: DeliveredMessage) -> int:
    """The tag under which a delivery is acked."""
    if delivery.delivery_tag is None:
        raise AssertionError("a delivery of a consumer has a tag")
    return delivery.delivery_tag


def reply_address(delivery: DeliveredMessage) -> ReplyAddress | None:
    """Where its sender waits for an answer, if anywhere."""
    properties = properties_of(delivery)
    return ReplyAddress(properties.reply_to, properties.correlation_id) if properties.reply_to else None


def token_for(command: Command) -> InviteId | None:
    """A secret nobody can guess, for a command that makes an invite."""
    return InviteId(secrets.token_urlsafe(TOKEN_BYTES)) if isinstance(command, Invite) else None


def delivery_count(delivery: DeliveredMessage) -> int:
    """How often the broker says that it came back; 0 where the broker does not count."""
    count = headers_of(delivery).get("x-delivery-count", 0)
    return count if isinstance(count, int) else 0


async def set_aside(
    channel: Channel, acks: AckWindow, delivery: DeliveredMessage, misfit: Misfit, *, timeout_seconds: float
) -> None:
    """Park a delivery and count it as settled; where parking fails, reject it, so that the broker dead-letters it.

    Raises:
        AMQPError: the channel is gone; the delivery comes again.
    """
    try:
        await park(channel, delivery, misfit.reason, misfit.detail, timeout_seconds=timeout_seconds, patient=True)
    except NotConfirmed as error:
        log.warning("not_parked", routing_key=delivery.routing_key, error=str(error))
        await channel.basic_reject(tag_of(delivery), requeue=False, wait=False)
        acks.give_up(tag_of(delivery))
    else:
        acks.settle(tag_of(delivery))
