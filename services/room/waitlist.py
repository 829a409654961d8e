"""Which orders wait for which word of history: for their room, for what became of an earlier try, or for the message
they are about. Pure: questions go out through `ask`, and what comes of each is told.

An actor's orders in a room stay in their order: one that comes behind a waiting one waits too. A question that was not
answered fails all that hangs on it at once, so nobody waits in turn for each of many failures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from schemas.answers import Accepted
from schemas.commands import Detach
from schemas.errors import Code
from schemas.ids import CommandId, RoomId, UserId
from schemas.queries import TargetAnswer
from schemas.state import Snapshot
from services.room.effects import Outcome
from services.room.hall import Hall, Want
from services.room.orders import Order
from services.room.targets import Place, target_of

SILENCE_SECONDS: Final = 1.0
"""After a load that was not answered none is tried for so long."""


class Waiting(NamedTuple):
    """An order, and the moment until which history may be asked for it."""

    order: Order
    until: float


@dataclass(frozen=True, slots=True)
class Load:
    """What is the room?"""

    room: RoomId
    until: float


@dataclass(frozen=True, slots=True)
class Lookup:
    """What became of an earlier try?"""

    room: RoomId
    actor: UserId
    command_id: CommandId
    until: float


@dataclass(frozen=True, slots=True)
class Round:
    """What is the message, and what has each of these put to it? Asked side by side, each until a moment of its own."""

    room: RoomId
    seq: int
    actors: Mapping[UserId, float]


@dataclass(frozen=True, slots=True)
class Turn:
    """Nothing is asked: the actor waits for a round that may outlast the order's time; tell when that is over."""

    room: RoomId
    seq: int
    actor: UserId
    until: float


Question = Load | Lookup | Round | Turn


@dataclass(slots=True)
class _Gathering:
    """Who makes the next round, while one lasts that is over at `until` at the latest."""

    until: float
    actors: list[UserId] = field(default_factory=list)

    def take(self) -> list[UserId]:
        actors, self.actors = self.actors, []
        return actors


