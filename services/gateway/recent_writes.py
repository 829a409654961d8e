"""How far each user has written lately, so that their next page shows it (read your writes through one gate)."""

from __future__ import annotations

from collections import OrderedDict

from schemas.ids import RoomId, UserId


class RecentWrites:
    """The newest accepted seq of (user, room); bounded, the longest untouched is forgotten first."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._seqs: OrderedDict[tuple[UserId, RoomId], int] = OrderedDict()

    def note(self, user: UserId, room: RoomId, seq: int) -> None:
        """The user's command was accepted at `seq`."""
        self._seqs[user, room] = seq
        self._seqs.move_to_end((user, room))
        if len(self._seqs) > self._limit:
            self._seqs.popitem(last=False)

    def through(self, user: UserId, room: RoomId) -> int | None:
        """What a read of this user should include."""
        return self._seqs.get((user, room))
