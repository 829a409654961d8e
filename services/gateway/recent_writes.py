"""How far each user has written lately, so that their next page shows it (read your writes through one gate)."""

from __future__ import annotations

from collections import OrderedDict

from schemas.ids import RoomId, UserId


class RecentWrites:
    """The newest accepted seq of (user, room), and the room each user wrote to last; bounded, the longest untouched is
    forgotten first."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._seqs: OrderedDict[tuple[UserId, RoomId], int] = OrderedDict()
        self._rooms: OrderedDict[UserId, RoomId] = OrderedDict()

    def note(self, user: UserId, room: RoomId, seq: int) -> None:
        """The user's command was accepted at `seq`; a repeated one is told the place it had first."""
        self._seqs[user, room] = max(seq, self._seqs.get((user, room), 0))
        self._seqs.move_to_end((user, room))
        self._rooms[user] = room
        self._rooms.move_to_end(user)
        if len(self._seqs) > self._limit:
            self._seqs.popitem(last=False)
        if len(self._rooms) > self._limit:
            self._rooms.popitem(last=False)

    def through(self, user: UserId, room: RoomId) -> int | None:
        """What a read of this user should include."""
        return self._seqs.get((user, room))

    def last(self, user: UserId) -> tuple[RoomId, int] | None:
        """What a list of this user's rooms should include."""
        room = self._rooms.get(user)
        seq = self._seqs.get((user, room)) if room is not None else None
        return (room, seq) if room is not None and seq is not None else None
