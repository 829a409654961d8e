"""How long it takes until all is well after a fault, as the users see it. Pure: from journals alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from tests.reliability.checks.ordering import Operation
from tests.reliability.journal import Entry, Got
from tests.reliability.nemesis.nemesis import Done


class Healing(NamedTuple):
    """Of one kind of fault: how often it happened, and the seconds until all was well."""

    kind: str
    count: int
    median_seconds: float
    worst_seconds: float


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
    took: dict[str, list[float]] = defaultdict(list)
    for each in done:
        seconds = [_healed(each.ended, accepted[room], heard[room]) for room in followers]
        if known := [one for one in seconds if one is not None]:
            took[each.fault.kind.value].append(max(known))
    return [Healing(kind, len(each), median(each), max(each)) for kind, each in sorted(took.items())]


def _healed(ended: float, accepted: Sequence[Operation], heard: Sequence[Sequence[Got]]) -> float | None:
    """From the end of a fault to the first accept in the room behind it, and until every follower has that much; None
    where nobody wrote any more."""
    first = next((operation for operation in accepted if operation.until >= ended), None)
    if first is None:
        return None
    known = (next((got.at for got in entries if got.seq >= first.seq), ended) for entries in heard)
    return max(first.until, *known, ended) - ended
