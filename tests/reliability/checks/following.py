"""Whether one client could follow its rooms: every event once, in order, as it is stored (I3, I4, I5)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from tests.reliability.checks.anomalies import Anomaly, Finding, Place, Stored
from tests.reliability.journal import (
    Answered,
    Attached,
    Detached,
    Entry,
    Garbled,
    Got,
    Lagged,
    Opened,
    Refused,
    Reset,
    Told,
)

REPLAYED: Final = 1_000
"""How far behind somebody may be and still get everything: `GATEHOUSE_RESUME_LIMIT` as it is by itself."""
FRAMES_REMEMBERED: Final = 65_536

_OfRoom = Attached | Detached | Reset | Answered | Got | Told | Lagged


class _RoomView:
    """One room as one client may know it. `told` are seqs that an `accepted` stood for, and whose event may still come;
    of what `lagged` said would come again, `again` is the last, and `passed` the last that did."""

    def __init__(self) -> None:
        self.position: tuple[str, int] | None = None
        self.attached = False
        self.told: set[int] = set()
        self.passed = self.again = 0


def judge_client(
    who: str, journal: Iterable[Entry], stored: Mapping[Place, Stored], heads: Mapping[str, int]
) -> list[Finding]:
    """Whether one client got every event of the rooms in `heads` from its first attach on, once, in order, as stored.

    The rule is the documented one: `accepted` stands for one's own event where it is the next one; behind `attached`
    comes everything above its seq, once; what `lagged` says comes once more, in order.
    """
    rooms: dict[str, _RoomView] = defaultdict(_RoomView)
    found = []
    for entry in journal:
        match entry:
            case Opened():
                _begin_anew(rooms.values())
            case Garbled(why=why):
                found.append(Finding(Anomaly.GARBLED, who, "", 0, why))
            case Refused(retry=False):
                found.append(Finding(Anomaly.REFUSED_FOR_GOOD, who, entry.code, 0))
            case Attached() | Detached() | Reset() | Answered() | Got() | Told() | Lagged():
                view = rooms[entry.room]
                evidence = f"{type(entry).__name__}, at {view.position}"
                found += [
                    Finding(anomaly, who, entry.room, _seq_of(entry), evidence)
                    for anomaly in _judge_entry(view, entry, stored)
                ]
    return found + [
        Finding(Anomaly.UNFINISHED, who, room, rooms[room].position[1] if rooms[room].position else 0)
        for room, head in heads.items()
        if rooms[room].position is None or rooms[room].position[1] < head
    ]


def judge_unattached(who: str, journal: Iterable[Entry]) -> list[Finding]:
    """Whether a connection that never attached was left alone."""
    found = []
    for entry in journal:
        match entry:
            case Got(room=room, seq=seq):
                found.append(Finding(Anomaly.STRANGER, who, room, seq, "never attached"))
            case Told(room=room, signal=signal):
                found.append(Finding(Anomaly.STRANGER, who, room, 0, f"never attached: {signal}"))
            case Garbled(why=why):
                found.append(Finding(Anomaly.GARBLED, who, "", 0, why))
    return found


def _begin_anew(views: Iterable[_RoomView]) -> None:
    """A connection knows nothing of the one before but the positions."""
    for view in views:
        view.attached, view.passed, view.again = False, 0, 0
        view.told.clear()


def _judge_entry(view: _RoomView, entry: _OfRoom, stored: Mapping[Place, Stored]) -> list[Anomaly]:
    match entry:
        case Attached():
            return _attach(view, entry)
        case Detached():
            view.attached = False
        case Reset():
            return _start_afresh(view, entry)
        case Answered():
            _take_answer(view, entry)
        case Got():
            return _take_event(view, entry, stored)
        case Told():
            return [] if view.attached else [Anomaly.STRANGER]
        case Lagged():
            return _lag(view, entry)
    return []


def _seq_of(entry: _OfRoom) -> int:
    match entry:
        case Lagged(after=seq) | Attached(seq=seq) | Reset(seq=seq) | Answered(seq=seq) | Got(seq=seq):
            return seq
    return 0


def _start_afresh(view: _RoomView, entry: Reset) -> list[Anomaly]:
    """A reset of the same numbering says that somebody was too far behind; otherwise there is nothing to compare."""
    known, view.position = view.position, (entry.epoch, entry.seq)
    view.passed = view.again = 0
    near = known is not None and known[0] == entry.epoch and entry.seq - known[1] <= REPLAYED
    return [Anomaly.NEEDLESS_RESET] if near else []


def _attach(view: _RoomView, entry: Attached) -> list[Anomaly]:
    told = (entry.epoch, entry.seq)
    wrong = view.position is not None and view.position != told
    view.attached, view.position = True, told
    return [Anomaly.WRONG_START] if wrong else []


def _take_answer(view: _RoomView, entry: Answered) -> None:
    if view.attached and view.position == (entry.epoch, entry.seq - 1):
        view.position = (entry.epoch, entry.seq)
        view.told.add(entry.seq)


def _take_event(view: _RoomView, entry: Got, stored: Mapping[Place, Stored]) -> list[Anomaly]:
    found = []
    kept = stored.get((entry.room, entry.seq))
    if kept is None or not _is_the_same(entry, kept):
        found.append(Anomaly.PHANTOM)
    if not view.attached or view.position is None:
        return [*found, Anomaly.STRANGER]
    last = view.position[1]
    if entry.seq <= last:
        return found + _take_again(view, entry.seq)
    if entry.seq > last + 1:
        found.append(Anomaly.HOLE)
    view.position = (entry.epoch, entry.seq)
    return found


def _take_again(view: _RoomView, seq: int) -> list[Anomaly]:
    """What an `accepted` stood for may come once; what `lagged` told comes once and in order, where it comes."""
    if view.passed < seq <= view.again:
        skipped = any(between not in view.told for between in range(view.passed + 1, seq))
        view.passed = seq
        view.told.discard(seq)
        return [Anomaly.HOLE] if skipped else []
    if seq in view.told:
        view.told.discard(seq)
        return []
    return [Anomaly.REPEAT]


def _lag(view: _RoomView, entry: Lagged) -> list[Anomaly]:
    last = view.position[1] if view.position else 0
    view.passed, view.again = entry.after, min(entry.through, last)
    return [Anomaly.HOLE] if entry.after > last else []


def _is_the_same(pushed: Got, kept: Stored) -> bool:
    """Everything that is pushed and stored under one name is the same."""
    if (pushed.epoch, pushed.command_id, pushed.text) != (kept.epoch, kept.command_id, kept.text):
        return False
    frame = _read(pushed.frame)
    return all(frame[name] == kept.row[name] for name in frame.keys() & kept.row.keys())


@lru_cache(FRAMES_REMEMBERED)
def _read(frame: str) -> dict[str, Any]:
    """Everybody in a room got the same one."""
    return dict(json.loads(frame))
