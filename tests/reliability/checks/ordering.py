"""Whether there is one order of a room, the same for everybody, and the order of time (I4, I8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tests.reliability.checks.anomalies import Anomaly, Finding
from tests.reliability.journal import Answered, Asked, Entry, Got


class Operation(NamedTuple):
    """An accepted command from the moment it was first sent to the moment its sender was told."""

    who: str
    room: str
    seq: int
    since: float
    until: float


def judge_split(journals: Mapping[str, Iterable[Entry]]) -> list[Finding]:
    """Whether everybody was told the same command under a seq."""
    told: dict[tuple[str, str, int], str] = {}
    found = []
    for who, journal in journals.items():
        for entry in journal:
            if isinstance(entry, Got | Answered):
                first = told.setdefault((entry.room, entry.epoch, entry.seq), entry.command_id)
                if first != entry.command_id:
                    evidence = f"{first} and {entry.command_id}"
                    found.append(Finding(Anomaly.SPLIT, who, entry.room, entry.seq, evidence))
    return found


def judge_order(journals: Mapping[str, Iterable[Entry]]) -> list[Finding]:
    """Whether who was answered before another began has the lower seq."""
    rooms: dict[str, list[Operation]] = defaultdict(list)
    for who, journal in journals.items():
        for operation in operations_of(who, journal):
            rooms[operation.room].append(operation)
    return [finding for operations in rooms.values() for finding in _judge_room(operations)]


def operations_of(who: str, journal: Iterable[Entry]) -> Iterator[Operation]:
    """The accepted commands of one journal, each with its first try and its first answer."""
    since: dict[str, float] = {}
    answered: set[str] = set()
    for entry in journal:
        if isinstance(entry, Asked):
            since.setdefault(entry.command_id, entry.at)
        elif isinstance(entry, Answered) and entry.command_id in since and entry.command_id not in answered:
            answered.add(entry.command_id)
            yield Operation(who, entry.room, entry.seq, since[entry.command_id], entry.at)


def _judge_room(operations: list[Operation]) -> Iterator[Finding]:
    """By the time they began, against the highest seq of those that had ended by then."""
    ended = sorted(operations, key=lambda each: each.until)
    highest, done = 0, 0
    for operation in sorted(operations, key=lambda each: each.since):
        while done < len(ended) and ended[done].until < operation.since:
            highest = max(highest, ended[done].seq)
            done += 1
        if operation.seq < highest:
            evidence = f"seq {highest} was accepted before it was sent"
            yield Finding(Anomaly.REORDERED, operation.who, operation.room, operation.seq, evidence)
