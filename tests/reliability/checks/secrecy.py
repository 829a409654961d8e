"""Whether private rooms stay private, whoever comes and goes (I10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from tests.reliability.checks.anomalies import Anomaly, Finding, Stored
from tests.reliability.journal import Answered, Asked, Attached, Done, Entry, Got, Peeked, Told

COMING: Final = frozenset({"member_joined"})
GOING: Final = frozenset({"member_left", "member_banned"})
HELD_UP_SECONDS: Final = 120.0
"""So long after the end of a stay was answered somebody may still be shown what happened before: history, or a gate,
may have been held up by a fault. The longest lasts 30 seconds, and these gates hold a replay for 60."""
AT_ONCE: Final = frozenset({"attach", "resume", "resume from elsewhere"})
"""Ways on which the room itself decides: what begins behind the answer is refused."""

Command = tuple[str, str]
"""An actor and a command_id."""


class Times(NamedTuple):
    """When each command was first sent, and when it was first answered `accepted`."""

    asked: Mapping[Command, float]
    accepted: Mapping[Command, float]


class Shown(NamedTuple):
    """An event that was shown by a look that lasted from `since` to `at`. What shows none is told as one of seq 0,
    which is before all."""

    room: str
    seq: int
    way: str
    since: float
    at: float


class Stay(NamedTuple):
    """A membership: from the event that began it to the one that ended it, if one did. `asked_at`: when somebody first
    wished for it; None: before anything was journalled. `over_at`: when somebody was first told that it is over; None:
    nobody was."""

    joined: int
    left: int | None
    asked_at: float | None
    over_at: float | None = None

    def covers(self, shown: Shown) -> bool:
        """Whether this may have been shown to the member; what happened before they came is theirs too."""
        begun = self.asked_at is None or self.asked_at <= shown.at
        bound = 0.0 if shown.way in AT_ONCE else HELD_UP_SECONDS
        over = self.over_at is not None and shown.since > self.over_at + bound
        return begun and not over and (self.left is None or shown.seq <= self.left)


class Look(NamedTuple):
    """What one user was shown by one way when all was over: `seqs` of events, beside what else it shows; None: it was
    refused. `answered` is false where nothing was heard."""

    who: str
    room: str
    way: str
    seqs: tuple[int, ...] | None
    answered: bool


def judge_leaks(
    journals: Mapping[str, Iterable[Entry]],
    stored: Iterable[Stored],
    founders: Mapping[str, AbstractSet[str]],
) -> list[Finding]:
    """Whether nobody was shown anything of the rooms in `founders` (room -> its first members) that is not for them.

    Every event that a look showed must be covered by a stay: one that was asked for when the look ended, was not over
    for long when it began, and did not end before the event. So who came back may be shown what happened while they
    were away, as everybody may who is new.
    """
    journals = {who: list(journal) for who, journal in journals.items()}
    stays = stays_of(stored, founders, times_of(journals))
    return [
        Finding(Anomaly.LEAK, who, shown.room, shown.seq, f"by {shown.way}")
        for who, journal in journals.items()
        for shown in _shown(journal)
        if shown.room in founders and not any(stay.covers(shown) for stay in stays.get((shown.room, who), ()))
    ]


def stays_of(
    stored: Iterable[Stored], founders: Mapping[str, AbstractSet[str]], times: Times
) -> dict[tuple[str, str], list[Stay]]:
    """All memberships by room and user."""
    stays: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    for room, users in founders.items():
        for user in users:
            stays[room, user].append(Stay(1, None, None))
    for event in sorted(stored, key=lambda each: (each.room, each.seq)):
        if event.room not in founders or event.user is None:
            continue
        known, command = stays[event.room, event.user], (event.actor, event.command_id)
        if event.event in COMING:
            known.append(Stay(event.seq, None, times.asked.get(command)))
        elif event.event in GOING and known and known[-1].left is None:
            known[-1] = known[-1]._replace(left=event.seq, over_at=times.accepted.get(command))
    return stays


def times_of(journals: Mapping[str, Iterable[Entry]]) -> Times:
    """Those of everybody's commands."""
    asked: dict[Command, float] = {}
    accepted: dict[Command, float] = {}
    for who, journal in journals.items():
        for entry in journal:
            match entry:
                case Asked(command_id=command_id, at=at):
                    asked[who, command_id] = min(at, asked.get((who, command_id), at))
                case Answered(command_id=command_id, at=at) | Done(command_id=command_id, at=at):
                    accepted[who, command_id] = min(at, accepted.get((who, command_id), at))
    return Times(asked, accepted)


def judge_last_looks(
    looks: Iterable[Look], inside: Mapping[str, AbstractSet[str]], outside: Mapping[str, AbstractSet[str]]
) -> list[Finding]:
    """Whether every way shows a room (something of it) to those who are `inside` for certain, and nothing to those who
    are `outside` for certain; and whether each way was seen to do both.

    Nothing is on its way any more: there is no bound, and no event that somebody may still be shown.
    """
    found: list[Finding] = []
    showing, refusing, ways = set(), set(), set()
    for look in looks:
        ways.add(look.way)
        if look.who in inside[look.room]:
            if look.seqs is None:
                found.append(Finding(Anomaly.SHUT_OUT, look.who, look.room, 0, f"by {look.way}"))
            else:
                showing.add(look.way)
        elif look.who in outside[look.room]:
            if look.seqs is not None:
                seq = max(look.seqs, default=0)
                found.append(Finding(Anomaly.LEAK, look.who, look.room, seq, f"by {look.way}, in the end"))
            elif look.answered:
                refusing.add(look.way)
    found += [Finding(Anomaly.UNPROVEN, "members", "", 0, f"shown nothing by {way}") for way in sorted(ways - showing)]
    found += [Finding(Anomaly.UNPROVEN, "others", "", 0, f"not refused by {way}") for way in sorted(ways - refusing)]
    return found


def _shown(journal: Iterable[Entry]) -> Iterator[Shown]:
    for entry in journal:
        match entry:
            case Got(room=room, seq=seq, at=at):
                yield Shown(room, seq, "push", at, at)
            case Told(room=room, at=at):
                yield Shown(room, 0, "signal", at, at)
            case Attached(room=room, at=at):
                yield Shown(room, 0, "attached", at, at)
            case Peeked(room=room, seqs=tuple(seqs), way=way, at=at, since=since):
                yield from (Shown(room, seq, way, at if since is None else since, at) for seq in seqs or (0,))
