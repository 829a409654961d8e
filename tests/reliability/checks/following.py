"""Whether one client could follow its rooms: every event once, in order, as it is stored (I3, I4, I5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tests.reliability.checks.anomalies import Anomaly, Finding, Place, Stored
from tests.reliability.journal import Answered, Attached, Detached, Entry, Got, Lagged, Opened, Refused, Reset


class _RoomView:
    """One room as one client may know it. `told` are seqs that an `accepted` stood for; `again` the highest seq that a
    `lagged` said would come again."""

    def __init__(self) -> None:
        self.position: tuple[str, int] | None = None
        self.attached = False
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
                _begin_anew(rooms.values())
            case Detached(room=room):
                rooms[room].attached = False
            case Reset(room=room, seq=seq):
                rooms[room].position = (entry.epoch, seq)
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


def _begin_anew(views: Iterable[_RoomView]) -> None:
    """A connection knows nothing of the one before but the positions."""
    for view in views:
        view.attached, view.again = False, 0
        view.told.clear()


def _attach(view: _RoomView, entry: Attached) -> list[Anomaly]:
    told = (entry.epoch, entry.seq)
    wrong = view.position is not None and view.position != told
    view.attached, view.position = True, told
    return [Anomaly.WRONG_START] if wrong else []


def _take_answer(view: _RoomView, entry: Answered) -> None:
    if view.position == (entry.epoch, entry.seq - 1):
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
        return found if entry.seq in view.told or entry.seq <= view.again else [*found, Anomaly.REPEAT]
    if entry.seq > last + 1:
        found.append(Anomaly.HOLE)
    view.position = (entry.epoch, entry.seq)
    return found


def _lag(view: _RoomView, after: int, through: int) -> list[Anomaly]:
    last = view.position[1] if view.position else 0
    view.again = max(view.again, min(through, last))
    return [Anomaly.HOLE] if after > last else []


def _is_the_same(told: Got, kept: Stored) -> bool:
    """Texts are compared where both are known."""
    same_text = told.text is None or kept.text is None or told.text == kept.text
    return (told.epoch, told.command_id) == (kept.epoch, kept.command_id) and same_text
