"""Orders that wait for history, and the questions that are put to it for them: each a task of its own.

Whoever starts a question has marked what it is about first. An event is put to the channel's publisher when it is
decided, a question when its task begins: it is written behind all events that were decided before, and nothing is
decided that its answer could miss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, assert_never

import structlog
from aiormq.abc import DeliveredMessage

from schemas.ids import UserId
from schemas.queries import TargetAnswer
from services.room.barrier import BarrierQueries, NotAnswered, NothingHeard
from services.room.deliveries import Taken
from services.room.effects import Outcome
from services.room.hall import Hall
from services.room.metrics import RoomMetrics
from services.room.orders import Order
from services.room.waitlist import Load, Lookup, Question, Round, Turn, Waitlist

log = structlog.get_logger()

Spawn = Callable[[Coroutine[Any, Any, None]], None]  # Any: what coroutines of asyncio send


class Inquiries:
    """Of one term. Bounded by the prefetch: what waits here is not acked."""

    def __init__(
        self,
        hall: Hall,
        barrier: BarrierQueries,
        metrics: RoomMetrics,
        *,
        spawn: Spawn,
        decide: Callable[[Taken], None],
        append: Callable[[Outcome], None],
    ) -> None:
        """`spawn` runs a task that the term owns; `decide` and `append` take what need not wait any longer."""
        self._barrier = barrier
        self._metrics = metrics
        self._spawn = spawn
        self._decide = decide
        self._append = append
        self._deliveries: dict[int, DeliveredMessage] = {}
        self._waitlist = Waitlist(
            hall,
            seconds=barrier.answer_seconds,
            wants=lambda order: hall.wants(order, datetime.now(UTC)),
            ask=self._ask,
            decide=self._decide_order,
            append=self._append_outcome,
        )

    def receive(self, taken: Taken) -> None:
        """Decide an order, or keep it until history has told what it wants to know."""
        self._deliveries[taken.order.tag] = taken.delivery
        self._waitlist.receive(taken.order, _now())

    def _decide_order(self, order: Order) -> None:
        self._decide(Taken(order, self._deliveries.pop(order.tag)))

    def _append_outcome(self, outcome: Outcome) -> None:
        if outcome.tag is not None:
            del self._deliveries[outcome.tag]
        self._append(outcome)

    def _ask(self, question: Question) -> None:
        match question:
            case Load():
                self._spawn(self._load(question))
            case Lookup():
                self._spawn(self._look_up(question))
            case Round():
                self._spawn(self._hold(question))
            case Turn():
                self._spawn(self._await(question))
            case _:
                assert_never(question)

    async def _load(self, load: Load) -> None:
        try:
            snapshot = await self._barrier.snapshot(load.room, until=load.until)
        except NotAnswered as error:
            self._metrics.loads.labels("not_answered").inc()
            log.warning("room_not_loaded", room=load.room, error=str(error))
            self._waitlist.fail_load(load, _now(), silent=isinstance(error, NothingHeard))
        else:
            self._metrics.loads.labels("loaded").inc()
            self._waitlist.receive_snapshot(snapshot, _now())

    async def _look_up(self, lookup: Lookup) -> None:
        try:
            answer = await self._barrier.lookup(lookup.room, lookup.actor, lookup.command_id, until=lookup.until)
        except NotAnswered as error:
            log.warning("history_did_not_say", room=lookup.room, error=str(error))
            self._waitlist.fail_lookup(lookup)
        else:
            self._waitlist.receive_lookup(lookup, answer)

    async def _hold(self, asked: Round) -> None:
        answers: dict[UserId, TargetAnswer] = {}
        async with asyncio.TaskGroup() as group:
            for actor, until in asked.actors.items():
                group.create_task(self._learn(asked, actor, until, answers))
        self._waitlist.receive_round(asked, answers)

    async def _learn(self, asked: Round, actor: UserId, until: float, answers: dict[UserId, TargetAnswer]) -> None:
        try:
            answers[actor] = await self._barrier.target(asked.room, actor, asked.seq, until=until)
        except NotAnswered as error:
            log.warning("history_did_not_say", room=asked.room, seq=asked.seq, error=str(error))
            self._waitlist.fail_question(asked, actor)

    async def _await(self, turn: Turn) -> None:
        await asyncio.sleep(max(0.0, turn.until - _now()))
        self._waitlist.end_turn(turn)


def _now() -> float:
    """The clock by which the barrier waits, in seconds."""
    return asyncio.get_running_loop().time()
