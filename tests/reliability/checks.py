"""Pure checks over journals and over what is stored. The anomalies are defined in words, in `Anomaly`, before anything
else; README.md says the same to people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from tests.reliability.journal import Answered, Attached, Entry, Got, Lagged, Opened, Refused, Reset


class Anomaly(StrEnum):
    """What must never happen."""

    LOST = "a command was answered `accepted`, and its event is not stored"  # I1
    MOVED = "a command was answered `accepted` with a seq under which something else is stored"  # I1
    APPLIED_TWICE = "one command of one actor made two events"  # I2
    TWO_ANSWERS = "one command was answered `accepted` with two seqs"  # I2
    STORED_HOLE = "the stored seqs of a room are not 1, 2, 3 ... without hole and repeat"  # I3
    HOLE = "a client got an event and had not got the one before it"  # I3
    REPEAT = "a client got an event again that nothing told it would come again"  # I3
    PHANTOM = "a client got an event that is not stored, or stored otherwise under its seq"  # I4, I5
    UNFINISHED = "a client had not got the room's last event when the workload ended"  # I3
    STRANGER = "an event came for a room to which its connection was not attached"  # I10
    WRONG_START = "`attached` said another position than the client gave, and no `reset` came before"
    NEEDLESS_RESET = "a client was told `reset`, though no workload here leaves anybody so far behind"
    REFUSED_FOR_GOOD = "a command that its sender may give was refused, and not to be sent again"


class Finding(NamedTuple):
    """One anomaly: whom it happened to, in which room, at which seq."""

    anomaly: Anomaly
    who: str
    room: str
    seq: int


class Stored(NamedTuple):
    """A stored event."""

    room: str
    epoch: str
    seq: int
    actor: str
    command_id: str


Place = tuple[str, int]
"""A room and a seq."""


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
            elif kept.command_id != answer.command_id:
                found.append(Finding(Anomaly.MOVED, who, answer.room, answer.seq))
    return found


class _RoomView:
    """One room as one client may know it. `told` are seqs that an `accepted` stood for; `again` the highest seq that a
    `lagged` said would come again."""

    def __init__(self) -> None:
        self.position: tuple[str, int] | None = None
        self.attached = False
        self.reset = False
        self.told: set[int] = set()
        self.again = 0


def judge_client(
    who: str, journal: Iterable[Entry], stored: Mapping[Place, Stored], heads: Mapping[str, int]
) -> list[Finding]:
    """Whether one client got every event of the rooms in `heads` from its first attach on, once, in order, as stored.

    The rule is the documented one: `accepted` stands for one's own event where it is the next one; behind `attached`
    comes everything above its seq, once; `lagged` says what may come again.
    """
    rooms: dict[str, _RoomView] = defaultdict(_RoomView)
    found = []
    for entry in journal:
        match entry:
            case Opened():
                for view in rooms.values():
                    view.attached = False
            case Reset(room=room, seq=seq):
                rooms[room].position, rooms[room].reset = (entry.epoch, seq), True
                found.append(Finding(Anomaly.NEEDLESS_RESET, who, room, seq))
            case Attached(room=room, seq=seq):
                found += [Finding(anomaly, who, room, seq) for anomaly in _attach(rooms[room], entry)]
            case Answered(room=room, seq=seq) if rooms[room].attached:
                _take_answer(rooms[room], entry)
            case Got(room=room, seq=seq):
                found += [Finding(anomaly, who, room, seq) for anomaly in _take_event(rooms[room], entry, stored)]
            case Refused(retry=False):
                found.append(Finding(Anomaly.REFUSED_FOR_GOOD, who, entry.code, 0))
            case Lagged(room=room, after=after, through=through):
                found += [Finding(anomaly, who, room, after) for anomaly in _lag(rooms[room], after, through)]
    return found + [
        Finding(Anomaly.UNFINISHED, who, room, rooms[room].position[1] if rooms[room].position else 0)
        for room, head in heads.items()
        if rooms[room].position is None or rooms[room].position[1] < head
    ]


def _attach(view: _RoomView, entry: Attached) -> list[Anomaly]:
    told = (entry.epoch, entry.seq)
    wrong = view.position is not None and view.position != told
    view.attached, view.reset, view.position = True, False, told
    return [Anomaly.WRONG_START] if wrong else []


def _take_answer(view: _RoomView, entry: Answered) -> None:
    if view.position == (entry.epoch, entry.seq - 1):
        view.position = (entry.epoch, entry.seq)
        view.told.add(entry.seq)


def _take_event(view: _RoomView, entry: Got, stored: Mapping[Place, Stored]) -> list[Anomaly]:
    found = []
    kept = stored.get((entry.room, entry.seq))
    if kept is None or (kept.epoch, kept.command_id) != (entry.epoch, entry.command_id):
        found.append(Anomaly.PHANTOM)
    if not view.attached or view.position is None:
        return [*found, Anomaly.STRANGER]
    last = view.position[1]
    if entry.seq <= last:
        return found if entry.seq in view.told or entry.seq <= view.again else [*found, Anomaly.REPEAT]
    if entry.seq > last + 1:
        found.append(Anomaly.HOLE)
    view.position = (entry.epoch, entry.seq)
    return found


def _lag(view: _RoomView, after: int, through: int) -> list[Anomaly]:
    last = view.position[1] if view.position else 0
    view.again = max(view.again, min(through, last))
    return [Anomaly.HOLE] if after > last else []
