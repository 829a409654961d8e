"""Whether memberships are what was asked for: who is told to be a member, who is kept out, whom invites let in (I7)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from tests.reliability.checks.anomalies import Anomaly, Finding, Place, Stored
from tests.reliability.checks.secrecy import COMING, GOING, Times, stays_of, times_of
from tests.reliability.journal import Answered, Asked, Done, Entry

DEEDS: Final = (
    JOINED := "joined",
    INVITED := "used an invite",
    ADDED := "was added",
    LEFT := "left",
    KICKED := "was kicked",
    BANNED := "was banned",
    UNBANNED := "was let in again",
)
WENT: Final = "went"
LEAST_A_MINUTE: Final = 4
"""So many stays end in a minute at least, whatever breaks, and one deed of each kind is done."""


class InviteEvent(NamedTuple):
    """A stored event of an invite: it was made, for so many (None: for all), or `user` joined by it."""

    room: str
    seq: int
    invite: str
    user: str | None
    max_uses: int | None


class _Ban(NamedTuple):
    """That of one user in one room, from its event on to the one that lifted it, if one did."""

    began: Stored
    ended: Stored | None = None


def members_of(stored: Iterable[Stored], founders: Mapping[str, AbstractSet[str]]) -> dict[str, frozenset[str]]:
    """Who is a member behind the last stored event, by room; `founders` were so at first."""
    members = {room: set(users) for room, users in founders.items()}
    for event in sorted(stored, key=lambda each: (each.room, each.seq)):
        if event.user is not None and event.event in COMING:
            members[event.room].add(event.user)
        elif event.user is not None and event.event in GOING:
            members[event.room].discard(event.user)
    return {room: frozenset(users) for room, users in members.items()}


def judge_members(told: Mapping[str, AbstractSet[str]], folded: Mapping[str, AbstractSet[str]]) -> list[Finding]:
    """Whether those are told as members, room by room, who follow from the events."""
    return [
        Finding(Anomaly.WRONG_MEMBERS, user, room, 0, "is left out" if user in users else "is told as a member")
        for room, users in folded.items()
        for user in sorted(told[room] ^ users)
    ]


def judge_bans(journals: Mapping[str, Iterable[Entry]], stored: Iterable[Stored]) -> list[Finding]:
    """Whether every ban that was accepted is stored (or one stood already), and keeps its user out until it is lifted.

    A ban without an event of its own is one of somebody who was banned already, at some moment between its first try
    and its answer.
    """
    journals = {who: list(journal) for who, journal in journals.items()}
    stored = sorted(stored, key=lambda each: (each.room, each.seq))
    times = times_of(journals)
    bans: dict[tuple[str, str], list[_Ban]] = defaultdict(list)
    found = []
    for event in stored:
        if event.user is None:
            continue
        known = bans[event.room, event.user]
        stands = bool(known) and known[-1].ended is None
        if event.event == "member_banned":
            known.append(_Ban(event))
        elif event.event == "member_unbanned" and stands:
            known[-1] = known[-1]._replace(ended=event)
        elif event.event in COMING and stands:
            found.append(Finding(Anomaly.NOT_KEPT_OUT, event.user, event.room, event.seq, "joined"))
    own = {(event.actor, event.command_id) for event in stored}
    return found + [
        Finding(Anomaly.NOT_KEPT_OUT, user, room, 0, f"{who}'s {command_id}")
        for who, room, user, command_id in _accepted_bans(journals)
        if (who, command_id) not in own
        and not any(_stood(ban, (who, command_id), times) for ban in bans.get((room, user), ()))
    ]


def judge_invites(events: Iterable[InviteEvent]) -> list[Finding]:
    """Whether no more people joined by an invite than it was made for."""
    events = sorted(events, key=lambda each: (each.room, each.seq))
    limits = {(each.room, each.invite): each.max_uses for each in events if each.user is None}
    used: Counter[tuple[str, str]] = Counter()
    found = []
    for event in events:
        if event.user is None:
            continue
        key = event.room, event.invite
        used[key] += 1
        limit = limits.get(key, 0)
        if limit is not None and used[key] > limit:
            evidence = f"number {used[key]} by an invite for {limit}"
            found.append(Finding(Anomaly.OVERUSED, event.user, event.room, event.seq, evidence))
    return found


def judge_traffic(
    stored: Iterable[Stored], invited: AbstractSet[Place], founders: Mapping[str, AbstractSet[str]], seconds: float
) -> list[Finding]:
    """Whether enough came and went in the rooms in `founders`, in every way there is, for each full minute of so many
    seconds. `invited` are the events of joining by an invite."""
    stored = list(stored)
    deeds = Counter(_deed(event, invited) for event in stored if event.room in founders)
    stays = stays_of(stored, founders, Times({}, {})).values()
    deeds[WENT] = sum(stay.left is not None for each in stays for stay in each)
    minutes = int(seconds / 60)
    wanted = dict.fromkeys(DEEDS, minutes) | {WENT: LEAST_A_MINUTE * minutes}
    return [
        Finding(Anomaly.UNPROVEN, "membership", "", 0, f"{deeds[deed]} times somebody {deed}, not {count}")
        for deed, count in wanted.items()
        if deeds[deed] < count
    ]


def _accepted_bans(journals: Mapping[str, Iterable[Entry]]) -> Iterator[tuple[str, str, str, str]]:
    """Actor, room, user and command_id."""
    for who, journal in journals.items():
        entries = list(journal)
        accepted = {entry.command_id for entry in entries if isinstance(entry, Answered | Done)}
        bans = {
            entry.command_id: (entry.room, entry.user)
            for entry in entries
            if isinstance(entry, Asked) and entry.verb == "ban" and entry.user is not None
        }
        for command_id, (room, user) in bans.items():
            if command_id in accepted:
                yield who, room, user, command_id


def _stood(ban: _Ban, command: tuple[str, str], times: Times) -> bool:
    """Whether a ban may have stood while another one of the same user was on its way."""
    asked, accepted = times.asked[command], times.accepted[command]
    began = times.asked.get((ban.began.actor, ban.began.command_id), 0.0)
    if ban.ended is None:
        return began <= accepted
    lifted = times.accepted.get((ban.ended.actor, ban.ended.command_id))
    return began <= accepted and (lifted is None or lifted >= asked)


def _deed(event: Stored, invited: AbstractSet[Place]) -> str | None:
    by_themselves = event.actor == event.user
    match event.event:
        case "member_joined" if (event.room, event.seq) in invited:
            return INVITED
        case "member_joined":
            return JOINED if by_themselves else ADDED
        case "member_left":
            return LEFT if by_themselves else KICKED
        case "member_banned":
            return BANNED
        case "member_unbanned":
            return UNBANNED
    return None
