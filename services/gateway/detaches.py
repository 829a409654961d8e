"""What rooms have yet to hear: sessions that ended here. Kept until the link has proved itself, bounded. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import NamedTuple

from schemas.ids import ClientId, RoomId, UserId


class Gone(NamedTuple):
    """A session that is no more."""

    room: RoomId
    client: ClientId
    user: UserId


class Detaches:
    """One entry for each session that ended; a room only ever adds sessions by itself, so a lost `detach` would leave
    the user online for ever. What was posted is kept for `keep_seconds`: the link may turn out to have been dead.

    Beyond `limit` of either kind the oldest are forgotten; `forgotten` counts those that were never posted.
    """

    def __init__(self, *, limit: int, keep_seconds: float) -> None:
        self._limit = limit
        self._keep_seconds = keep_seconds
        self._waiting: OrderedDict[Gone, None] = OrderedDict()
        self._posted: OrderedDict[Gone, float] = OrderedDict()
        self.forgotten = 0

    def add(self, gone: Gone) -> None:
        """A session ended."""
        self.drop(gone)
        self._waiting[gone] = None
        self._keep_bound()

    def drop(self, gone: Gone) -> None:
        """The client wants the room again: telling the room that it left would now be wrong."""
        self._waiting.pop(gone, None)
        self._posted.pop(gone, None)

    def to_post(self, count: int) -> list[Gone]:
        """At most `count` of those not posted yet, in the order in which they ended."""
        return list(islice(self._waiting, count))

    def posted(self, gone: Gone, now: float) -> None:
        """It is on its way."""
        self.drop(gone)
        self._posted[gone] = now
        if len(self._posted) > self._limit:
            self._posted.popitem(last=False)

    def link_down(self) -> None:
        """The link is gone, and what was posted lately perhaps with it."""
        self._waiting = OrderedDict.fromkeys([*self._posted, *self._waiting])
        self._posted.clear()
        self._keep_bound()

    def sweep(self, now: float) -> None:
        """Forget what was posted long enough ago."""
        while self._posted and now - next(iter(self._posted.values())) > self._keep_seconds:
            self._posted.popitem(last=False)

    def _keep_bound(self) -> None:
        while len(self._waiting) > self._limit:
            self._waiting.popitem(last=False)
            self.forgotten += 1
