"""A room worker of a trace: the steps of `services.room.term` around the real hall and line, one after the other.

Its work can be stopped between any two of them, which is where stories of dying writers happen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from schemas.commands import Command, Invite
from schemas.errors import Code
from schemas.events import Receipt, decode_logged
from schemas.ids import GateId, InviteId, RoomId, UserId
from schemas.queries import Barrier, LookupQuery, QueryAnswer, SnapshotAnswer, SnapshotQuery, TargetQuery
from services.room.effects import LogEntry, Outcome
from services.room.gates import Gates
from services.room.hall import Hall, Want
from services.room.line import AckWindow, Entry, Line
from services.room.model import Room
from services.room.orders import Misfit, Order, ReplyAddress, read_command
from services.room.presence import PresenceRules
from services.room.targets import target_of
from tests.traces.broker import Delivery
from tests.traces.script import BadStep

if TYPE_CHECKING:
    from tests.traces.world import World

PRESENCE = PresenceRules(grace_seconds=5, per_second=10, limit=4)
"""As by default, but more than four are a crowd."""
HEARD_SECONDS = 7.5
ANSWER_SECONDS = 10.0
ROSTER_SECONDS = 10.0
STAGES = ("log", "confirm", "fan-out", "ack")


class NotAnswered(Exception):
    """History said nothing in time."""


class Turn(NamedTuple):
    """Wait for somebody else's query about the same message."""

    place: tuple[RoomId, int]


Asking = Generator[Barrier | Turn, QueryAnswer | None, None]


