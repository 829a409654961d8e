"""When something is due for which room: one queue for all of them, so that one timer is enough. Pure."""

from __future__ import annotations

import heapq

from schemas.ids import RoomId


class Agenda:
    """Each room stands here once at most, at the earliest moment it was put down for.

    A moment that was replaced by an earlier one stays in the heap until it comes: bounded by how often that happens
    within the longest time something is put off.
    """

    def __init__(self) -> None:
        self._due: dict[RoomId, float] = {}
        self._heap: list[tuple[float, RoomId]] = []

    def put(self, room: RoomId, moment: float) -> None:
        """Something is due for the room then; an earlier moment that it has already stays."""
        if moment < self._due.get(room, float("inf")):
            self._due[room] = moment
            heapq.heappush(self._heap, (moment, room))

    def next_due(self) -> float | None:
        """The earliest moment of all, if there is one."""
        self._skip_replaced()
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float, count: int) -> list[RoomId]:
        """Take out the rooms whose moment has come, the earliest first, at most `count`."""
        taken: list[RoomId] = []
        while len(taken) < count and (moment := self.next_due()) is not None and moment <= now:
            room = heapq.heappop(self._heap)[1]
            del self._due[room]
            taken.append(room)
        return taken

    def _skip_replaced(self) -> None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
