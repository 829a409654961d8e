"""Which rooms fell quiet, and how far they are: a lost last event is noticed by nobody else (I3). Pure.

A gate notices a missing event at the next one. Where none follows, the room's position itself is told to its gates,
with those of all other rooms that fell quiet: one message for each gate, not for each room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from schemas.fanout import TOPS_PER_MESSAGE, RoomTop, RoomTops
from schemas.ids import GateId, RoomId

TELLINGS = 2
"""How often a quiet room's position is told: what lost the event may lose the first of these too."""


class Tops:
    """Rooms in the order of their last events. Times are seconds of a steady clock.

    Busy rooms are never named: whoever misses one of their events is told by the next one.
    """

    def __init__(self, quiet_seconds: float) -> None:
        self._quiet_seconds = quiet_seconds
        self._due: OrderedDict[RoomId, tuple[float, int]] = OrderedDict()

    def receive_event(self, room: RoomId, now: float) -> None:
        """Something happened in the room."""
        self._put(room, now, TELLINGS)

    def take_due(self, now: float) -> list[RoomId]:
        """The rooms in which nothing has happened, and of which nothing was told, for `quiet_seconds`."""
        due = []
        while self._due and next(iter(self._due.values()))[0] <= now:
            room, (_, left) = self._due.popitem(last=False)
            due.append(room)
            if left > 1:
                self._put(room, now, left - 1)
        return due

    def _put(self, room: RoomId, now: float, left: int) -> None:
        self._due[room] = now + self._quiet_seconds, left
        self._due.move_to_end(room)


def messages_by_gate(tops: Iterable[tuple[RoomTop, Iterable[GateId]]]) -> Iterator[tuple[GateId, RoomTops]]:
    """Each gate with the positions of the rooms that it should know, in messages that are not too large."""
    by_gate: dict[GateId, list[RoomTop]] = {}
    for top, gates in tops:
        for gate in gates:
            by_gate.setdefault(gate, []).append(top)
    for gate, known in by_gate.items():
        for start in range(0, len(known), TOPS_PER_MESSAGE):
            yield gate, RoomTops(tops=tuple(known[start : start + TOPS_PER_MESSAGE]))
