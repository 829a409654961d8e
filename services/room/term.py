"""One term of a shard: from the opening of its channel to its end, after which everything is forgotten.

Handlers: take up, decide, log, settle. Nothing about rooms is decided here; the hall does that.
Whatever breaks the log ends the term: nothing was answered, so nothing was promised, and the broker gives the unacked
deliveries to the next writer in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from schemas import routes
from schemas.control import RosterRequest
from schemas.ids import GateId, RoomId
from services.room.barrier import BarrierQueries
from services.room.deliveries import Taken, reply_address, token_for
from services.room.effects import Outcome
from services.room.hall import Hall
from services.room.inquiries import Inquiries
from services.room.line import AckWindow, Entry, Line
from services.room.orders import Misfit, Order, read_command
from services.room.parking import Parking
from services.room.place import Place
from services.room.surroundings import Surroundings
from services.runtime.broker import BROKER_ERRORS, PERSISTENT, NotConfirmed, is_cancelled, key_at, tag_of
from services.runtime.confirms import Publisher
from services.runtime.frames import Envelope

log = structlog.get_logger()

TAKEN_AT_ONCE = 32
SHORTEST_PRESENCE_PAUSE_SECONDS = 0.02
LONGEST_PRESENCE_PAUSE_SECONDS = 0.1
LOGGED: Final = Envelope.of(commands.Basic.Properties(content_type="application/json", delivery_mode=PERSISTENT))


class Drained(Exception):
    """The way out of a term that was asked to end; never leaves it."""


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
            quiet_seconds=settings.heartbeat_seconds,
            rooms_limit=max(1, settings.rooms_limit // settings.shards),
            targets_limit=max(1, settings.targets_limit // settings.shards),
        )
        self._line: Line[Outcome] = Line()
        self._acks = AckWindow()
        self._parking = Parking(
            channel, self._acks, around, spawn=self._spawn, append=self._append, on_parked=self._note_settled
        )
        self._place = Place(shard, channel, around)
        self._publisher = Publisher(channel, timeout_seconds=settings.broker_timeout_seconds)
        self._barrier = BarrierQueries(
            channel,
            self._publisher,
            around.worker,
            answer_seconds=settings.snapshot_seconds,
            broker_seconds=settings.broker_timeout_seconds,
        )
        self._inquiries = Inquiries(
            self._hall, self._barrier, around.metrics, spawn=self._spawn, decide=self._decide, append=self._append
        )
        self._settled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._presence_due = asyncio.Event()
        self._tasks: asyncio.TaskGroup
        self.is_draining = False
        self.name = around.new_term()
        self.active_since: float | None = None

    @property
    def is_active(self) -> bool:
        """The broker delivers to this term: no other worker does anything for the shard."""
        return self.active_since is not None

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
        return self._place.is_held

    async def run(self) -> None:
        """Consume until drained.

        Raises:
            ExceptionGroup: of ChannelLost, NotConfirmed, HandlingBroke, or what the broker's driver raises.
        """
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._place.watch())
                self._tasks.create_task(self._publisher.write())
                self._tasks.create_task(self._publisher.watch())
                self._tasks.create_task(self._settle())
                self._tasks.create_task(self._keep_presence())
                await self._barrier.open()
                await self._place.take()
                await self._take_up()
                await self._finish()
                raise Drained  # noqa: TRY301 - ends the tasks of the group too
        except* Drained:
            log.info("shard_drained", shard=self._shard)

    def drain(self) -> None:
        """Take up nothing more; `run` returns when what is in progress is out and acked."""
        self.is_draining = True
        self._place.stirred.set()

    # What other workers and gates say

    def meet_gate(self, gate: GateId, now: float) -> None:
        """A gate is heard of that was not there before, or was given up: what it holds is not known."""
        if self.is_active and self._hall.rosters.ask(gate, now + self._around.settings.roster_seconds):
            self._ask_roster(gate)

    def drop_gate(self, gate: GateId, *, lost: bool) -> None:
        """A gate is gone; `lost` without a word."""
        self._hall.drop_gate(gate, time.monotonic(), lost=lost)
        self._note_presence()

    async def receive_roster_done(self, gate: GateId) -> None:
        """A gate has sent its whole roster: it has arrived once all that stands in the queue now was taken up."""
        with contextlib.suppress(*BROKER_ERRORS):
            self._hall.rosters.receive_done(gate, await self._place.deliveries_waiting())

    def tick(self, now: float) -> None:
        """Time passed."""
        for gate in self._hall.rosters.overdue(now, now + self._around.settings.roster_seconds):
            self._ask_roster(gate)
        self._append(self._hall.tell_presence(now))
        self._append(self._hall.tell_tops(now))

    # Handlers

    async def _take_up(self) -> None:
        while not self.is_draining:
            await self._place.stirred.wait()
            self._place.stirred.clear()
            arrived = self._place.arrived
            for _ in range(min(len(arrived), TAKEN_AT_ONCE)):
                self._receive(arrived.popleft())
            if arrived:
                self._place.stirred.set()
                await asyncio.sleep(0)

    def _receive(self, delivery: DeliveredMessage) -> None:
        """The first delivery tells that this worker is the active one; being a consumer does not."""
        if not self.is_active:
            self._activate()
        tag = tag_of(delivery)
        self._acks.receive(tag)
        self._hall.rosters.receive_delivery(tag)
        key = key_at(routes.COMMANDS, delivery)
        if routes.is_census_key(key):
            self._append(Outcome(tag=tag))
            return
        command = read_command(key, delivery.body)
        if isinstance(command, Misfit):
            self._leave_undecided(tag)
            self._parking.set_aside(delivery, command)
            return
        again = command.retry or bool(delivery.redelivered)
        order = Order(command, tag, reply_address(delivery), again, token=token_for(command))
        self._inquiries.receive(Taken(order, delivery))

    def _decide(self, taken: Taken) -> None:
        try:
            outcome = self._hall.receive_order(taken.order, datetime.now(UTC), time.monotonic())
        except Exception as error:  # noqa: BLE001 - the outermost loop of one delivery: park it or start afresh
            self._leave_undecided(taken.order.tag)
            self._parking.receive_failure(taken, error)
        else:
            self._append(outcome)
            self._note_presence()

    def _leave_undecided(self, tag: int) -> None:
        """A delivery will be parked: nothing waits for its decision, only its ack is to come."""
        self._hall.rosters.receive_decided(tag)
        self._idle.clear()

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
                await asyncio.sleep(min(max(pause, SHORTEST_PRESENCE_PAUSE_SECONDS), LONGEST_PRESENCE_PAUSE_SECONDS))
                if len(self._line) < self._around.settings.prefetch:
                    self._append(self._hall.tell_presence(time.monotonic()))

    def _append(self, outcome: Outcome) -> None:
        """Take a place in the line; what has nothing to log and nothing to tell needs none."""
        if outcome.log is None and outcome.tag is None and not outcome.effects:
            return
        if outcome.tag is not None:
            self._hall.rosters.receive_decided(outcome.tag)
        self._idle.clear()
        entry = self._line.append(outcome, confirmed=outcome.log is None)
        if outcome.verb:
            self._around.metrics.count_command(outcome.verb, outcome.word)
        if outcome.log is not None:
            logged = partial(self._note_logged, entry, time.monotonic())
            self._publisher.put(routes.LOG, outcome.log.key, outcome.log.body, LOGGED, logged)
        else:
            self._settled.set()

    def _note_logged(self, entry: Entry[Outcome], began: float, error: NotConfirmed | None) -> None:
        """What was not taken up ends the term by itself."""
        if error is None:
            self._around.metrics.log_confirm_seconds.observe(time.monotonic() - began)
            entry.confirmed = True
            self._settled.set()

    async def _settle(self) -> None:
        """Fan out and answer what is confirmed, in order; ack last."""
        while not is_cancelled():
            await self._settled.wait()
            self._settled.clear()
            outcomes = self._line.effects_to_send()
            await self._around.outlet.send(effect for outcome in outcomes for effect in outcome.effects)
            for outcome in outcomes:
                self._hall.release(outcome.room)
                if outcome.tag is not None:
                    self._acks.settle(outcome.tag)
                self._line.receive_sent()
            await self._send_acks()
            if not (len(self._line) or self._parking.in_progress or self._settled.is_set()):
                self._idle.set()

    def _note_settled(self) -> None:
        self._settled.set()

    async def _send_acks(self) -> None:
        for ack in self._acks.acks_to_send():
            await self._channel.basic_ack(ack.tag, multiple=ack.multiple, wait=False)

    # Beginning and end

    def _activate(self) -> None:
        """This worker is the writer now: everybody owes it a roster, also gates it has not heard of yet."""
        self.active_since = time.monotonic()
        self._hall.rosters.listen(self._around.gates_known_at)
        until = self.active_since + self._around.settings.roster_seconds
        for gate in self._around.gates.alive():
            self._hall.rosters.ask(gate, until)
        log.info("shard_taken_over", shard=self._shard)
        self._ask_roster(None)
        self._around.note_change()

    def _ask_roster(self, gate: GateId | None) -> None:
        """Under the term's own name: what was told to an earlier one of this worker says nothing to it."""
        settings = self._around.settings
        self._around.ask_roster(RosterRequest(worker=self.name, shard=self._shard, shards=settings.shards, gate=gate))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:  # Any: what coroutines of asyncio send
        self._tasks.create_task(work)

    async def _finish(self) -> None:
        """Wait until the effects of all that is in the line are sent, all that is being parked is, and their acks are
        written; orders that wait for history go back to the queue undecided."""
        while not self._idle.is_set():
            await self._idle.wait()
