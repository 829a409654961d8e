"""Everything a trace plays with: a broker, workers, gates, history, a clock. One step in, the lines it made out.

Nothing here decides anything about rooms: it carries between the real cores, and says what it carries.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError

from schemas import routes
from schemas.answers import Accepted, Refused
from schemas.commands import COMMAND, EVENTLESS_VERBS, Position
from schemas.fanout import FanoutKind
from schemas.ids import GateId, InviteId
from schemas.queries import QUERY
from services.room.effects import FanOut, Reply
from services.room.line import Ack
from tests.traces.broker import CommandQueue, Delivery, UnderWay
from tests.traces.gate import Gate
from tests.traces.grammar import DIRECT, READS, Saying, read_saying, room_from
from tests.traces.history import History
from tests.traces.script import BadStep
from tests.traces.words import START, Words, clock, duration_from, plural
from tests.traces.writer import Term, Worker, invite_token

HEARTBEAT_SECONDS: Final = 5.0
TICK: Final = timedelta(seconds=0.1)


class World:
    """Play it step by step."""

    def __init__(self) -> None:
        self.now = START
        self.words = Words()
        self.under_way = UnderWay()
        self.commands = CommandQueue(self.under_way)
        self.history = History(self.under_way, self.words, self.say, lambda: self.now)
        self._workers: dict[str, Worker] = {}
        self._gates: dict[str, Gate] = {}
        self._said: list[str] = []
        self._answers: dict[tuple[str, str, str], Accepted] = {}
        self._deceived: object = None
        self._directs: dict[str, str] = {}
        self._commands = 0
        self._invites = 0

    @property
    def seconds(self) -> float:
        """The clock that only grows."""
        return (self.now - START).total_seconds()

    def play(self, step: str) -> list[str]:
        """Take a step and let everything that follows from it happen; what came of it, line by line.

        Raises:
            BadStep: it means nothing here.
        """
        self._said = []
        self._directs |= {room_from(match[0]): match[0] for match in DIRECT.finditer(step)}
        try:
            saying = read_saying(step, self.now)
            if saying is not None:
                self._take_saying(saying)
            else:
                self._take_deed(step)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadStep(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        self._settle()
        self._check_folds()
        return self._said

    def say(self, line: str) -> None:
        """One line of output."""
        for room, name in self._directs.items():
            line = line.replace(room, name)
        self._said.append(line)

    def token(self) -> InviteId:
        """The next secret."""
        self._invites += 1
        return invite_token(self._invites)

    # What workers have carried.

    def carry(self, effect: FanOut | Reply) -> None:
        """An effect of a worker sets out."""
        if isinstance(effect, Reply):
            self.under_way.add(lambda: self._deliver_reply(effect))
            return
        self.say(f"to {' '.join(effect.gates)}: {self._fan_out(effect)}")
        for name in effect.gates:
            self.under_way.add(lambda name=name: self._deliver(name, effect))

    def ack(self, term: Term, ack: Ack) -> None:
        """A worker acks."""
        for unacked in list(self.commands.unacked):
            if unacked.tag == ack.tag or (ack.multiple and unacked.tag < ack.tag):
                self.commands.ack(term, unacked.tag)

    def ask_roster(self, term: Term, gate: GateId | None) -> None:
        """A worker wants to know sessions."""
        for name in [gate] if gate else list(self._gates):
            self.under_way.add(lambda name=name: self._tell_roster(name, term))

    def check_answer(self, actor: str, answer: Accepted) -> None:
        """The same command always gets the same answer (I2)."""
        first = self._answers.setdefault((actor, answer.room, answer.command_id), answer)
        if first.model_copy(update={"id": None}) != answer.model_copy(update={"id": None}):
            self.say(f"!! the first answer to {answer.command_id} was {self.words.accepted(first)}, {clock(first.at)}")

    def _fan_out(self, effect: FanOut) -> str:
        headers = effect.headers
        match headers.kind:
            case FanoutKind.EVENT:
                return f"event {headers.room} {headers.seq}"
            case FanoutKind.TOP:
                return f"{headers.room} is at {self.words.epoch(headers.epoch)}/{headers.seq}"
            case FanoutKind.ATTACHED:
                return f"attached at {headers.room} {headers.seq}"
            case _:
                return f"{headers.kind} of {headers.room}"

    def _deliver(self, name: str, effect: FanOut) -> None:
        gate = self._gates.get(name)
        if gate is not None and gate.alive:
            gate.receive(effect)

    def _deliver_reply(self, effect: Reply) -> None:
        gate = self._gates.get(effect.to.queue)
        if gate is not None and gate.alive:
            gate.receive_reply(effect.to.correlation_id, effect.answer)
        elif gate is None:
            if isinstance(effect.answer, Accepted):
                self.check_answer(effect.to.queue, effect.answer)
            self.say(f"  {effect.to.queue} < {self._outside(effect.answer)}")

    def _outside(self, answer: Any) -> str:
        match answer:
            case Accepted():
                return self.words.accepted(answer)
            case Refused():
                return self.words.refused(answer)
            case _:
                return self.words.inspection(answer)

    def _tell_roster(self, name: str, term: Term) -> None:
        gate = self._gates[name]
        if gate.alive:
            gate.tell_roster()
            self.under_way.add(lambda: term.receive_roster_done(gate.name, len(self.commands.ready)))

    # What people do.

    def _take_saying(self, saying: Saying) -> None:
        if saying.verb in READS:
            self._read(saying)
            return
        if saying.gate is None:
            self._publish_from_outside(saying)
            return
        gate = self._gate(saying.gate)
        client = gate.client(saying.user, saying.device)
        match saying.verb:
            case "attach":
                gate.attach(client, saying.fields["room"], self._position(saying), echo="echo" in saying.fields)
            case "detach":
                gate.detach(client, saying.fields["room"])
            case _:
                gate.submit(client, self._command(saying, client=client.client))

    def _publish_from_outside(self, saying: Saying) -> None:
        command = self._command(saying)
        key = routes.command_key(command.room, command.type)
        self.commands.publish(Delivery(key, command.to_json(), saying.user, command.command_id))

    def _command(self, saying: Saying, **more: Any) -> Any:
        fields = dict(saying.fields)
        name = fields.pop("id", None) or self._new_id()
        body = {"type": saying.verb, "actor": saying.user, "command_id": name, **fields, **more}
        command = COMMAND.validate_python(body)
        if saying.verb in EVENTLESS_VERBS:
            self._answers.pop((command.actor, command.room, command.command_id), None)
        return command

    def _new_id(self) -> str:
        self._commands += 1
        return f"c{self._commands}"

    def _position(self, saying: Saying) -> Position | None:
        named = saying.fields.get("position")
        if named is None:
            return None
        epoch, _, seq = named.partition("/")
        return Position(epoch=self.words.epoch_named(epoch), seq=int(seq))

    def _read(self, saying: Saying) -> None:
        kind = "my_rooms" if saying.verb == "rooms" else saying.verb
        answer = self.history.read(QUERY.validate_python({"type": kind, "actor": saying.user, **saying.fields}))
        for line in self.words.answer(answer):
            self.say(f"  {saying.user} < {line}")

    # What happens to processes, and time.

    def _take_deed(self, step: str) -> None:
        for pattern, deed in DEEDS.items():
            if match := re.fullmatch(pattern, step):
                deed(self, **match.groupdict())
                return
        raise BadStep(f"nobody can do this: {step}")

    def _gate(self, name: str) -> Gate:
        if name not in self._gates or not self._gates[name].alive:
            raise BadStep(f"there is no gate {name}")
        return self._gates[name]

    def _worker(self, name: str) -> Worker:
        if name not in self._workers:
            raise BadStep(f"there is no worker {name}")
        return self._workers[name]

    def start_gate(self, gate: str) -> None:
        """A gate comes up and is heard of."""
        if gate in self._gates:
            raise BadStep(f"a gate's name is new at every start, {gate} is not")
        self._gates[gate] = Gate(gate, self)
        for worker in self._workers.values():
            self._hear(worker, self._gates[gate])

    def crash_gate(self, gate: str) -> None:
        """Nobody hears of it again, and that is all anybody knows."""
        self._gate(gate).die()

    def leave_gate(self, gate: str) -> None:
        """It says good-bye."""
        self._gate(gate).die()
        for worker in self._workers.values():
            worker.gates.receive_gone(GateId(gate))
            worker.term.drop_gate(GateId(gate), lost=False)

    def reconnect_gate(self, gate: str) -> None:
        """Its queue is a fresh one."""
        self._gate(gate).reconnect()

    def lose_at_gate(self, gate: str, count: str) -> None:
        """The next deliveries do not arrive."""
        self._gate(gate).losing += int(count)

    def hold_at_gate(self, gate: str, count: str) -> None:
        """The next commands it publishes are late."""
        self._gate(gate).holding += int(count)

    def let_go_at_gate(self, gate: str) -> None:
        """They are on their way."""
        self._gate(gate).let_go()

    def start_worker(self, worker: str) -> None:
        """A worker stands in line; the first in line is the writer."""
        self._workers[worker] = started = Worker(worker, self)
        for gate in self._gates.values():
            if gate.alive:
                self._hear(started, gate)
        self.commands.join(started.term)

    def crash_worker(self, worker: str) -> None:
        """`kill -9`: what it had not sent is lost, what it had not acked comes to the next in line."""
        term = self._workers.pop(self._worker(worker).name).term
        term.end()
        self._leave(worker, term)

    def displace_worker(self, worker: str) -> None:
        """The broker closes its channel; the process does not know yet, and stands in line no more."""
        term = self._worker(worker).term
        term.end()
        self._leave(worker, term)

    def drain_worker(self, worker: str) -> None:
        """It finishes what is in progress, closes its channel, and stands at the end of the line again."""
        drained = self._worker(worker)
        if not drained.term.is_idle:
            raise BadStep(f"{worker} has something in progress")
        drained.term.end()
        self._leave(worker, drained.term)
        drained.term = Term(drained, self)
        self.commands.join(drained.term)

    def stall_worker(self, worker: str, stage: str) -> None:
        """It stops right before a stage."""
        self._worker(worker).term.stall(stage)

    def go_on_worker(self, worker: str) -> None:
        """It goes on; on a closed channel it only learns that it is closed, and begins anew."""
        going = self._worker(worker)
        going.term.go_on()
        if not going.term.open:
            self.say(f"{worker} finds its channel closed, forgets everything and stands in line again")
            going.term = Term(going, self)
            self.commands.join(going.term)

    def stop_history(self) -> None:
        """History and the database are away; the queue keeps everything."""
        self.history.stop()

    def start_history(self) -> None:
        """And back."""
        self.history.start()

    def lose_history(self) -> None:
        """Somebody put an empty database in its place."""
        self.history.lose()
        self._deceived = self.commands.active

    def wait(self, span: str) -> None:
        """Time passes, and everybody who looks at a clock does."""
        until = self.now + duration_from(span)
        while self.now < until:
            self.now = min(until, self.now + TICK)
            self._tick()
            self._settle()
        self.say(f"it is {clock(self.now)}")

    def show(self, room: str) -> None:
        """What history has folded of a room."""
        state = self.history.state(room_from(room))
        for line in self.words.state(state) if state else [f"there is no {room}"]:
            self.say(line)

    def _leave(self, worker: str, term: Term) -> None:
        returned = self.commands.leave(term)
        if returned:
            self.say(f"{plural(returned, 'delivery', 'deliveries')} of {worker} back in the queue")

    def _hear(self, worker: Worker, gate: Gate) -> None:
        if worker.gates.receive_heartbeat(gate.name, HEARTBEAT_SECONDS, self.seconds):
            worker.term.meet_gate(gate.name)

    def _tick(self) -> None:
        beats = self.seconds % HEARTBEAT_SECONDS < TICK.total_seconds()
        for worker in self._workers.values():
            for gate in self._gates.values():
                if gate.alive and beats:
                    self._hear(worker, gate)
            for lost in worker.gates.expire(self.seconds):
                worker.term.drop_gate(lost, lost=True)
            worker.term.tick(self.seconds)
        for gate in self._gates.values():
            if gate.alive:
                gate.tick(self.seconds)

    def _settle(self) -> None:
        """Let everything arrive; then the writer says who came and went meanwhile."""
        self.under_way.arrive()
        if isinstance(self.commands.active, Term):
            self.commands.active.tell_presence()
            self.under_way.arrive()

    def _check_folds(self) -> None:
        """What the writer holds is what history folded (I7), once everything is stored."""
        active = self.commands.active
        if not isinstance(active, Term) or not active.is_idle or not self.history.is_idle or active is self._deceived:
            return
        for room, held in active.held_rooms():
            if (held.to_state() if held else None) != self.history.state(room):
                self.say(f"!! writer and history differ about {room}")


Deed = Callable[..., None]
GATE: Final = r"gate (?P<gate>\w+) "
WORKER: Final = r"worker (?P<worker>\w+) "
DEEDS: Final[dict[str, Deed]] = {
    GATE + "starts": World.start_gate,
    GATE + "crashes": World.crash_gate,
    GATE + "leaves": World.leave_gate,
    GATE + "reconnects": World.reconnect_gate,
    GATE + r"loses (?P<count>\d+) deliver(y|ies)": World.lose_at_gate,
    GATE + r"holds back (?P<count>\d+) commands?": World.hold_at_gate,
    GATE + "lets go": World.let_go_at_gate,
    WORKER + "starts": World.start_worker,
    WORKER + "crashes": World.crash_worker,
    WORKER + "loses its channel": World.displace_worker,
    WORKER + "drains": World.drain_worker,
    WORKER + r"stalls before (?P<stage>\S+)": World.stall_worker,
    WORKER + "goes on": World.go_on_worker,
    "history stops": World.stop_history,
    "history starts": World.start_history,
    "history is lost": World.lose_history,
    r"wait (?P<span>\S+)": World.wait,
    r"show (?P<room>\S+)": World.show,
}
