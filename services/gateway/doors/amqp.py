"""The AMQP door: commands of outside producers on `chat.inbox`. The broker has verified `user_id`; it is the actor.

A delivery is forwarded with the producer's own `reply_to` and `correlation_id`, so that the room answers it directly.
Order is kept by taking one delivery at a time: with more, FastStream enters its handlers in any order.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from pamqp import commands
from pamqp.header import ContentHeader
from pydantic import ValidationError
from pydantic_core import from_json

from schemas import routes
from schemas.answers import Refused
from schemas.commands import COMMAND, COMMANDS, GATE_VERBS, OPERATOR_VERBS, Command
from schemas.errors import Code, ParkReason
from schemas.ids import checked_user_id
from services.gateway.links import Publisher
from services.gateway.metrics import Metrics
from services.gateway.refusals import judge, overloaded
from services.gateway.settings import GatewaySettings
from services.runtime.broker import BROKER_ERRORS, PERSISTENT, NotConfirmed, publish_patiently
from services.runtime.control import raw_body
from services.runtime.settle import park

log = structlog.get_logger()

TRIES = 3
"""A delivery is kept while the publishing link is away: giving it back at once would use up its delivery limit."""
FULL_SECONDS = 3.0
"""The pause before a full queue is tried again for a producer who wants no answer."""


class Unfit(NamedTuple):
    """Why a delivery is not forwarded; parked only where it says so."""

    code: Code
    message: str
    park: ParkReason | None = None
    command_id: str | None = None


def read_delivery(user_id: str | None, key: str, body: bytes, reply_to: str | None = None) -> Command | Unfit:
    """The command behind a delivery of the inbox, its actor being the verified `user_id`. Pure."""
    if reply_to and routes.is_own_queue(reply_to):
        return Unfit(Code.NOT_ALLOWED, f"reply_to: {reply_to} is a queue of Gatehouse itself", ParkReason.MALFORMED)
    try:
        actor = checked_user_id(user_id or "")
    except ValueError as error:
        return Unfit(Code.UNAUTHENTICATED, f"user_id: {error}", ParkReason.UNATTRIBUTED)
    try:
        fields = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        return Unfit(Code.BAD_FRAME, f"the body is not JSON: {error}", ParkReason.MALFORMED)
    if not isinstance(fields, dict):
        return Unfit(Code.BAD_FRAME, "the body is not a JSON object", ParkReason.MALFORMED)
    named = fields.get("command_id")
    unfit = _judge(key, fields, actor)
    if unfit is None:
        try:
            return COMMAND.validate_python(fields | {"actor": actor})
        except ValidationError as error:
            unfit = Unfit(*judge(error), ParkReason.MALFORMED)
    return unfit._replace(command_id=named if isinstance(named, str) else None)


def _judge(key: str, fields: dict[str, object], actor: str) -> Unfit | None:
    route = routes.read_inbox_key(key)
    verb = fields.get("type")
    if route is None or fields.get("room") != route.room or verb != route.verb:
        return Unfit(Code.BAD_ROUTE, f"{key} is not room.<room>.<type> of the body", ParkReason.MISROUTED)
    if verb in GATE_VERBS:
        return Unfit(Code.NOT_ALLOWED, f"only a gate may {verb}")
    if verb not in COMMANDS or verb in OPERATOR_VERBS:
        return Unfit(Code.UNKNOWN_COMMAND, "no such command", ParkReason.MALFORMED)
    if fields.get("client") is not None:
        return Unfit(Code.BAD_FIELD, "client: only a gate names one", ParkReason.MALFORMED)
    if fields.get("actor", actor) != actor:
        return Unfit(Code.NOT_ALLOWED, "actor: nobody speaks for somebody else")
    return None


class Inbox:
    """Takes deliveries of `gateway.inbox`; several gates stand in line and one is served."""

    def __init__(self, settings: GatewaySettings, publisher: Publisher, metrics: Metrics) -> None:
        self._settings = settings
        self._publisher = publisher
        self._metrics = metrics

    def subscribe(self, broker: RabbitBroker) -> None:
        """Consume once `broker` starts. Acked by hand: an ack means forwarded, answered or parked."""

        @broker.subscriber(
            RabbitQueue(routes.INBOX_QUEUE, declare=False),
            channel=Channel(prefetch_count=1),
            ack_policy=AckPolicy.MANUAL,
            decoder=raw_body,
            no_reply=True,
        )
        async def take_command(message: RabbitMessage) -> None:
            await self._take(message.raw_message)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        try:
            await self._take_in_turn(message)
        except Exception:
            log.exception("inbox_broke", routing_key=message.routing_key)
            self._metrics.inbox.labels("broke").inc()
            await message.reject(requeue=False)  # the broker dead-letters it; the next one gets its turn

    async def _take_in_turn(self, message: AbstractIncomingMessage) -> None:
        for number in range(TRIES):
            try:
                await self._settle(message, again=number > 0 or bool(message.redelivered))
            except (*BROKER_ERRORS, NotConfirmed) as error:
                log.warning("inbox_delivery_not_settled", error=repr(error))
                await asyncio.sleep(FULL_SECONDS if _is_full(error) else 0)
            else:
                await message.ack()
                return
        self._metrics.inbox.labels("given_back").inc()
        await message.nack(requeue=True)

    async def _settle(self, message: AbstractIncomingMessage, *, again: bool) -> None:
        found = read_delivery(message.user_id, message.routing_key or "", message.body, message.reply_to)
        if isinstance(found, Unfit):
            await self._refuse(message, found)
            self._metrics.inbox.labels(found.code.value).inc()
        elif await self._forwarded(message, found):
            self._metrics.inbox.labels("forwarded").inc()
        else:
            await self._answer(message, overloaded(found, again=again))
            self._metrics.inbox.labels(Code.OVERLOADED.value).inc()

    async def _forwarded(self, message: AbstractIncomingMessage, command: Command) -> bool:
        """Whether the room's queue took it; False only for a producer that can be told so."""
        properties = commands.Basic.Properties(
            content_type="application/json",
            delivery_mode=PERSISTENT,
            reply_to=message.reply_to,
            correlation_id=message.correlation_id,
        )
        try:
            await publish_patiently(
                await self._publisher.confirming_channel(self._timeout),
                routes.COMMANDS,
                routes.command_key(command.room, command.type),
                command.to_json(),
                properties,
                timeout_seconds=self._timeout,
            )
        except NotConfirmed as error:
            if message.reply_to and _is_full(error):
                return False
            raise
        return True

    async def _refuse(self, message: AbstractIncomingMessage, unfit: Unfit) -> None:
        if unfit.park is not None:
            channel = await self._publisher.confirming_channel(self._timeout)
            await park(channel, _delivery(message), unfit.park, unfit.message, timeout_seconds=self._timeout)
        await self._answer(message, Refused.of(unfit.code, unfit.message, command_id=_printable(unfit.command_id)))

    async def _answer(self, message: AbstractIncomingMessage, refused: Refused) -> None:
        if not message.reply_to or routes.is_own_queue(message.reply_to):
            return
        channel = await self._publisher.confirming_channel(self._timeout)
        properties = commands.Basic.Properties(content_type="application/json", correlation_id=message.correlation_id)
        # Not mandatory: a producer that is gone needs no answer.
        await channel.basic_publish(
            refused.to_json(), routing_key=message.reply_to, properties=properties, timeout=self._timeout
        )

    @property
    def _timeout(self) -> float:
        return self._settings.broker_timeout_seconds


def _is_full(error: Exception) -> bool:
    """The broker refused a publish, because a queue behind it is full."""
    cause = error.__cause__
    return isinstance(cause, DeliveryError) and not isinstance(cause, PublishError)


def _printable(command_id: str | None) -> str | None:
    return command_id if command_id and len(command_id) <= 64 and command_id.isprintable() else None  # noqa: PLR2004


def _delivery(message: AbstractIncomingMessage) -> DeliveredMessage:
    """The same delivery in the driver's own shape, which parking wants."""
    return DeliveredMessage(
        delivery=commands.Basic.Deliver(exchange=message.exchange or "", routing_key=message.routing_key or ""),
        header=ContentHeader(properties=message.properties),
        body=message.body,
        channel=message.channel,
    )
