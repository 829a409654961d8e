"""Those of a room to whom every event goes straight on: the same bytes for all but a few. Pure.

A push to a thousand sockets must not look at each of them: made once for many events, asked with C loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import attrgetter

from schemas.ids import ClientId
from services.gateway.session import Outlet, Session

_is_paused = attrgetter("paused")


class Live:
    """Sessions in the stage LIVE, in the order of their attach. Made anew when one comes or goes."""

    __slots__ = ("_backlogs", "_outlets", "_places", "_sessions")

    def __init__(self, sessions: Sequence[Session]) -> None:
        self._sessions = sessions
        self._outlets = tuple(session.outlet for session in sessions)
        self._backlogs = tuple(outlet.backlog for outlet in self._outlets)
        self._places = {session.client: place for place, session in enumerate(sessions)}

    def apart(self, senders: Iterable[ClientId]) -> list[Session]:
        """Those who do not simply get the same bytes: these senders, and those whose sockets are full."""
        found = [self._sessions[place] for client in senders if (place := self._places.get(client)) is not None]
        paused = compress(self._sessions, map(_is_paused, self._backlogs))
        return found + [session for session in paused if session not in found]

    def outlets_without(self, apart: Sequence[Session]) -> Sequence[Outlet]:
        """Everybody's outlets but these sessions'."""
        if not apart:
            return self._outlets
        wanted = bytearray(b"\x01") * len(self._outlets)
        for session in apart:
            wanted[self._places[session.client]] = 0
        return tuple(compress(self._outlets, wanted))
