"""What is broken when: a plan that follows from a seed alone, so that a run can be had again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple


class Kind(StrEnum):
    """One way of breaking something."""

    KILL_ROOM = "kill a room worker"
    KILL_GATE = "kill a gate"
    KILL_HISTORY = "kill a history worker"
    STOP_ROOM = "stop a room worker"
    STOP_GATE = "stop a gate"
    STOP_HISTORY = "stop a history worker"
    ROLL = "restart all workers, one after another"
    KILL_BROKER = "kill RabbitMQ"
    RESTART_BROKER = "restart RabbitMQ"
    ALARM = "memory alarm of RabbitMQ"
    FULL_LOG = "full queues of the log"
    FULL_GATE = "full queues of the gates"
    KILL_STORE = "kill the store"
    RESTART_STORE = "restart the store"
    SLOW_STORE = "slow disk of the store"
    CUT_ROOM = "cut room worker and RabbitMQ"
    CUT_GATE = "cut gate and RabbitMQ"
    CUT_HISTORY = "cut history worker and RabbitMQ"
    CUT_STORE = "cut history worker and store"
    CUT_CLIENTS = "cut clients and gate"
    PART_ROOM = "partition room worker and RabbitMQ"
    PART_GATE = "partition gate and RabbitMQ"
    PART_HISTORY = "partition history worker and RabbitMQ"
    PART_STORE = "partition history worker and store"
    PART_CLIENTS = "partition clients and gate"
    DELAY_ROOM = "delay between room worker and RabbitMQ"
    DELAY_GATE = "delay between gate and RabbitMQ"
    DELAY_HISTORY = "delay between history worker and RabbitMQ"
    DELAY_STORE = "delay between history worker and store"
    DELAY_CLIENTS = "delay between clients and gate"
    CLOCK_ROOM = "clock of a room worker jumps"
    CLOCK_GATE = "clock of a gate jumps"
    CLOCK_HISTORY = "clock of a history worker jumps"
    POISON = "deliveries that nobody can read"


SECONDS: Final[dict[Kind, tuple[float, float]]] = {
    Kind.KILL_ROOM: (0.0, 6.0),
    Kind.KILL_GATE: (0.0, 8.0),
    Kind.KILL_HISTORY: (0.0, 8.0),
    Kind.STOP_ROOM: (1.0, 30.0),
    Kind.STOP_GATE: (1.0, 12.0),
    Kind.STOP_HISTORY: (1.0, 30.0),
    Kind.KILL_BROKER: (0.0, 4.0),
    Kind.RESTART_BROKER: (0.0, 4.0),
    Kind.ALARM: (1.0, 6.0),
    Kind.FULL_LOG: (1.0, 4.0),
    Kind.FULL_GATE: (3.0, 8.0),
    Kind.KILL_STORE: (0.0, 8.0),
    Kind.RESTART_STORE: (0.0, 6.0),
    Kind.SLOW_STORE: (4.0, 12.0),
    Kind.PART_ROOM: (1.0, 25.0),
    Kind.PART_GATE: (1.0, 25.0),
    Kind.PART_HISTORY: (1.0, 25.0),
    Kind.PART_STORE: (1.0, 15.0),
    Kind.PART_CLIENTS: (1.0, 8.0),
    Kind.CLOCK_ROOM: (5.0, 20.0),
    Kind.CLOCK_GATE: (5.0, 20.0),
    Kind.CLOCK_HISTORY: (5.0, 20.0),
}
"""How long each may last; what is not here lasts as `OTHERS`, and what is over as soon as it has happened no time."""
OTHERS: Final = (1.0, 8.0)
NO_TIME: Final = frozenset({Kind.ROLL, Kind.POISON})
DELAY_SECONDS: Final = (0.05, 0.4)
JUMPS_SECONDS: Final = (-60.0, 60.0)
CALM_SECONDS: Final = (2.0, 9.0)
"""Between the end of one fault and the next, where they do not overlap."""
OVERLAP: Final = 0.35
"""How often a fault begins while the one before lasts."""
LEEWAY_SECONDS: Final = 15.0
LEEWAY_SHARE: Final = 1 / 12
"""So much at the end, or such a share of the whole, is left to faults that begin late or take the time they take."""
CLOCKS: Final = frozenset({Kind.CLOCK_ROOM, Kind.CLOCK_GATE, Kind.CLOCK_HISTORY})


class Fault(NamedTuple):
    """One thing that breaks, `at` seconds into the run, for `seconds`. `target` chooses among those that can be hit
    (modulo their number); `amount` is how much, where there is a how much."""

    at: float
    kind: Kind
    target: int
    seconds: float
    amount: float

    @property
    def end(self) -> float:
        """When it is to be over."""
        return self.at + self.seconds


def schedule(seed: int, seconds: float, kinds: Sequence[Kind] = tuple(Kind)) -> list[Fault]:
    """The faults of a run of so many seconds, in the order in which they begin; all are to be over by then, but a
    restart of all workers takes the time it takes.

    Kinds are dealt like cards: each comes once before any comes again, and each does come. Where that takes longer than
    there is, everything goes faster: a fault lasts less long, and so does the calm behind it.
    """
    faults = _dealt(Random(seed), seconds, kinds)
    there_is = seconds - min(LEEWAY_SECONDS, seconds * LEEWAY_SHARE)
    pace = min(1.0, there_is / max(fault.end for fault in faults))
    return [each._replace(at=round(each.at * pace, 3), seconds=round(each.seconds * pace, 3)) for each in faults]


def _dealt(chance: Random, seconds: float, kinds: Sequence[Kind]) -> list[Fault]:
    """At their own pace, until the time is over and every kind was there."""
    faults: list[Fault] = []
    deck: list[Kind] = []
    now = chance.uniform(*CALM_SECONDS)
    while now < seconds or len(faults) < len(kinds):
        deck = deck or chance.sample(kinds, len(kinds))
        fault = _fault(chance, deck.pop(), now)
        faults.append(fault)
        now = fault.end + chance.uniform(*CALM_SECONDS)
        if chance.random() < OVERLAP:
            now = chance.uniform(fault.at, fault.end)
    return faults


def _fault(chance: Random, kind: Kind, at: float) -> Fault:
    lasting = 0.0 if kind in NO_TIME else chance.uniform(*SECONDS.get(kind, OTHERS))
    amount = chance.choice(JUMPS_SECONDS) if kind in CLOCKS else chance.uniform(*DELAY_SECONDS)
    return Fault(at, kind, chance.randrange(1000), lasting, round(amount, 3))
