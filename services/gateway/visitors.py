"""Who is at this gate, by address and by user, and what each may still do. Pure: time is an argument.

Tables of counts hold only who is here; tables of rates are bounded, and swept by `sweep`.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.limits import Buckets, Counts, Limit


@dataclass(frozen=True, slots=True)
class VisitorLimits:
    """Bounds of design §9 that hold for more than one connection. Rates are a second; `remembered` bound the tables."""

    connections: int
    connections_per_address: int
    connects_per_address_rate: float
    connects_per_address_burst: float
    connections_per_user: int
    user_rate: float
    user_burst: float
    reads_per_user: int
    users_remembered: int
    addresses_remembered: int


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The limit that was hit, and the seconds until trying again may help, where these are known."""

    limit: Limit
    wait_seconds: float | None = None


class Visitors:
    """Connections are `admit`ted, then `enter` and `leave`; users are `take_place`d once for each connection."""

    def __init__(self, bounds: VisitorLimits) -> None:
        self._bounds = bounds
        self._connections = 0
        self._of_address = Counts(bounds.connections_per_address)
        self._of_user = Counts(bounds.connections_per_user)
        self._connects = Buckets(
            bounds.connects_per_address_rate, bounds.connects_per_address_burst, bounds.addresses_remembered
        )
        self._asks = Buckets(bounds.user_rate, bounds.user_burst, bounds.users_remembered)
        self._reads = Counts(bounds.reads_per_user)

    def admit(self, address: str, now: float) -> TurnedAway | None:
        """Whether this address may open one more connection: asked once for each handshake."""
        wait = self._connects.take(address, now)
        if wait > 0:
            return TurnedAway(Limit.CONNECTS_PER_ADDRESS, wait)
        if self._of_address.is_full(address):
            return TurnedAway(Limit.CONNECTIONS_PER_ADDRESS)
        if self._connections >= self._bounds.connections:
            return TurnedAway(Limit.CONNECTIONS_PER_GATE)
        return None

    def enter(self, address: str) -> None:
        """A connection of this address is open, which was admitted in this very moment."""
        if not self._of_address.take(address):
            raise AssertionError(f"{address} was not admitted")
        self._connections += 1

    def leave(self, address: str) -> None:
        """One that entered is gone."""
        self._connections -= 1
        self._of_address.release(address)

    def take_place(self, user: str) -> bool:
        """One more connection is this user's; False when they have all they may."""
        return self._of_user.take(user)

    def give_place(self, user: str) -> None:
        """One of the user's connections is gone."""
        self._of_user.release(user)

    def ask(self, user: str, now: float) -> float:
        """The user wants something of us, by whatever door: 0, or the seconds until they may."""
        return self._asks.take(user, now)

    def begin_read(self, user: str) -> bool:
        """One more read of this user is in flight; False when as many are as may be."""
        return self._reads.take(user)

    def end_read(self, user: str) -> None:
        """It is answered."""
        self._reads.release(user)

    def sweep(self, now: float) -> None:
        """Forget who has been quiet."""
        self._connects.sweep(now)
        self._asks.sweep(now)
