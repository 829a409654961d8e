"""Orders that wait for history: for their room, for what became of an earlier try, or for the message they are about.

Rooms load side by side. An actor's orders in a room stay in their order: one that comes behind a waiting one waits too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, assert_never

import structlog

from schemas.commands import Command
from schemas.errors import Code
from schemas.ids import RoomId, UserId
from services.room.barrier import BarrierQueries, NotAnswered
from services.room.deliveries import Taken
from services.room.effects import Outcome
from services.room.hall import Hall, Want
from services.room.metrics import RoomMetrics
from services.room.targets import target_of

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
        self._hall = hall
        self._barrier = barrier
        self._metrics = metrics
        self._spawn = spawn
        self._decide = decide
        self._append = append
        self._loading: dict[RoomId, deque[Taken]] = {}
        self._asking: dict[tuple[RoomId, UserId], deque[Taken]] = {}
        self._questions: dict[tuple[RoomId, int], asyncio.Event] = {}

    def receive(self, taken: Taken) -> None:
        """Decide an order, or keep it: until its room is there, until history has told what it wants to know, or behind
        an order of its actor that waits."""
        command = taken.order.command
        asker = (command.room, command.actor)
        if command.room in self._loading:
            self._loading[command.room].append(taken)
        elif self._hall.wants_room(taken.order):
            self._loading[command.room] = deque([taken])
            self._spawn(self._load(command.room))
        elif asker in self._asking:
            self._asking[asker].append(taken)
        elif self._hall.wants(taken.order) is not None:
            self._asking[asker] = deque([taken])
            self._spawn(self._ask_for(asker))
        else:
            self._decide(taken)

    async def _load(self, room: RoomId) -> None:
        try:
            snapshot = await self._barrier.snapshot(room)
        except NotAnswered as error:
            self._metrics.loads.labels("not_answered").inc()
            log.warning("room_not_loaded", room=room, waiting=len(self._loading[room]), error=str(error))
            self._refuse_all(self._loading.pop(room))
            return
        self._metrics.loads.labels("loaded").inc()
        self._append(self._hall.receive_snapshot(snapshot))
        for taken in self._loading.pop(room):
            self.receive(taken)

    async def _ask_for(self, asker: tuple[RoomId, UserId]) -> None:
        """Decide an actor's orders one after the other, each when history has told what it wants to know."""
        room, _ = asker
        self._hall.pin(room)
        while self._asking[asker]:
            taken = self._asking[asker][0]
            try:
                await self._inform(taken)
            except NotAnswered as error:
                log.warning("history_did_not_say", verb=taken.order.command.type, room=room, error=str(error))
                self._refuse_all([taken])
            self._asking[asker].popleft()
        del self._asking[asker]
        self._hall.release(room)

    async def _inform(self, taken: Taken) -> None:
        """Ask what an order wants to know, one thing after the other, then decide it."""
        while (want := self._hall.wants(taken.order)) is not None:
            match want:
                case Want.ANSWER:
                    command = taken.order.command
                    answer = await self._barrier.lookup(command.room, command.actor, command.command_id)
                    if answer is not None:
                        self._append(self._hall.receive_repeat(taken.order, answer))
                        return
                    taken = taken._replace(order=replace(taken.order, looked_up=True))
                case Want.TARGET:
                    await self._learn_target(taken.order.command)
                case _:
                    assert_never(want)
        self._decide(taken)

    async def _learn_target(self, command: Command) -> None:
        """Ask about the message a command is about; one question about a message at a time."""
        room, actor, seq = command.room, command.actor, target_of(command)
        if seq is None:
            raise AssertionError("only a command about a message wants one")
        if (asked := self._questions.get((room, seq))) is not None:
            await asked.wait()
            return
        asked = self._questions[room, seq] = asyncio.Event()
        self._hall.targets.ask(room, seq)
        try:
            answer = await self._barrier.target(room, actor, seq)
            self._hall.targets.receive_answer(room, seq, actor, answer)
        finally:
            self._hall.targets.give_up(room, seq)
            del self._questions[room, seq]
            asked.set()

    def _refuse_all(self, waiting: Iterable[Taken]) -> None:
        """History does not answer. Only a first try was certainly not applied."""
        for taken in waiting:
            code = Code.NO_ANSWER if taken.order.again else Code.OVERLOADED
            self._append(self._hall.refuse(taken.order, code))
