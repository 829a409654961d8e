"""What rooms have yet to hear: sessions that ended here. Kept until the broker has taken it, bounded. No I/O."""

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
    attach_ref: int


Place = tuple[RoomId, ClientId]


class Detaches:
    """The last session of each client in each room that ended and that the room has yet to hear of; a room only ever
    adds sessions by itself, so a lost `detach` would leave the user online for ever.

    Beyond `limit` that wait to be posted the oldest are forgotten, and counted in `forgotten`. Who posts bounds what
    is posted and not confirmed.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._waiting: OrderedDict[Place, Gone] = OrderedDict()
        self._posted: OrderedDict[Place, Gone] = OrderedDict()
        self.forgotten = 0

    def add(self, gone: Gone) -> None:
        """A session ended."""
        self.drop(gone.room, gone.client)
        self._waiting[gone.room, gone.client] = gone
        self._keep_bound()

    def drop(self, room: RoomId, client: ClientId) -> None:
        """The client wants the room again: the new session replaces the one that ended."""
        self._waiting.pop((room, client), None)
        self._posted.pop((room, client), None)

    def to_post(self, count: int) -> list[Gone]:
        """At most `count` of those not posted yet, in the order in which they ended."""
        return list(islice(self._waiting.values(), count))

    def posted(self, gone: Gone) -> None:
        """It is on its way."""
        self.drop(gone.room, gone.client)
        self._posted[gone.room, gone.client] = gone

    def confirmed(self, gone: Gone, *, taken: bool) -> None:
        """The broker has it, or would not take it: then it is to be posted again, behind the others."""
        place = (gone.room, gone.client)
        if self._posted.get(place) != gone:
            return
        del self._posted[place]
        if not taken:
            self._waiting[place] = gone
            self._keep_bound()

    def link_down(self) -> None:
        """The link is gone, and what was not confirmed perhaps with it."""
        self._waiting = OrderedDict([*self._posted.items(), *self._waiting.items()])
        self._posted.clear()
        self._keep_bound()

    def _keep_bound(self) -> None:
        while len(self._waiting) > self._limit:
            self._waiting.popitem(last=False)
            self.forgotten += 1
