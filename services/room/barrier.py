"""Questions to history that travel through the log, behind every event logged before (design §5, "Loading a room").

They are published on the shard's own channel, not on one of their own: a channel that the broker has closed can then
neither write an event nor raise a fence any more, and a question can never overtake an event of the same writer.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands
from pydantic import ValidationError

from schemas import routes
from schemas.answers import Accepted
from schemas.ids import CommandId, RoomId, UserId
from schemas.queries import (
    QUERY_ANSWER,
    Barrier,
    LookupAnswer,
    LookupQuery,
    QueryAnswer,
    SnapshotAnswer,
    SnapshotQuery,
    TargetAnswer,
    TargetQuery,
)
from schemas.state import Snapshot
from services.runtime.broker import PERSISTENT, properties_of, publish_confirmed
from services.runtime.rpc import REPLY_TO

log = structlog.get_logger()


class NotAnswered(Exception):
    """History said nothing in time, or said no."""


class BarrierQueries:
    """Asks on one shard's channel. An answer to a question that was given up is dropped."""

    def __init__(self, channel: Channel, worker: str, *, answer_seconds: float, broker_seconds: float) -> None:
        self._channel = channel
        self._worker = worker
        self._answer_seconds = answer_seconds
        self._broker_seconds = broker_seconds
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._unconfirmed: dict[str, RoomId] = {}

    @property
    def unconfirmed_room(self) -> RoomId | None:
        """The room of a query that the log has not confirmed, nor any later one, if there is one."""
        return next(iter(self._unconfirmed.values()), None)

    async def open(self) -> None:
        """Listen for answers; before any question.

        Raises:
            AMQPError: the channel is closed.
        """
        await self._channel.basic_consume(REPLY_TO, self._on_answer, no_ack=True, timeout=self._broker_seconds)

    async def snapshot(self, room: RoomId) -> Snapshot:
        """The room with everything logged so far, under a new fence.

        Raises:
            NotAnswered: no usable answer came in time.
            NotConfirmed: the log does not take the question.
        """
        match await self._ask(SnapshotQuery(room=room, worker=self._worker)):
            case SnapshotAnswer(snapshot=snapshot):
                return snapshot
            case other:
                raise NotAnswered(f"to a snapshot: {other.type}")

    async def lookup(self, room: RoomId, actor: UserId, command_id: CommandId) -> Accepted | None:
        """The answer a command got, if it was ever applied.

        Raises:
            NotAnswered, NotConfirmed: as for `snapshot`.
        """
        match await self._ask(LookupQuery(room=room, actor=actor, command_id=command_id)):
            case LookupAnswer(answer=answer):
                return answer
            case other:
                raise NotAnswered(f"to a lookup: {other.type}")

    async def target(self, room: RoomId, actor: UserId, seq: int) -> TargetAnswer:
        """The message at `seq`, and what `actor` has put to it.

        Raises:
            NotAnswered, NotConfirmed: as for `snapshot`.
        """
        match await self._ask(TargetQuery(room=room, actor=actor, seq=seq)):
            case TargetAnswer() as answer:
                return answer
            case other:
                raise NotAnswered(f"to a question about a message: {other.type}")

    async def _ask(self, query: Barrier) -> QueryAnswer:
        correlation_id = uuid4().hex
        answer = self._waiting[correlation_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._answer_seconds):
                await self._publish(query, correlation_id)
                return QUERY_ANSWER.validate_json(await answer)
        except TimeoutError as error:
            raise NotAnswered(f"{query.type} of {query.room} in {self._answer_seconds} s") from error
        except ValidationError as error:
            log.warning("barrier_answer_malformed", query=query.type, room=query.room, error=str(error)[:500])
            raise NotAnswered(f"{query.type} of {query.room}: malformed") from error
        finally:
            del self._waiting[correlation_id]

    async def _publish(self, query: Barrier, correlation_id: str) -> None:
        properties = commands.Basic.Properties(
            content_type="application/json",
            correlation_id=correlation_id,
            reply_to=REPLY_TO,
            delivery_mode=PERSISTENT,
        )
        key = routes.query_key(query.room)
        self._unconfirmed[correlation_id] = query.room
        await publish_confirmed(
            self._channel, routes.LOG, key, query.to_json(), properties, timeout_seconds=self._broker_seconds
        )
        self._forget_until(correlation_id)

    def _forget_until(self, confirmed: str) -> None:
        """The log takes things again: what was published before, and given up since, is no doubt any more."""
        while confirmed in self._unconfirmed:
            del self._unconfirmed[next(iter(self._unconfirmed))]

    async def _on_answer(self, delivery: DeliveredMessage) -> None:
        answer = self._waiting.get(properties_of(delivery).correlation_id or "")
        if answer is not None and not answer.done():
            answer.set_result(delivery.body)
