"""The rooms a shard's active worker holds in memory, bounded; what is idle longest goes first. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.ids import RoomId
from schemas.state import Snapshot
from services.room.model import Room
from services.room.recent import Recent


@dataclass(slots=True)
class HeldRoom:
    """A room under this writer's `fence`; `room` is None where there is no such room. `in_progress` counts decided
    commands whose effects are not out yet."""

    room: Room | None
    fence: int
    recent: Recent
    in_progress: int = 0

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot) -> HeldRoom:
        """What a new writer starts from."""
        room = Room.from_state(snapshot.state) if snapshot.state else None
        return cls(room, snapshot.fence, Recent(snapshot.recent))


class HeldRooms:
    """Least recently used first. A room that is in use is never dropped: only one all of whose events are confirmed
    may be read again from the log's barrier."""

    def __init__(self, limit: int, in_use: Callable[[RoomId], bool]) -> None:
        """`in_use` says that a room has sessions."""
        self._limit = limit
        self._in_use = in_use
        self._held: dict[RoomId, HeldRoom] = {}

    def __len__(self) -> int:
        return len(self._held)

    def find(self, room: RoomId) -> HeldRoom | None:
        """The room, if it is held; it counts as used now."""
        held = self._held.pop(room, None)
        if held is not None:
            self._held[room] = held
        return held

    def put(self, room: RoomId, held: HeldRoom) -> None:
        """Hold a room that was loaded; idle ones above the limit are dropped."""
        self._held[room] = held
        for _ in range(min(len(self._held) - 1, _LOOKED_AT)):
            if len(self._held) <= self._limit:
                return
            self._drop_oldest_if_idle()

    def release(self, room: RoomId) -> None:
        """The effects of one command of the room are out."""
        held = self._held.get(room)
        if held is None:
            raise AssertionError("a room with a command in progress is held")
        held.in_progress -= 1

    def _drop_oldest_if_idle(self) -> None:
        room = next(iter(self._held))
        held = self._held.pop(room)
        if held.in_progress or self._in_use(room):
            self._held[room] = held


_LOOKED_AT = 16
