"""Whether everything is as it should be once all faults are over and everybody is quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from tests.reliability.checks.anomalies import Anomaly, Finding, Stored
from tests.reliability.journal import Done, Entry

READ, DELIVERED = "mark_read", "mark_delivered"


def judge_outstanding(outstanding: Mapping[str, Iterable[str]]) -> list[Finding]:
    """Whether every command came to an end: `outstanding` are those of each user that did not."""
    return [
        Finding(Anomaly.STUCK, who, "", 0, command_id)
        for who, commands in outstanding.items()
        for command_id in commands
    ]


def unread_of(user: str, room: str, journal: Iterable[Entry], stored: Iterable[Stored]) -> int:
    """How many messages of others stand behind the user's mark: as the protocol defines the count."""
    events = [event for event in stored if event.room == room]
    marks = (entry.upto for entry in journal if isinstance(entry, Done) and (entry.room, entry.verb) == (room, READ))
    joined = (event.seq for event in events if event.event == "member_joined" and event.user == user)
    behind = max((*marks, *joined, 0))
    return sum(event.event == "message_posted" and event.actor != user and event.seq > behind for event in events)


def judge_unread(told: Mapping[tuple[str, str], int], counted: Mapping[tuple[str, str], int]) -> list[Finding]:
    """Whether each user (user, room) is told what is counted."""
    return [
        Finding(Anomaly.WRONG_UNREAD, user, room, 0, f"told {told.get((user, room))}, there are {count}")
        for (user, room), count in counted.items()
        if told.get((user, room)) != count
    ]


def judge_marks(
    kept: Mapping[tuple[str, str], tuple[int, int]], journals: Mapping[str, Iterable[Entry]]
) -> list[Finding]:
    """Whether the marks (read, delivered) of each (user, room) in `kept` are the highest that were accepted: they only
    grow, and reading is receiving."""
    found = []
    for (user, room), marks in kept.items():
        done = [entry for entry in journals[user] if isinstance(entry, Done) and entry.room == room]
        read = max((entry.upto for entry in done if entry.verb == READ), default=0)
        delivered = max((entry.upto for entry in done if entry.verb in (READ, DELIVERED)), default=0)
        if marks != (read, delivered):
            evidence = f"kept {marks}, accepted {(read, delivered)}"
            found.append(Finding(Anomaly.WRONG_MARK, user, room, read, evidence))
    return found


def judge_presence(told: Mapping[str, AbstractSet[str]], there: Mapping[str, AbstractSet[str]]) -> list[Finding]:
    """Whether those are told online, room by room, who are attached."""
    return [
        Finding(Anomaly.WRONG_PRESENCE, user, room, 0, "is told online" if user in told[room] else "is told offline")
        for room, users in there.items()
        for user in sorted(told[room] ^ users)
    ]


def judge_parked(reasons: Counter[str]) -> list[Finding]:
    """Whether history found no entry that contradicts what it has. `reasons` of everything that was parked."""
    return [Finding(Anomaly.CONTRADICTION, "history", "", 0) for _ in range(reasons["conflict"])]
