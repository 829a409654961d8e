"""One term of a shard: from the opening of its channel to its end, after which everything is forgotten.

Handlers: take up, load, look up, decide, log, settle. Nothing about rooms is decided here; the hall does that.
Whatever breaks the log ends the term: nothing was answered, so nothing was promised, and the broker gives the unacked
deliveries to the next writer in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from schemas import routes
from schemas.answers import Refused
from schemas.commands import Command
from schemas.errors import Code, ParkReason
from schemas.ids import CommandId, GateId, RoomId, UserId
from services.room.barrier import BarrierQueries, NotAnswered
from services.room.deliveries import Taken, delivery_count, reply_address, set_aside, tag_of, token_for
from services.room.effects import LogEntry, Outcome, Reply
from services.room.hall import Hall, Want
from services.room.line import AckWindow, Entry, Line
from services.room.orders import Misfit, Order, read_command
from services.room.surroundings import Surroundings
from services.room.targets import target_of
from services.runtime.broker import (
    BROKER_ERRORS,
    PERSISTENT,
    is_cancelled,
    publish_confirmed,
)

log = structlog.get_logger()

TAKEN_AT_ONCE = 32
SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.1


class Drained(Exception):
    """The way out of a term that was asked to end; never leaves it."""


class ChannelLost(Exception):
    """The shard's channel or its consumer is gone; the broker may have woken a successor already."""


class HandlingBroke(Exception):
    """A bug met a delivery; the term ends, so that the delivery comes again on a fresh state."""


