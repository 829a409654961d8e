"""What a delivery of the shard's queue says beside its body."""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

from aiormq.abc import DeliveredMessage

from schemas.commands import Command, Invite
from schemas.ids import InviteId
from services.room.orders import Order, ReplyAddress
from services.runtime.broker import headers_of, properties_of

TOKEN_BYTES: Final = 18


class Taken(NamedTuple):
    """A command with the delivery that brought it."""

    order: Order
    delivery: DeliveredMessage


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
