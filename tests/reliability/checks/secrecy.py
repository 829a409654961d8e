"""Whether private rooms stay private, whoever comes and goes (I10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tests.reliability.checks.anomalies import Anomaly, Finding, Stored
from tests.reliability.journal import Asked, Entry, Got, Peeked

COMING = frozenset({"member_joined"})
GOING = frozenset({"member_left", "member_banned"})


class Stay(NamedTuple):
    """A membership: from the event that began it to the one that ended it, if one did. `asked_at`: when somebody first
    wished for it; None: before anything was journalled."""

    joined: int
    left: int | None
    asked_at: float | None


def judge_leaks(
    journals: Mapping[str, Iterable[Entry]],
    stored: Iterable[Stored],
    founders: Mapping[str, AbstractSet[str]],
) -> list[Finding]:
    """Whether nobody was shown an event of the rooms in `founders` (room -> its first members) from a time when they
    were no member of it.

    Who came back may be shown what happened while they were away, as everybody may who is new: so an event is a leak
    unless they were a member at it, or a later stay of theirs had been asked for when it was shown.
    """
    journals = {who: list(journal) for who, journal in journals.items()}
    stays = stays_of(stored, founders, _first_asked(journals))
    return [
        Finding(Anomaly.LEAK, who, room, seq, f"by {way}")
        for who, journal in journals.items()
        for room, seq, way, at in _shown(journal)
        if room in founders and not _may_see(stays.get((room, who), ()), seq, at)
    ]


def stays_of(
    stored: Iterable[Stored], founders: Mapping[str, AbstractSet[str]], asked_at: Mapping[tuple[str, str], float]
) -> dict[tuple[str, str], list[Stay]]:
    """All memberships by room and user. `asked_at` is by actor and command_id."""
    stays: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    for room, users in founders.items():
        for user in users:
            stays[room, user].append(Stay(1, None, None))
    for event in sorted(stored, key=lambda each: (each.room, each.seq)):
        if event.room not in founders or event.user is None:
            continue
        known = stays[event.room, event.user]
        if event.event in COMING:
            known.append(Stay(event.seq, None, asked_at.get((event.actor, event.command_id))))
        elif event.event in GOING and known and known[-1].left is None:
            known[-1] = known[-1]._replace(left=event.seq)
    return stays


def _first_asked(journals: Mapping[str, Iterable[Entry]]) -> dict[tuple[str, str], float]:
    asked: dict[tuple[str, str], float] = {}
    for who, journal in journals.items():
        for entry in journal:
            if isinstance(entry, Asked):
                asked.setdefault((who, entry.command_id), entry.at)
    return asked


def _shown(journal: Iterable[Entry]) -> Iterator[tuple[str, int, str, float]]:
    for entry in journal:
        match entry:
            case Got(room=room, seq=seq, at=at):
                yield room, seq, "push", at
            case Peeked(room=room, seqs=seqs, way=way, at=at):
                yield from ((room, seq, way, at) for seq in seqs or ())


def _may_see(stays: Iterable[Stay], seq: int, at: float) -> bool:
    return any(
        (stay.joined <= seq and (stay.left is None or seq <= stay.left))
        or (stay.joined > seq and (stay.asked_at is None or stay.asked_at <= at))
        for stay in stays
    )