class Term:
    """The work on one shard through one channel. `run` once; it ends by draining or by an exception."""

    def __init__(self, shard: int, channel: Channel, around: Surroundings) -> None:
        settings = around.settings
        self._shard = shard
        self._channel = channel
        self._around = around
        self._hall = Hall(
            around.worker,
            settings.presence_rules,
            rooms_limit=max(1, settings.rooms_limit // settings.shards),
            targets_limit=max(1, settings.targets_limit // settings.shards),
        )
        self._line: Line[Outcome] = Line()
        self._acks = AckWindow()
        self._arrived: deque[DeliveredMessage] = deque()
        self._loading: dict[RoomId, deque[Taken]] = {}
        self._asking: dict[tuple[RoomId, UserId], deque[Taken]] = {}
        self._questions: dict[tuple[RoomId, int], asyncio.Event] = {}
        self._barrier = BarrierQueries(
            channel,
            around.worker,
            answer_seconds=settings.snapshot_seconds,
            broker_seconds=settings.broker_timeout_seconds,
        )
        self._work = asyncio.Event()
        self._settled = asyncio.Event()
        self._idle = asyncio.Event()
        self._lost = asyncio.Event()
        self._presence_due = asyncio.Event()
        self._consumer = ""
        self._draining = False
        self._active = False
        self._tasks: asyncio.TaskGroup

    @property
    def is_active(self) -> bool:
        """The broker delivers to this term: no other worker does anything for the shard."""
        return self._active

    @property
    def rooms_held(self) -> int:
        """How many rooms are in memory."""
        return len(self._hall.rooms)

    @property
    def unconfirmed_room(self) -> RoomId | None:
        """The room of an event or of a barrier query whose confirm is awaited, if there is one."""
        events = (entry.effects.room for entry in self._line if not entry.confirmed)
        return next(events, None) or self._barrier.unconfirmed_room

    @property
    def gates_served(self) -> list[GateId]:
        """The gates that hold sessions of this shard."""
        return self._hall.sessions.all_gates()

    @property
    def is_consuming(self) -> bool:
        """The shard's consumer stands in line at the broker."""
        return self._consumer in self._channel.consumers and not self._lost.is_set()

    async def run(self) -> None:
        """Consume until drained.

        Raises:
            ExceptionGroup: of ChannelLost, NotConfirmed, HandlingBroke, or what the broker's driver raises.
        """
        self._channel.closing.add_done_callback(lambda _: self._lost.set())
        self._channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._watch())
                self._tasks.create_task(self._settle())
                self._tasks.create_task(self._keep_presence())
                await self._consume()
                await self._take_up()
                await self._finish()
                raise Drained  # noqa: TRY301 - ends the tasks of the group too
        except* Drained:
            log.info("shard_drained", shard=self._shard)

    def drain(self) -> None:
        """Take up nothing more; `run` returns when what is in progress is out and acked."""
        self._draining = True
        self._work.set()

    # What other workers and gates say

    def meet_gate(self, gate: GateId, now: float) -> None:
        """A gate is heard of that was not there before, or was given up: what it holds is not known."""
        if self._active and self._hall.rosters.ask(gate, now + self._around.settings.roster_seconds):
            self._around.ask_roster(self._shard, gate)

    def drop_gate(self, gate: GateId, *, lost: bool) -> None:
        """A gate is gone; `lost` without a word."""
        self._hall.drop_gate(gate, time.monotonic(), lost=lost)
        self._note_presence()

    async def receive_roster_done(self, gate: GateId) -> None:
        """A gate has sent its whole roster: it has arrived once all that stands in the queue now was taken up."""
        with contextlib.suppress(*BROKER_ERRORS):
            standing = await self._channel.queue_declare(
                routes.room_queue(self._shard), passive=True, timeout=self._around.settings.broker_timeout_seconds
            )
            self._hall.rosters.receive_done(gate, (standing.message_count or 0) + len(self._arrived))

    def tick(self, now: float) -> None:
        """Time passed."""
        for gate in self._hall.rosters.overdue(now, now + self._around.settings.roster_seconds):
            self._around.ask_roster(self._shard, gate)
        self._append(self._hall.tell_presence(now))

    # Handlers

    async def _consume(self) -> None:
        await self._barrier.open()
        queue = routes.room_queue(self._shard)
        timeout = self._around.settings.broker_timeout_seconds
        consuming = await self._channel.basic_consume(queue, self._on_delivery, timeout=timeout)
        self._consumer = consuming.consumer_tag or ""

    async def _on_cancelled(self, _: commands.Basic.CancelOk | commands.Basic.Cancel) -> None:
        """The broker took a consumer away, because its queue is gone or moves: the channel hears nothing more."""
        self._lost.set()

    async def _on_delivery(self, delivery: DeliveredMessage) -> None:
        self._arrived.append(delivery)
        self._work.set()

    async def _take_up(self) -> None:
        while not self._draining:
            await self._work.wait()
            self._work.clear()
            for _ in range(min(len(self._arrived), TAKEN_AT_ONCE)):
                self._receive(self._arrived.popleft())
            if self._arrived:
                self._work.set()
                await asyncio.sleep(0)

    def _receive(self, delivery: DeliveredMessage) -> None:
        """The first delivery tells that this worker is the active one; being a consumer does not."""
        if not self._active:
            self._activate()
        tag = tag_of(delivery)
        self._acks.receive(tag)
        self._hall.rosters.receive_delivery()
        if routes.is_census_key(delivery.routing_key or ""):
            self._append(Outcome(tag=tag))
            return
        command = read_command(delivery.routing_key or "", delivery.body)
        if isinstance(command, Misfit):
            self._set_aside(delivery, command)
            return
        again = command.retry or bool(delivery.redelivered)
        order = Order(command, tag, reply_address(delivery), again, token=token_for(command))
        self._route(Taken(order, delivery))

    def _route(self, taken: Taken) -> None:
        """Decide now, or wait: for the room, for what history knows, or behind the actor's own command that waits."""
        command = taken.order.command
        asker = (command.room, command.actor)
        if command.room in self._loading:
            self._loading[command.room].append(taken)
        elif self._hall.wants_room(taken.order):
            self._loading[command.room] = deque([taken])
            self._tasks.create_task(self._load(command.room))
        elif asker in self._asking:
            self._asking[asker].append(taken)
        elif self._hall.wants(taken.order) is not None:
            self._asking[asker] = deque([taken])
            self._tasks.create_task(self._ask_for(asker))
        else:
            self._decide(taken)

    async def _load(self, room: RoomId) -> None:
        try:
            snapshot = await self._barrier.snapshot(room)
        except NotAnswered as error:
            self._around.metrics.loads.labels("not_answered").inc()
            log.warning("room_not_loaded", room=room, waiting=len(self._loading[room]), error=str(error))
            self._refuse_all(self._loading.pop(room))
            return
        self._around.metrics.loads.labels("loaded").inc()
        self._append(self._hall.receive_snapshot(snapshot))
        for taken in self._loading.pop(room):
            self._route(taken)

    async def _ask_for(self, asker: tuple[RoomId, UserId]) -> None:
        """Decide an actor's commands in their order, each when history has told what it wants to know."""
        room, _ = asker
        self._hall.pin(room)
        while self._asking[asker]:
            taken = self._asking[asker][0]
            try:
                await self._inform(taken)
            except NotAnswered as error:
                command = taken.order.command
                log.warning("history_did_not_say", verb=command.type, room=room, error=str(error))
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

    def _decide(self, taken: Taken) -> None:
        try:
            outcome = self._hall.receive_order(taken.order, datetime.now(UTC), time.monotonic())
        except Exception as error:  # noqa: BLE001 - the outermost loop of one delivery: park it or start afresh
            self._suspect(taken, error)
        else:
            self._append(outcome)
            self._note_presence()

    def _note_presence(self) -> None:
        if self._hall.next_due() is not None:
            self._presence_due.set()

    async def _keep_presence(self) -> None:
        """One timer for all rooms. Nothing new is told while so much waits to go out that what is told would be old."""
        while not is_cancelled():
            await self._presence_due.wait()
            self._presence_due.clear()
            while (due := self._hall.next_due()) is not None and not is_cancelled():
                pause = due - time.monotonic()
                await asyncio.sleep(min(max(pause, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS))
                if len(self._line) < self._around.settings.prefetch:
                    self._append(self._hall.tell_presence(time.monotonic()))

    def _append(self, outcome: Outcome) -> None:
        """Take a place in the line; what has nothing to log and nothing to tell needs none."""
        if outcome.log is None and outcome.tag is None and not outcome.effects:
            return
        self._idle.clear()
        entry = self._line.append(outcome, confirmed=outcome.log is None)
        if outcome.verb:
            self._around.metrics.commands.labels(outcome.verb, outcome.word).inc()
        if outcome.log is not None:
            self._tasks.create_task(self._log(entry, outcome.log))
        else:
            self._settled.set()

    async def _log(self, entry: Entry[Outcome], logged: LogEntry) -> None:
        properties = commands.Basic.Properties(content_type="application/json", delivery_mode=PERSISTENT)
        timeout = self._around.settings.broker_timeout_seconds
        with self._around.metrics.log_confirm_seconds.time():
            await publish_confirmed(
                self._channel, routes.LOG, logged.key, logged.body, properties, timeout_seconds=timeout
            )
        entry.confirmed = True
        self._settled.set()

    async def _settle(self) -> None:
        """Fan out and answer what is confirmed, in order; ack last."""
        while not is_cancelled():
            await self._settled.wait()
            self._settled.clear()
            for outcome in self._line.release():
                await self._around.outlet.send(outcome.effects)
                self._hall.release(outcome.room)
                if outcome.tag is not None:
                    self._acks.settle(outcome.tag)
            await self._send_acks()
            if not len(self._line):
                self._idle.set()

    async def _send_acks(self) -> None:
        for ack in self._acks.acks_to_send():
            await self._channel.basic_ack(ack.tag, multiple=ack.multiple, wait=False)

    # What cannot be settled

    def _refuse_all(self, waiting: deque[Taken] | list[Taken]) -> None:
        """History does not answer. Only a first try was certainly not applied."""
        for taken in waiting:
            code = Code.NO_ANSWER if taken.order.again else Code.OVERLOADED
            self._append(self._hall.refuse(taken.order, code))

    def _suspect(self, taken: Taken, error: Exception) -> None:
        delivery = taken.delivery
        count = self._around.suspects.receive_failure(
            delivery.routing_key or "", delivery.body, delivery_count(delivery)
        )
        command = taken.order.command
        log.error("handling_broke", room=command.room, command_id=command.command_id, count=count, exc_info=error)
        if count < self._around.settings.poison_after:
            raise HandlingBroke(repr(error)) from error
        self._set_aside(delivery, Misfit(ParkReason.POISON, Code.INTERNAL, repr(error)), command.command_id)

    def _set_aside(self, delivery: DeliveredMessage, misfit: Misfit, command_id: CommandId | None = None) -> None:
        """Park a delivery; who waits for it is refused in the line, behind what came before."""
        self._around.metrics.parked.labels(misfit.reason.value).inc()
        self._tasks.create_task(self._park(delivery, misfit))
        address = reply_address(delivery)
        if address is not None:
            message = None if misfit.code is Code.INTERNAL else misfit.detail
            refused = Refused.of(misfit.code, message, command_id=command_id)
            self._append(Outcome(effects=(Reply(address, refused),)))

    async def _park(self, delivery: DeliveredMessage, misfit: Misfit) -> None:
        timeout = self._around.settings.broker_timeout_seconds
        await set_aside(self._channel, self._acks, delivery, misfit, timeout_seconds=timeout)
        self._settled.set()

    # Beginning and end

    def _activate(self) -> None:
        """This worker is the writer now: everybody owes it a roster, also gates it has not heard of yet."""
        self._active = True
        self._hall.rosters.listen(self._around.gates_known_at)
        until = time.monotonic() + self._around.settings.roster_seconds
        for gate in self._around.gates.alive():
            self._hall.rosters.ask(gate, until)
        log.info("shard_taken_over", shard=self._shard)
        self._around.ask_roster(self._shard, None)

    async def _watch(self) -> None:
        await self._lost.wait()
        raise ChannelLost(f"the channel or the consumer of shard {self._shard} is gone")

    async def _finish(self) -> None:
        """Wait for what is in the line; commands that wait for history go back to the queue undecided."""
        while len(self._line):
            await self._idle.wait()
