"""Everything a trace plays with: a broker, workers, gates, history, a clock. One step in, the lines it made out.

Nothing here decides anything about rooms: it carries between the real cores, and says what it carries.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError

from schemas import routes
from schemas.answers import Accepted, Refused
from schemas.commands import COMMAND, EVENTLESS_VERBS, Position
from schemas.fanout import FanoutKind, RoomTops
from schemas.ids import GateId, InviteId
from schemas.queries import QUERY
from services.room.effects import FanOut, Reply
from services.room.line import Ack
from tests.traces.broker import CommandQueue, Delivery, UnderWay
from tests.traces.client import Client
from tests.traces.gate import Gate
from tests.traces.grammar import DIRECT, READS, Saying, read_saying, room_from
from tests.traces.history import History
from tests.traces.machines import Machines
from tests.traces.script import BadStep
from tests.traces.words import START, Words, clock, duration_from
from tests.traces.writer import Term, invite_token

TICKS: Final = (
    (timedelta(seconds=0.1), timedelta(minutes=1)),
    (timedelta(seconds=5), timedelta(hours=1)),
    (timedelta(minutes=10), timedelta.max),
)
"""How often clocks are looked at in the first minute of a wait, in its first hour, and later."""


class World:
    """Play it step by step."""

    def __init__(self) -> None:
        self.now = START
        self.words = Words()
        self.under_way = UnderWay()
        self.commands = CommandQueue(self.under_way)
        self.history = History(self.under_way, self.words, self.say, lambda: self.now)
        self._machines = Machines(self)
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
        for asked in self._machines.alive():
            if gate in {None, asked.name}:
                self.under_way.add(lambda asked=asked: self._tell_roster(asked, term))

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
            case FanoutKind.TOPS:
                tops = RoomTops.model_validate_json(effect.body).tops
                return ", ".join(f"{top.room} is at {self.words.epoch(top.epoch)}/{top.seq}" for top in tops)
            case FanoutKind.ATTACHED:
                return f"attached at {headers.room} {headers.seq}"
            case _:
                return f"{headers.kind} of {headers.room}"

    def _deliver(self, name: str, effect: FanOut) -> None:
        for gate in self._machines.alive():
            if gate.name == name:
                gate.receive(effect)

    def _deliver_reply(self, effect: Reply) -> None:
        name, answer = effect.to.queue, effect.answer
        for gate in self._machines.alive():
            if gate.name == name:
                gate.receive_reply(effect.to.correlation_id, answer)
        if not self._machines.is_gate(name):
            if isinstance(answer, Accepted):
                self.check_answer(name, answer)
            self.say(f"  {name} < {self._outside(answer)}")

    def _outside(self, answer: Any) -> str:
        match answer:
            case Accepted():
                return self.words.accepted(answer)
            case Refused():
                return self.words.refused(answer)
            case _:
                return self.words.inspection(answer)

    def _tell_roster(self, gate: Gate, term: Term) -> None:
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
        gate = self._machines.gate(saying.gate)
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

    # Everything else that happens.

    def _take_deed(self, step: str) -> None:
        match step.split():
            case ["wait", span]:
                self._wait(span)
            case ["show", room]:
                self._show(room)
            case [client, "stops", "reading"]:
                gate, own = self._client_named(client)
                gate.stop_reading(own)
            case [client, "reads", "on"]:
                gate, own = self._client_named(client)
                gate.read_on(own)
            case ["history", "stops"]:
                self.history.stop()
            case ["history", "starts"]:
                self.history.start()
            case ["history", "sweeps"]:
                self.history.sweep()
            case ["history", "is", "lost"]:
                self.history.lose()
                self._deceived = self.commands.active
            case _:
                if not self._machines.do(step):
                    raise BadStep(f"nobody can do this: {step}")

    def _client_named(self, name: str) -> tuple[Gate, Client]:
        who, _, gate_name = name.partition("@")
        user, _, device = who.partition(".")
        gate = self._machines.gate(gate_name)
        return gate, gate.client(user, device or None)

    def _wait(self, span: str) -> None:
        """Time passes, and everybody who looks at a clock does."""
        try:
            until = self.now + duration_from(span)
        except ValueError as error:
            raise BadStep(str(error)) from error
        began = self.now
        while self.now < until:
            tick = next(tick for tick, through in TICKS if self.now - began < through)
            self.now = min(until, self.now + tick)
            self._machines.tick(self.seconds, tick.total_seconds())
            self._settle()
        self.say(f"it is {clock(self.now)}")

    def _show(self, room: str) -> None:
        """What history has folded of a room."""
        state = self.history.state(room_from(room))
        for line in self.words.state(state) if state else [f"there is no {room}"]:
            self.say(line)

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
