"""How long it takes until all is well after a fault, and how long nobody is accepted because of it, as the users see
it. Pure: from journals alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from tests.reliability.checks.ordering import Operation
from tests.reliability.journal import Entry, Got
from tests.reliability.nemesis.nemesis import Done


class Healing(NamedTuple):
    """Of one kind of fault: how often it happened, the seconds from its end until all was well, infinite where it never
    was, and the longest time from its begin until then in which nobody was accepted in a room."""

    kind: str
    count: int
    median_seconds: float
    worst_seconds: float
    silence_seconds: float


class _Healed(NamedTuple):
    """Of one fault in one room."""

    seconds: float
    silence_seconds: float


def healings(
    done: Sequence[Done], operations: Iterable[Operation], followers: Mapping[str, Sequence[Iterable[Entry]]]
) -> list[Healing]:
    """By kind. `followers` are the journals of those who follow each room; only these rooms count."""
    accepted: dict[str, list[Operation]] = defaultdict(list)
    for operation in sorted(operations, key=lambda each: each.until):
        accepted[operation.room].append(operation)
    heard = {
        room: [[entry for entry in journal if isinstance(entry, Got) and entry.room == room] for journal in journals]
        for room, journals in followers.items()
    }
    known: dict[str, list[_Healed]] = defaultdict(list)
    for each in done:
        rooms = [_healed(each, accepted[room], heard[room]) for room in followers]
        if told := [one for one in rooms if one is not None]:
            slowest = max(one.seconds for one in told)
            known[each.fault.kind.value].append(_Healed(slowest, max(one.silence_seconds for one in told)))
    return [_of_kind(kind, each) for kind, each in sorted(known.items())]


def _of_kind(kind: str, known: Sequence[_Healed]) -> Healing:
    seconds = [each.seconds for each in known]
    return Healing(kind, len(known), median(seconds), max(seconds), max(each.silence_seconds for each in known))


def _healed(fault: Done, accepted: Sequence[Operation], heard: Sequence[Sequence[Got]]) -> _Healed | None:
    """From the end of a fault to the first accept in the room behind it, and until every follower has that much; None
    where nobody wrote any more."""
    first = next((operation for operation in accepted if operation.until >= fault.ended), None)
    if first is None:
        return None
    known = (next((got.at for got in entries if got.seq >= first.seq), math.inf) for entries in heard)
    accepts = [operation.until for operation in accepted if fault.began <= operation.until <= first.until]
    silence = max(later - earlier for earlier, later in pairwise([fault.began, *accepts]))
    return _Healed(max(first.until, *known, fault.ended) - fault.ended, silence)
