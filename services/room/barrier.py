"""Queries to history that travel through the log, behind every event logged before (design §5, "Loading a room").

They are published on the shard's own channel, not on one of their own, by the same publisher: a channel that the broker
has closed can then neither write an event nor raise a fence any more, and a query can never overtake an event of the
same writer.
"""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import uuid4

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from schemas import limits, routes
from schemas.answers import Accepted
from schemas.ids import CommandId, RoomId, UserId
from schemas.parts import Joining
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
from services.runtime.broker import (
    PERSISTENT,
    NotConfirmed,
    Patience,
    is_blocked,
    properties_of,
)
from services.runtime.confirms import Publisher
from services.runtime.frames import Envelope
from services.runtime.rpc import REPLY_TO

log = structlog.get_logger()

LONGEST_ANSWER_BYTES: Final = limits.SNAPSHOT_PART_BYTES + limits.FRAME_BYTES
"""A part of a snapshot: its piece of the lists, and what is no list."""


class NotAnswered(Exception):
    """History said nothing in time, or said no."""


class NothingHeard(NotAnswered):
    """History said nothing in time."""


class _Waiting:
    """A query under way, and what has come of its answer; bounded by how many parts a snapshot may have."""

    def __init__(self, query: Barrier) -> None:
        self.query = query
        self.answer: asyncio.Future[QueryAnswer | None] = asyncio.get_running_loop().create_future()
        self._joining = Joining()

    def receive(self, body: bytes) -> None:
        """Take an answer, or a part of one, in the order in which they were sent. What is no answer to the query ends
        the wait for it with None."""
        if self.answer.done():
            return
        try:
            whole = self._whole(body)
        except ValueError as error:
            log.warning("barrier_answer_malformed", query=self.query.type, room=self.query.room, error=str(error)[:500])
            self.answer.set_result(None)
        else:
            if whole is not None:
                self.answer.set_result(whole)

    def _whole(self, body: bytes) -> QueryAnswer | None:
        if len(body) > LONGEST_ANSWER_BYTES:
            raise ValueError(f"{len(body)} bytes are too long for an answer")
        answer = QUERY_ANSWER.validate_json(body)
        if not isinstance(answer, SnapshotAnswer):
            return answer
        if answer.snapshot.room != self.query.room:
            raise ValueError(f"a snapshot of {answer.snapshot.room}")
        joined = self._joining.receive(answer)
        return SnapshotAnswer(snapshot=joined) if joined is not None else None


class BarrierQueries:
    """Asks on one shard's channel. An answer to a query that was given up is dropped."""

    def __init__(
        self, channel: Channel, publisher: Publisher, worker: str, *, answer_seconds: float, broker_seconds: float
    ) -> None:
        """`broker_seconds`: how long `publisher` gives each confirm."""
        self._channel = channel
        self._publisher = publisher
        self._worker = worker
        self._answer_seconds = answer_seconds
        self._broker_seconds = broker_seconds
        self._waiting: dict[str, _Waiting] = {}
        self._unconfirmed: dict[str, RoomId] = {}

    @property
    def answer_seconds(self) -> float:
        """How long an answer may take."""
        return self._answer_seconds

    @property
    def unconfirmed_room(self) -> RoomId | None:
        """The room of a query that the log has not confirmed, nor any later one, if there is one."""
        return next(iter(self._unconfirmed.values()), None)

    async def open(self) -> None:
        """Listen for answers; before any query.

        Raises:
            AMQPError: the channel is closed.
        """
        async with Patience(self._channel, self._broker_seconds):
            await self._channel.basic_consume(REPLY_TO, self._on_answer, no_ack=True)

    async def snapshot(self, room: RoomId, *, until: float | None = None) -> Snapshot:
        """The room with everything logged so far, under a new fence; `until` a moment by the loop's clock.

        Raises:
            NotAnswered: no usable answer came in time.
            NotConfirmed: the log does not take the query.
        """
        match await self._ask(SnapshotQuery(room=room, worker=self._worker), until):
            case SnapshotAnswer(snapshot=snapshot):
                return snapshot
            case other:
                raise NotAnswered(f"to a snapshot: {other.type}")

    async def lookup(
        self, room: RoomId, actor: UserId, command_id: CommandId, *, until: float | None = None
    ) -> Accepted | None:
        """The answer a command got, if it was ever applied.

        Raises:
            NotAnswered, NotConfirmed: as for `snapshot`.
        """
        match await self._ask(LookupQuery(room=room, actor=actor, command_id=command_id), until):
            case LookupAnswer(answer=answer):
                return answer
            case other:
                raise NotAnswered(f"to a lookup: {other.type}")

    async def target(self, room: RoomId, actor: UserId, seq: int, *, until: float | None = None) -> TargetAnswer:
        """The message at `seq`, and what `actor` has put to it.

        Raises:
            NotAnswered, NotConfirmed: as for `snapshot`.
        """
        match await self._ask(TargetQuery(room=room, actor=actor, seq=seq), until):
            case TargetAnswer() as answer:
                return answer
            case other:
                raise NotAnswered(f"to a query about a message: {other.type}")

    async def _ask(self, query: Barrier, until: float | None) -> QueryAnswer:
        seconds = self._seconds_until(until)
        if seconds <= 0:
            raise NothingHeard(f"{query.type} of {query.room}: no time is left to ask")
        correlation_id = uuid4().hex
        waiting = self._waiting[correlation_id] = _Waiting(query)
        try:
            async with asyncio.timeout(seconds):
                await self._publish(query, correlation_id)
                answer = await waiting.answer
        except TimeoutError as error:
            if self._is_log_in_doubt(correlation_id, seconds):
                raise NotConfirmed(routes.LOG, routes.query_key(query.room), "no confirm in time") from error
            raise NothingHeard(f"{query.type} of {query.room} in {seconds:.3f} s") from error
        finally:
            del self._waiting[correlation_id]
        if answer is None:
            raise NotAnswered(f"{query.type} of {query.room}: malformed")
        return answer

    def _seconds_until(self, until: float | None) -> float:
        if until is None:
            return self._answer_seconds
        return min(self._answer_seconds, until - asyncio.get_running_loop().time())

    def _is_log_in_doubt(self, correlation_id: str, seconds: float) -> bool:
        """The log had its time to confirm a query. What little was left of an order's time says nothing about it."""
        had_its_time = seconds >= min(self._answer_seconds / 2, self._broker_seconds)
        return had_its_time and correlation_id in self._unconfirmed and not is_blocked(self._channel.connection)

    async def _publish(self, query: Barrier, correlation_id: str) -> None:
        properties = commands.Basic.Properties(
            content_type="application/json",
            correlation_id=correlation_id,
            reply_to=REPLY_TO,
            delivery_mode=PERSISTENT,
        )
        self._unconfirmed[correlation_id] = query.room
        await self._publisher.publish(
            routes.LOG, routes.query_key(query.room), query.to_json(), Envelope.of(properties)
        )
        self._forget_until(correlation_id)

    def _forget_until(self, confirmed: str) -> None:
        """The log takes things again: what was published before, and given up since, is no doubt any more."""
        while confirmed in self._unconfirmed:
            del self._unconfirmed[next(iter(self._unconfirmed))]

    async def _on_answer(self, delivery: DeliveredMessage) -> None:
        """Never waits, so that the parts of an answer stay in their order."""
        waiting = self._waiting.get(properties_of(delivery).correlation_id or "")
        if waiting is not None:
            waiting.receive(delivery.body)
