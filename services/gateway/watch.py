"""The times of one connection: when it is pinged, when it is ended and why, and when it is cut. Pure.

Times are seconds of one steady clock, and `FOREVER` is a time that does not come.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from schemas.errors import Code
from services.gateway.bounds import Patience

FOREVER: Final = inf


@dataclass(slots=True)
class Watch:
    """Each `*_due` is when something happens unless the client prevents it. Whoever changes one has the connection
    looked at by `next_due`."""

    patience: Patience
    hello_due: float
    ping_due: float
    idle_due: float
    pong_due: float = FOREVER
    lag_due: float = FOREVER
    expiry_due: float = FOREVER
    cut_due: float = FOREVER

    @classmethod
    def begin(cls, patience: Patience, now: float) -> Watch:
        """A socket is open."""
        return cls(patience, now + patience.hello_seconds, now + patience.ping_seconds, now + patience.idle_seconds)

    def receive_identity(self, now: float, expires_in_seconds: float) -> None:
        """The client said who it is, and for how long that holds."""
        self.hello_due = FOREVER
        self.expiry_due = now + expires_in_seconds
        self.receive_frame(now)

    def receive_frame(self, now: float) -> None:
        """The client asked for something."""
        self.idle_due = now + self.patience.idle_seconds

    def receive_pong(self) -> None:
        """The client is alive."""
        self.pong_due = FOREVER

    def begin_lagging(self, now: float) -> None:
        """Pushes have no place any more. Only the first says when the client must have taken what waits."""
        self.lag_due = min(self.lag_due, now + self.patience.lag_seconds)

    def end_lagging(self) -> None:
        """The client took what waited."""
        self.lag_due = FOREVER

    def begin_closing(self, now: float) -> None:
        """The last word was said: the client has `close_seconds` to go."""
        self.cut_due = min(self.cut_due, now + self.patience.close_seconds)

    def is_ping_due(self, now: float, *, catches_up: bool) -> bool:
        """Whether to ping now; the pong is due from then on. A client that still takes what waits for it is alive."""
        if now >= self.pong_due and catches_up:
            self.pong_due = now + self.patience.pong_seconds
        if now < self.ping_due:
            return False
        self.ping_due = now + self.patience.ping_seconds
        self.pong_due = min(self.pong_due, now + self.patience.pong_seconds)
        return True

    def verdict(self, now: float, *, busy: bool) -> Code | None:
        """Why the connection is over, if it is. `busy`: it is attached to a room or waits for an answer, and so it is
        not idle whatever it asks for."""
        if busy:
            self.receive_frame(now)
        ends = (
            (self.hello_due, Code.UNAUTHENTICATED),
            (self.expiry_due, Code.TOKEN_EXPIRED),
            (self.pong_due, Code.HEARTBEAT_MISSED),
            (self.lag_due, Code.SLOW_CONSUMER),
            (self.idle_due, Code.IDLE_EVICTED),
        )
        return next((code for due, code in ends if now >= due), None)

    def next_due(self, now: float) -> float:
        """When to look again: at the next time of these, and once a second while a cut socket lingers."""
        if self.cut_due < FOREVER:
            return self.cut_due if self.cut_due > now else now + 1
        return min(self.hello_due, self.expiry_due, self.ping_due, self.pong_due, self.lag_due, self.idle_due)