class Worker:
    """One process: its name, and the gates it has heard of. Its term is what it knows of the shard."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.gates = Gates()
        self.gates_known_at = world.seconds + HEARD_SECONDS
        self.term = Term(self, world)


class Term:
    """One channel's life."""

    def __init__(self, worker: Worker, world: World) -> None:
        self.worker = worker
        self._world = world
        self.hall = Hall(worker.name, PRESENCE, rooms_limit=100, targets_limit=100)
        self.open = True
        self.active = False
        self.stalled: str | None = None
        self._line: Line[Outcome] = Line()
        self._acks = AckWindow()
        self._unsent: deque[Callable[[], None]] = deque()
        self._loading: dict[RoomId, deque[Order]] = {}
        self._asking: dict[tuple[RoomId, UserId], deque[Order]] = {}
        self._turns: dict[tuple[RoomId, int], list[Asking]] = {}
        self._due: dict[str, tuple[float, Asking]] = {}

    @property
    def is_idle(self) -> bool:
        """Nothing is in progress."""
        return not (len(self._line) or self._loading or self._asking or self._unsent)

    def held_rooms(self) -> Iterable[tuple[RoomId, Room | None]]:
        """The rooms in memory; for checks alone."""
        return [(name, held.room) for name, held in self.hall.rooms._held.items()]

    # What the broker brings.

    def receive(self, tag: int, delivery: Delivery) -> None:
        """See `services.room.term.Term._receive`."""
        if not self.active:
            self._activate()
        self._acks.receive(tag)
        self.hall.rosters.receive_delivery(tag)
        command = read_command(delivery.key, delivery.body)
        if isinstance(command, Misfit):
            raise BadStep(f"no command of a trace is malformed: {command.detail}")
        address = ReplyAddress(delivery.reply_to, delivery.correlation_id) if delivery.reply_to else None
        token = self._world.token() if isinstance(command, Invite) else None
        self._route(Order(command, tag, address, again=command.retry or delivery.redelivered, token=token))

    def meet_gate(self, gate: GateId) -> None:
        """A gate is heard of."""
        until = self._world.seconds + ROSTER_SECONDS
        if self.active and self.hall.rosters.ask(gate, until):
            self._world.ask_roster(self, gate)

    def drop_gate(self, gate: GateId, *, lost: bool) -> None:
        """A gate is gone; `lost` without a word."""
        self.hall.drop_gate(gate, self._world.seconds, lost=lost)

    def receive_roster_done(self, gate: GateId, standing: int) -> None:
        """A gate has told all its sessions; so many deliveries stand in front of the end of it."""
        self.hall.rosters.receive_done(gate, standing)

    def tick(self, now: float) -> None:
        """Time passed."""
        for name, (until, asking) in list(self._due.items()):
            if until <= now:
                del self._due[name]
                self._world.history.forget(name)
                self._go_on(asking, None)
        for gate in self.hall.rosters.overdue(now, now + ROSTER_SECONDS):
            self._world.ask_roster(self, gate)
        self.tell_presence()

    def tell_presence(self) -> None:
        """Say what is due of who is there."""
        if self.active and self.open:
            self._append(self.hall.tell_presence(self._world.seconds))

    # What stories do to it.

    def stall(self, stage: str) -> None:
        """Stop right before a stage; what comes there waits."""
        if stage not in STAGES:
            raise BadStep(f"a worker stalls before {', '.join(STAGES)}")
        self.stalled = stage

    def go_on(self) -> None:
        """Go on where it stopped. Of a closed channel, events that were on their way may still arrive; nothing else."""
        self.stalled = None
        while self._unsent:
            self._unsent.popleft()()
        if self.open:
            self._settle()

    def end(self) -> None:
        """The channel is closed: everything is forgotten, but for what is on its way out of a process that lives."""
        self.open = False
        for name in self._due:
            self._world.history.forget(name)
        self._due.clear()

    # Deciding.

    def _route(self, order: Order) -> None:
        asker = (order.command.room, order.command.actor)
        if order.command.room in self._loading:
            self._loading[order.command.room].append(order)
        elif self.hall.wants_room(order):
            self._loading[order.command.room] = deque([order])
            self._go_on(self._load(order.command.room))
        elif asker in self._asking:
            self._asking[asker].append(order)
        elif self.hall.wants(order) is not None:
            self._asking[asker] = deque([order])
            self._go_on(self._ask_for(asker))
        else:
            self._decide(order)

    def _load(self, room: RoomId) -> Asking:
        answer = yield SnapshotQuery(room=room, worker=self.worker.name)
        if not isinstance(answer, SnapshotAnswer):
            self._world.say(f"{self.worker.name} cannot load {room}: history does not answer")
            self._refuse_all(self._loading.pop(room))
            return
        snapshot = answer.snapshot
        top = f"at {snapshot.state.seq}" if snapshot.state else "which does not exist"
        self._world.say(f"{self.worker.name} loads {room}, {top}, fence {snapshot.fence}")
        self._append(self.hall.receive_snapshot(snapshot))
        for order in self._loading.pop(room):
            self._route(order)

    def _ask_for(self, asker: tuple[RoomId, UserId]) -> Asking:
        room, _ = asker
        self.hall.pin(room)
        while self._asking[asker]:
            order = self._asking[asker][0]
            try:
                yield from self._inform(order)
            except NotAnswered:
                self._world.say(f"{self.worker.name} hears nothing from history about {order.command.type}")
                self._refuse_all([order])
            self._asking[asker].popleft()
        del self._asking[asker]
        self.hall.release(room)

    def _inform(self, order: Order) -> Asking:
        while (want := self.hall.wants(order)) is not None:
            if want is Want.TARGET:
                yield from self._learn_target(order.command)
                continue
            command = order.command
            answer = yield LookupQuery(room=command.room, actor=command.actor, command_id=command.command_id)
            if answer is None or answer.type != "lookup":
                raise NotAnswered
            if answer.answer is not None:
                self._append(self.hall.receive_repeat(order, answer.answer))
                return
            order = replace(order, looked_up=True)
        self._decide(order)

    def _learn_target(self, command: Command) -> Asking:
        place = command.room, target_of(command) or 0
        if place in self._turns:
            yield Turn(place)
            return
        self._turns[place] = []
        self.hall.targets.ask(*place)
        try:
            answer = yield TargetQuery(room=command.room, actor=command.actor, seq=place[1])
            if answer is None or answer.type != "target":
                raise NotAnswered
            self.hall.targets.receive_answer(*place, command.actor, answer)
        finally:
            self.hall.targets.give_up(*place)
            for waiting in self._turns.pop(place):
                self._world.under_way.add(lambda waiting=waiting: self._go_on(waiting))

    def _go_on(self, asking: Asking, answer: QueryAnswer | None = None) -> None:
        """Let who asked go on with an answer, up to the next query."""
        try:
            wanted = asking.send(answer)
        except StopIteration:
            return
        if isinstance(wanted, Turn):
            self._turns[wanted.place].append(asking)
            return
        self._send("log", lambda: self._ask(wanted, asking))

    def _ask(self, query: Barrier, asking: Asking) -> None:
        if not self.open:
            return
        self._world.say(f"{self.worker.name} asks history {self._world.words.question(query)}")
        name = self._world.history.ask(self.worker.name, query, lambda answer: self._hear(name, answer))
        self._due[name] = self._world.seconds + ANSWER_SECONDS, asking

    def _hear(self, name: str, answer: QueryAnswer) -> None:
        self._world.history.forget(name)
        _, asking = self._due.pop(name)
        self._go_on(asking, answer)

    def _decide(self, order: Order) -> None:
        self._append(self.hall.receive_order(order, self._world.now, self._world.seconds))

    def _refuse_all(self, orders: deque[Order] | list[Order]) -> None:
        for order in orders:
            self._append(self.hall.refuse(order, Code.NO_ANSWER if order.again else Code.OVERLOADED))

    # Settling.

    def _append(self, outcome: Outcome) -> None:
        if outcome.log is None and outcome.tag is None and not outcome.effects:
            return
        if outcome.tag is not None:
            self.hall.rosters.receive_decided(outcome.tag)
        entry = self._line.append(outcome, confirmed=outcome.log is None)
        logged = outcome.log
        if logged is not None:
            self._send("log", lambda: self._log(entry, logged))
        else:
            self._settle()

    def _send(self, stage: str, deed: Callable[[], None]) -> None:
        """Do it, or keep it for later while the worker is stalled at that stage."""
        if self.stalled == stage:
            self._unsent.append(deed)
        else:
            deed()

    def _log(self, entry: Entry[Outcome], logged: LogEntry) -> None:
        self._world.say(f"{self.worker.name} logs {self._logged(logged)}")
        self._world.history.publish(logged.key, logged.body)
        if self.open:
            self._world.under_way.add(lambda: self._send("confirm", lambda: self._confirm(entry)))

    def _logged(self, logged: LogEntry) -> str:
        entry, fence, _ = decode_logged(logged.body)
        words = self._world.words
        said = words.receipt(entry) if isinstance(entry, Receipt) else words.event(entry)
        return f"{said} [fence {fence}]"

    def _confirm(self, entry: Entry[Outcome]) -> None:
        entry.confirmed = True
        if self.open:
            self._settle()

    def _settle(self) -> None:
        if self.stalled == "fan-out":
            return
        for outcome in self._line.release():
            for effect in outcome.effects:
                self._world.carry(effect)
            self.hall.release(outcome.room)
            if outcome.tag is not None:
                self._acks.settle(outcome.tag)
        if self.stalled != "ack":
            for ack in self._acks.acks_to_send():
                self._world.ack(self, ack)

    def _activate(self) -> None:
        self.active = True
        self._world.say(f"{self.worker.name} takes over and asks every gate for its roster")
        self.hall.rosters.listen(self.worker.gates_known_at)
        for gate in self.worker.gates.alive():
            self.hall.rosters.ask(gate, self._world.seconds + ROSTER_SECONDS)
        self._world.ask_roster(self, None)


def invite_token(number: int) -> InviteId:
    """The secrets of a trace are no secrets."""
    return InviteId(f"invite-{number}")
