"""A room worker of a trace: the steps of `services.room.term` around the real hall and line, one after the other.

Its work can be stopped between any two of them, which is where stories of dying writers happen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from schemas.commands import Invite
from schemas.events import Receipt, decode_logged
from schemas.ids import GateId, InviteId, RoomId, UserId
from schemas.queries import (
    Barrier,
    LookupAnswer,
    LookupQuery,
    QueryAnswer,
    SnapshotAnswer,
    SnapshotQuery,
    TargetAnswer,
    TargetQuery,
)
from services.room.effects import LogEntry, Outcome
from services.room.gates import Gates
from services.room.hall import Hall
from services.room.line import AckWindow, Entry, Line
from services.room.model import Room
from services.room.orders import Misfit, Order, ReplyAddress, read_command
from services.room.presence import PresenceRules
from services.room.waitlist import Load, Lookup, Question, Round, Turn, Waitlist
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


class Asked(NamedTuple):
    """A query under way: until when, and who takes what comes of it, None for nothing."""

    query: Barrier
    until: float
    answered: Callable[[QueryAnswer | None], None]


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
        self.hall = Hall(worker.name, PRESENCE, quiet_seconds=5, rooms_limit=100, targets_limit=100)
        self.open = True
        self.active = False
        self.stalled: str | None = None
        self._line: Line[Outcome] = Line()
        self._acks = AckWindow()
        self._unsent: deque[Callable[[], None]] = deque()
        self._due: dict[str, Asked] = {}
        self._turns: list[Turn] = []
        self._waitlist = Waitlist(
            self.hall,
            seconds=ANSWER_SECONDS,
            wants=lambda order: self.hall.wants(order, world.now),
            ask=self._inquire,
            decide=self._decide,
            append=self._append,
        )

    @property
    def is_idle(self) -> bool:
        """Nothing is in progress."""
        return not (len(self._line) or self._due or self._unsent)

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
        again = command.retry or delivery.redelivered
        self._waitlist.receive(Order(command, tag, address, again=again, token=token), self._world.seconds)

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
        for name, asked in list(self._due.items()):
            if asked.until <= now:
                self._hear(name, None)
        due = [turn for turn in self._turns if turn.until <= now]
        self._turns = [turn for turn in self._turns if turn.until > now]
        for turn in due:
            self._waitlist.end_turn(turn)
        for gate in self.hall.rosters.overdue(now, now + ROSTER_SECONDS):
            self._world.ask_roster(self, gate)
        self.tell_presence()
        self._append(self.hall.tell_tops(now))

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

    def _decide(self, order: Order) -> None:
        self._append(self.hall.receive_order(order, self._world.now, self._world.seconds))

    def _inquire(self, question: Question) -> None:
        match question:
            case Load(room, until):
                query = SnapshotQuery(room=room, worker=self.worker.name)
                self._put(Asked(query, until, lambda answer: self._receive_room(question, answer)))
            case Lookup(room, actor, command_id, until):
                lookup = LookupQuery(room=room, actor=actor, command_id=command_id)
                self._put(Asked(lookup, until, lambda answer: self._receive_lookup(question, answer)))
            case Round():
                self._hold(question)
            case Turn():
                self._turns.append(question)

    def _receive_room(self, load: Load, answer: QueryAnswer | None) -> None:
        if not isinstance(answer, SnapshotAnswer):
            self._world.say(f"{self.worker.name} cannot load {load.room}: history does not answer")
            self._waitlist.fail_load(load, self._world.seconds, silent=answer is None)
            return
        snapshot = answer.snapshot
        top = f"at {snapshot.state.seq}" if snapshot.state else "which does not exist"
        self._world.say(f"{self.worker.name} loads {load.room}, {top}, fence {snapshot.fence}")
        self._waitlist.receive_snapshot(snapshot, self._world.seconds)

    def _receive_lookup(self, lookup: Lookup, answer: QueryAnswer | None) -> None:
        if isinstance(answer, LookupAnswer):
            self._waitlist.receive_lookup(lookup, answer.answer)
        else:
            self._world.say(f"{self.worker.name} hears nothing from history about {lookup.command_id}")
            self._waitlist.fail_lookup(lookup)

    def _hold(self, asked: Round) -> None:
        answers: dict[UserId, TargetAnswer] = {}
        awaited = set(asked.actors)

        def receive(actor: UserId, answer: QueryAnswer | None) -> None:
            awaited.remove(actor)
            if isinstance(answer, TargetAnswer):
                answers[actor] = answer
            else:
                self._world.say(f"{self.worker.name} hears nothing from history about message {asked.seq}")
                self._waitlist.fail_question(asked, actor)
            if not awaited:
                self._waitlist.receive_round(asked, answers)

        for actor, until in asked.actors.items():
            query = TargetQuery(room=asked.room, actor=actor, seq=asked.seq)
            self._put(Asked(query, until, lambda answer, actor=actor: receive(actor, answer)))

    def _put(self, asked: Asked) -> None:
        self._send("log", lambda: self._ask(asked))

    def _ask(self, asked: Asked) -> None:
        if not self.open:
            return
        self._world.say(f"{self.worker.name} asks history {self._world.words.question(asked.query)}")
        name = self._world.history.ask(self.worker.name, asked.query, lambda answer: self._hear(name, answer))
        self._due[name] = asked

    def _hear(self, name: str, answer: QueryAnswer | None) -> None:
        self._world.history.forget(name)
        self._due.pop(name).answered(answer)

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
        entry, fence = decode_logged(logged.body)
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
        for outcome in self._line.effects_to_send():
            for effect in outcome.effects:
                self._world.carry(effect)
            self.hall.release(outcome.room)
            if outcome.tag is not None:
                self._acks.settle(outcome.tag)
            self._line.receive_sent()
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