class Silence:
    """Whether history keeps silent about rooms. Then one load at a time finds out whether it still does, and all others
    are not tried: each would hold its place among the deliveries until it fails, and rooms that are held would starve.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self._probe: RoomId | None = None

    def __bool__(self) -> bool:
        return self._until is not None

    def may_load(self, room: RoomId, now: float) -> bool:
        """The room may be asked for; in a silence it is the only one from here on."""
        if self._until is None:
            return True
        if self._probe is not None or now < self._until:
            return False
        self._probe = room
        return True

    def receive_failure(self, room: RoomId, now: float) -> None:
        """A load was not answered."""
        self._until = now + SILENCE_SECONDS
        if self._probe == room:
            self._probe = None

    def end(self) -> None:
        """History said something."""
        self._until = self._probe = None


class Waitlist:
    """Of one term. Bounded by the prefetch: what waits here is not acked."""

    def __init__(
        self,
        hall: Hall,
        *,
        seconds: float,
        wants: Callable[[Order], Want | None],
        ask: Callable[[Question], None],
        decide: Callable[[Order], None],
        append: Callable[[Outcome], None],
    ) -> None:
        """`seconds`: how long an order may wait. `wants` is the hall's, at the present moment; `ask` never answers
        before it returns; `decide` and `append` take what need not wait any longer."""
        self._hall = hall
        self._seconds = seconds
        self._wants = wants
        self._ask = ask
        self._decide = decide
        self._append = append
        self._silence = Silence()
        self._loading: dict[RoomId, deque[Waiting]] = {}
        self._lines: dict[tuple[RoomId, UserId], deque[Waiting]] = {}
        self._rounds: dict[Place, _Gathering] = {}

    def receive(self, order: Order, now: float) -> None:
        """Decide an order, or keep it: until its room is there, until history has told what it wants to know, or behind
        an order of its actor that waits."""
        self._route(Waiting(order, now + self._seconds), now)

    def receive_snapshot(self, snapshot: Snapshot, now: float) -> None:
        """History knows the room."""
        self._silence.end()
        self._append(self._hall.receive_snapshot(snapshot))
        for waiting in self._loading.pop(snapshot.room):
            self._route(waiting, now)

    def fail_load(self, load: Load, now: float, *, silent: bool) -> None:
        """The room will not come; `silent` unless history said something, if of no use."""
        if silent:
            self._silence.receive_failure(load.room, now)
        else:
            self._silence.end()
        for waiting in self._loading.pop(load.room):
            self._refuse(waiting.order)

    def receive_lookup(self, lookup: Lookup, answer: Accepted | None) -> None:
        """History knows what became of an earlier try; None: it was never applied."""
        asker = lookup.room, lookup.actor
        line = self._lines[asker]
        if answer is not None:
            self._append(self._hall.receive_repeat(line.popleft().order, answer))
        else:
            line[0] = line[0]._replace(order=replace(line[0].order, looked_up=True))
        self._advance(asker)

    def fail_lookup(self, lookup: Lookup) -> None:
        """There will be no answer."""
        self._fail((lookup.room, lookup.actor))

    def receive_round(self, asked: Round, answers: Mapping[UserId, TargetAnswer]) -> None:
        """A round is over: all who were answered are decided before anybody asks about the message again."""
        place = asked.room, asked.seq
        self._hall.targets.give_up(*place)
        for actor, answer in answers.items():
            self._hall.targets.receive_answer(*place, actor, answer)
        for actor in (*answers, *self._rounds[place].take()):
            self._advance((asked.room, actor))
        again = self._rounds.pop(place).actors
        if again:
            self._begin(place, again)

    def fail_question(self, asked: Round, actor: UserId) -> None:
        """One of a round will not be answered: they and all who wait for the next round fail; the round goes on."""
        for each in (actor, *self._rounds[asked.room, asked.seq].take()):
            self._fail((asked.room, each))

    def end_turn(self, turn: Turn) -> None:
        """The time of an order is over that waited for the next round, if it still does."""
        gathering = self._rounds.get((turn.room, turn.seq))
        if gathering is None or turn.actor not in gathering.actors:
            return
        if self._lines[turn.room, turn.actor][0].until <= turn.until:
            gathering.actors.remove(turn.actor)
            self._fail((turn.room, turn.actor))

    def _route(self, waiting: Waiting, now: float) -> None:
        order = waiting.order
        asker = room, _ = order.command.room, order.command.actor
        if room in self._loading:
            self._wait_for_room(waiting)
        elif self._hall.wants_room(order):
            self._load(waiting, now)
        elif asker in self._lines:
            self._lines[asker].append(waiting)
        elif self._wants(order) is not None:
            self._hall.pin(room)
            self._lines[asker] = deque([waiting])
            self._advance(asker)
        else:
            self._decide(order)

    def _load(self, waiting: Waiting, now: float) -> None:
        room = waiting.order.command.room
        if self._silence.may_load(room, now):
            self._loading[room] = deque([waiting])
            self._ask(Load(room, waiting.until))
        else:
            self._refuse(waiting.order)

    def _wait_for_room(self, waiting: Waiting) -> None:
        """In a silence nobody joins a wait, but for who takes back what may stand in it."""
        if self._silence and not isinstance(waiting.order.command, Detach):
            self._refuse(waiting.order)
        else:
            self._loading[waiting.order.command.room].append(waiting)

    def _advance(self, asker: tuple[RoomId, UserId]) -> None:
        """Decide an actor's orders up to the first that wants to know something, and ask for that."""
        line = self._lines[asker]
        while line:
            want = self._wants(line[0].order)
            if want is not None:
                self._inquire(line[0], want)
                return
            self._decide(line.popleft().order)
        self._leave(asker)

    def _fail(self, asker: tuple[RoomId, UserId]) -> None:
        """An actor's orders that want to know something are refused; the others are decided."""
        line = self._lines[asker]
        while line:
            order = line.popleft().order
            if self._wants(order) is not None:
                self._refuse(order)
            else:
                self._decide(order)
        self._leave(asker)

    def _leave(self, asker: tuple[RoomId, UserId]) -> None:
        room, _ = asker
        del self._lines[asker]
        self._hall.release(room)

    def _inquire(self, waiting: Waiting, want: Want) -> None:
        command = waiting.order.command
        if want is Want.ANSWER:
            self._ask(Lookup(command.room, command.actor, command.command_id, waiting.until))
            return
        place = command.room, target_of(command) or 0
        if place in self._rounds:
            self._gather(place, command.actor, waiting.until)
        else:
            self._begin(place, [command.actor])

    def _gather(self, place: Place, actor: UserId, until: float) -> None:
        gathering = self._rounds[place]
        gathering.actors.append(actor)
        if until < gathering.until:
            self._ask(Turn(*place, actor, until))

    def _begin(self, place: Place, actors: list[UserId]) -> None:
        """From here on nobody decides about the message, so what is asked next is asked behind all that was decided."""
        room, seq = place
        untils = {actor: self._lines[room, actor][0].until for actor in actors}
        self._rounds[place] = _Gathering(max(untils.values()))
        self._hall.targets.ask(room, seq)
        self._ask(Round(room, seq, untils))

    def _refuse(self, order: Order) -> None:
        """History does not answer. Only a first try was certainly not applied."""
        self._append(self._hall.refuse(order, Code.NO_ANSWER if order.again else Code.OVERLOADED))
