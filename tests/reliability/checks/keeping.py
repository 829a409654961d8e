"""Whether what was accepted is kept: stored, once, under its seq, by the writer whose turn it was (I1, I2, I3, I8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from tests.reliability.checks.anomalies import Anomaly, Finding, Place, Stored
from tests.reliability.journal import Answered, Asked, Done, Entry, Lost, Refused, Unanswered

MAKES: Final = {
    "create": "room_created",
    "send": "message_posted",
    "add": "member_joined",
    "join": "member_joined",
    "leave": "member_left",
    "kick": "member_left",
    "ban": "member_banned",
    "unban": "member_unbanned",
    "set_role": "member_changed",
    "invite": "invite_created",
}
"""The event that each verb of the workloads makes; the others make none."""


def judge_store(events: Iterable[Stored]) -> list[Finding]:
    """Whether the stored events are one gapless order for each room, and every command is there once."""
    rooms: dict[str, list[int]] = defaultdict(list)
    applied: dict[tuple[str, str, str], int] = {}
    found = []
    for event in events:
        rooms[event.room].append(event.seq)
        command = (event.room, event.actor, event.command_id)
        if applied.setdefault(command, event.seq) != event.seq:
            found.append(Finding(Anomaly.APPLIED_TWICE, event.actor, event.room, event.seq))
    for room, seqs in rooms.items():
        if sorted(seqs) != list(range(1, len(seqs) + 1)):
            found.append(Finding(Anomaly.STORED_HOLE, "the store", room, len(seqs)))
    return found


def judge_answers(journals: Mapping[str, Iterable[Entry]], stored: Mapping[Place, Stored]) -> list[Finding]:
    """Whether all that was accepted is stored, under the seq that was promised, the same at every try."""
    found = []
    for who, journal in journals.items():
        promised: dict[str, int] = {}
        for answer in journal:
            if not isinstance(answer, Answered):
                continue
            if promised.setdefault(answer.command_id, answer.seq) != answer.seq:
                found.append(Finding(Anomaly.TWO_ANSWERS, who, answer.room, answer.seq))
            kept = stored.get((answer.room, answer.seq))
            if kept is None:
                found.append(Finding(Anomaly.LOST, who, answer.room, answer.seq))
            elif (kept.actor, kept.command_id) != (who, answer.command_id) or answer.epoch not in ("", kept.epoch):
                found.append(Finding(Anomaly.MOVED, who, answer.room, answer.seq))
    return found


def judge_writers(events: Iterable[Stored]) -> list[Finding]:
    """Whether the fences of a room's events never fall: what a replaced writer still wrote is not there."""
    highest: dict[str, int] = defaultdict(int)
    found = []
    for event in sorted(events, key=lambda each: (each.room, each.seq)):
        if event.fence < highest[event.room]:
            evidence = f"fence {event.fence} behind {highest[event.room]}"
            found.append(Finding(Anomaly.STALE_WRITER, event.actor, event.room, event.seq, evidence))
        highest[event.room] = max(highest[event.room], event.fence)
    return found


def judge_message_ids(events: Iterable[Stored]) -> list[Finding]:
    """Whether the ids of messages are unique everywhere and grow in each room, whatever clocks say."""
    seen: set[str] = set()
    last: dict[str, int] = defaultdict(int)
    found = []
    for event in sorted(events, key=lambda each: (each.room, each.seq)):
        if event.message_id is None:
            continue
        number = int(event.message_id.removeprefix("msg_"))
        if event.message_id in seen or number <= last[event.room]:
            found.append(Finding(Anomaly.MISNUMBERED, event.actor, event.room, event.seq, event.message_id))
        seen.add(event.message_id)
        last[event.room] = number
    return found


def judge_refusals(journals: Mapping[str, Iterable[Entry]], entitled: AbstractSet[str]) -> list[Finding]:
    """Whether those who may do all that they asked for were never told that they may not."""
    return [
        Finding(Anomaly.REFUSED_FOR_GOOD, who, "", 0, f"{entry.command_id}: {entry.code}")
        for who in sorted(entitled)
        for entry in journals[who]
        if isinstance(entry, Refused) and not entry.retry
    ]


def judge_wishes(journals: Mapping[str, Iterable[Entry]], stored: Iterable[Stored]) -> list[Finding]:
    """Whether everything that is stored was asked for as it is, and nothing is that was refused for certain.

    A refusal speaks of its own try: where an earlier one had no answer, that one may still have been applied.
    """
    journals = {who: list(journal) for who, journal in journals.items()}
    asked = {
        (who, entry.room, entry.command_id): entry
        for who, journal in journals.items()
        for entry in journal
        if isinstance(entry, Asked)
    }
    refused = {(who, command_id) for who, journal in journals.items() for command_id in _refused_for_certain(journal)}
    found = []
    for event in stored:
        command = (event.actor, event.room, event.command_id)
        if command not in asked or not _is_asked_for(asked[command], event):
            found.append(Finding(Anomaly.UNASKED, event.actor, event.room, event.seq, event.command_id))
        if (event.actor, event.command_id) in refused:
            found.append(Finding(Anomaly.APPLIED_THOUGH_REFUSED, event.actor, event.room, event.seq, event.command_id))
    return found


def _is_asked_for(asked: Asked, event: Stored) -> bool:
    """The event is what the verb makes, with the text that was written, about whom it was meant for."""
    meant = asked.user if asked.user is not None else event.actor
    return (
        MAKES.get(asked.verb) == event.event
        and (asked.text or "") == (event.text or "")
        and event.user in (None, meant)
    )


def _refused_for_certain(journal: Iterable[Entry]) -> set[str]:
    refused: set[str] = set()
    other: set[str] = set()
    for entry in journal:
        match entry:
            case Refused(definite=True, command_id=command_id):
                refused.add(command_id)
            case Refused() | Unanswered() | Answered() | Done():
                other.add(entry.command_id)
            case Lost(owed=owed):
                other |= owed
    return refused - other
