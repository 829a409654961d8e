"""The AMQP door: commands of outside producers on `chat.inbox`. The broker has verified `user_id`; it is the actor.

A delivery is forwarded with the producer's own `reply_to` and `correlation_id`, so that the room answers it directly.
Order is kept by taking one delivery at a time. The connection is the door's own, and the channel a raw one: what a
producer sends that our driver cannot read ends no other link of the gate (docs/decisions/0004).
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import DeliveryError, PublishError
from pamqp import commands
from pydantic import ValidationError
from pydantic_core import from_json

from schemas import routes
from schemas.answers import Refused
from schemas.commands import COMMAND, COMMANDS, GATE_VERBS, OPERATOR_VERBS, Command
from schemas.errors import Code, ParkReason
from schemas.ids import CommandId, checked_user_id
from services.gateway.links import Publisher
from services.gateway.metrics import Metrics
from services.gateway.refusals import command_id_in, judge, overloaded
from services.gateway.settings import GatewaySettings
from services.runtime.broker import (
    BROKER_ERRORS,
    PERSISTENT,
    NotConfirmed,
    Patience,
    declare_topology,
    given_up_is_an_error,
    is_cancelled,
    key_at,
    open_channel,
    properties_of,
    publish_patiently,
    tag_of,
    wait_or,
)
from services.runtime.settle import park

log = structlog.get_logger()

TRIES: Final = 3
"""A delivery is kept while the publishing link is away: each giving back brings it nearer to its delivery limit."""
FULL_SECONDS: Final = 3.0
"""The pause before a full queue is tried again for a producer who wants no answer."""
HELD_SECONDS: Final = 20 * 60.0
"""How long a delivery is kept while its room's queue is full. The broker closes the channel of who keeps one for 30
minutes (its own default)."""
GOES_BACK: Final = (*BROKER_ERRORS, NotConfirmed)
"""What ends the taking of a delivery for no fault of its own."""
LOOK_SECONDS: Final = 0.2
"""How soon it is noticed that the channel is gone."""


class Unfit(NamedTuple):
    """Why a delivery is not forwarded; parked only where it says so."""

    code: Code
    message: str
    park: ParkReason | None = None
    command_id: CommandId | None = None


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
    unfit = _judge(key, fields, actor)
    if unfit is None:
        try:
            return COMMAND.validate_python(fields | {"actor": actor})
        except ValidationError as error:
            unfit = Unfit(*judge(error), ParkReason.MALFORMED)
    return unfit._replace(command_id=command_id_in(fields))


def _judge(key: str, fields: dict[str, object], actor: str) -> Unfit | None:
    route = routes.read_inbox_key(key)
    verb = fields.get("type")
    if route is None or fields.get("room") != route.room or verb != route.verb:
        return Unfit(Code.BAD_ROUTE, f"{key!r} is not room.<room>.<type> of the body", ParkReason.MISROUTED)
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
    """Takes deliveries of `gateway.inbox`; several gates stand in line and one is served.

    An ack means forwarded, answered or parked. What is not settled goes back with the channel.
    """

    def __init__(
        self, settings: GatewaySettings, publisher: Publisher, metrics: Metrics, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._metrics = metrics
        self._stopping = stopping

    async def serve(self, connection: AbstractConnection) -> None:
        """Take what comes on this connection, until its channel closes or a delivery could not be settled."""
        channel = await open_channel(connection, confirms=False, prefetch=1)
        await declare_topology(channel, self._settings.shards, declares=self._settings.declares)
        arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()  # bounded by the prefetch
        await channel.basic_consume(routes.INBOX_QUEUE, arrived.put)
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(self._take_all(channel, arrived))
            while not channel.is_closed and not taking.done():
                if await wait_or(self._stopping, LOOK_SECONDS):
                    break
            taking.cancel()

    async def _take_all(self, channel: Channel, arrived: asyncio.Queue[DeliveredMessage]) -> None:
        while not is_cancelled():
            delivery = await arrived.get()
            try:
                await self._take(channel, delivery)
            except GOES_BACK as error:
                log.warning("inbox_delivery_goes_back", routing_key=delivery.routing_key, error=repr(error))
                self._metrics.inbox.labels("given_back").inc()
                return

    async def _take(self, channel: Channel, delivery: DeliveredMessage) -> None:
        """Settle one delivery, or have the broker park what breaks this door: the next one gets its turn.

        Raises:
            one of GOES_BACK: it is not settled, for no fault of its own.
        """
        found = None
        asked = properties_of(delivery)
        try:
            found = read_delivery(asked.user_id, key_at(routes.INBOX, delivery), delivery.body, asked.reply_to)
            if isinstance(found, Unfit):
                await self._refuse(channel, delivery, found)
            else:
                await self._pass_on(channel, delivery, found)
        except Exception as error:
            if found is not None and isinstance(error, GOES_BACK):
                raise
            log.exception("inbox_broke", routing_key=delivery.routing_key)
            self._metrics.inbox.labels("broke").inc()
            await channel.basic_reject(tag_of(delivery), requeue=False, wait=False)

    async def _pass_on(self, channel: Channel, delivery: DeliveredMessage, command: Command) -> None:
        """Forward a command, or say that this cannot be. Who wants no answer is not told: theirs is kept, and all
        behind it, until the room's queue takes it."""
        give_back_at = time.monotonic() + HELD_SECONDS
        failures, again = 0, command.retry or bool(delivery.redelivered)
        while time.monotonic() < give_back_at:
            try:
                outcome = await self._forward(delivery, command.model_copy(update={"retry": again}))
            except GOES_BACK as error:
                log.warning("inbox_delivery_not_settled", error=repr(error))
                if _is_full(error) or isinstance(error, TimeoutError):
                    await asyncio.sleep(FULL_SECONDS)  # it was not sent
                    continue
                failures, again = failures + 1, True
                if failures == TRIES:
                    raise
            else:
                self._metrics.inbox.labels(outcome).inc()
                await channel.basic_ack(tag_of(delivery), wait=False)
                return
        self._metrics.inbox.labels("given_back").inc()
        await channel.basic_nack(tag_of(delivery), requeue=True, wait=False)

    async def _forward(self, delivery: DeliveredMessage, command: Command) -> str:
        """Send it to its room's queue, or tell the producer that this is full; the outcome, for the metrics.

        Raises:
            NotConfirmed: it may have been sent; not so where the queue is full and nobody wants to be told.
            TimeoutError: the link stayed away, and it was not sent.
        """
        asked = properties_of(delivery)
        properties = commands.Basic.Properties(
            content_type="application/json",
            delivery_mode=PERSISTENT,
            reply_to=asked.reply_to,
            correlation_id=asked.correlation_id,
        )
        key, body = routes.command_key(command.room, command.type), command.to_json()
        channel = await self._publisher.confirming_channel(self._timeout)
        try:
            await publish_patiently(channel, routes.COMMANDS, key, body, properties, timeout_seconds=self._timeout)
        except NotConfirmed as error:
            if not asked.reply_to or not _is_full(error):
                raise
            refused = overloaded(command)
            await self._answer(delivery, refused)
            return refused.code.value
        return "forwarded"

    async def _refuse(self, channel: Channel, delivery: DeliveredMessage, unfit: Unfit) -> None:
        parked = unfit.park is None or await self._is_parked(delivery, unfit.park, unfit.message)
        await self._answer(delivery, Refused.of(unfit.code, unfit.message, command_id=unfit.command_id))
        self._metrics.inbox.labels(unfit.code.value).inc()
        if parked:
            await channel.basic_ack(tag_of(delivery), wait=False)
        else:
            # The broker parks it then, without our reason.
            await channel.basic_reject(tag_of(delivery), requeue=False, wait=False)

    async def _is_parked(self, delivery: DeliveredMessage, reason: ParkReason, detail: str) -> bool:
        channel = await self._publisher.confirming_channel(self._timeout)
        try:
            await park(channel, delivery, reason, detail, timeout_seconds=self._timeout, patient=True)
        except NotConfirmed as error:
            log.warning("inbox_not_parked", routing_key=delivery.routing_key, error=str(error))
            return False
        return True

    async def _answer(self, delivery: DeliveredMessage, refused: Refused) -> None:
        """Tell the producer, who may be gone, or have no room for it: then nobody is told.

        Raises:
            AMQPError, TimeoutError: the link went away.
        """
        asked = properties_of(delivery)
        if not asked.reply_to or routes.is_own_queue(asked.reply_to):
            return
        channel = await self._publisher.confirming_channel(self._timeout)
        properties = commands.Basic.Properties(content_type="application/json", correlation_id=asked.correlation_id)
        try:
            async with given_up_is_an_error(), Patience(channel, self._timeout):
                # Not mandatory: a producer that is gone needs no answer.
                await channel.basic_publish(refused.to_json(), routing_key=asked.reply_to, properties=properties)
        except DeliveryError as error:
            log.info("inbox_answer_not_taken", reply_to=asked.reply_to, error=repr(error))

    @property
    def _timeout(self) -> float:
        return self._settings.broker_timeout_seconds


def _is_full(error: Exception) -> bool:
    """The broker refused a publish, because a queue behind it is full."""
    cause = error.__cause__
    return isinstance(cause, DeliveryError) and not isinstance(cause, PublishError)
