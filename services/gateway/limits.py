"""Token buckets and counts, and what each limit is called. Time is an argument, in seconds of any steady clock."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(slots=True)
class Bucket:
    """Allows `rate` a second in the long run and `burst` at once."""

    rate: float
    burst: float
    _level: float = field(init=False)
    _filled_at: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._level = self.burst

    @property
    def filled_at(self) -> float:
        """When it was last looked at."""
        return self._filled_at

    def take(self, now: float) -> float:
        """Take one. 0 when it was there, else the seconds until it will be; nothing is taken then."""
        if now > self._filled_at:
            self._level = min(self.burst, self._level + (now - self._filled_at) * self.rate)
            self._filled_at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self.rate


class Limit(StrEnum):
    """Every limit that a client can run into here: the label of its metric."""

    CONNECTIONS_PER_GATE = "connections_per_gate"
    CONNECTIONS_PER_ADDRESS = "connections_per_address"
    CONNECTS_PER_ADDRESS = "connects_per_address"
    CONNECTIONS_PER_USER = "connections_per_user"
    RATE_PER_CONNECTION = "rate_per_connection"
    RATE_PER_USER = "rate_per_user"
    IN_FLIGHT_PER_CONNECTION = "in_flight_per_connection"
    IN_FLIGHT_PER_USER = "in_flight_per_user"
    IN_FLIGHT_PER_GATE = "in_flight_per_gate"
    ROOMS_PER_CONNECTION = "rooms_per_connection"


class Buckets:
    """A bucket for each name, of which at most `limit` are remembered; who is quiet for longest is forgotten first."""

    def __init__(self, rate: float, burst: float, limit: int) -> None:
        self._rate = rate
        self._burst = burst
        self._limit = limit
        self._known: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, name: str, now: float) -> float:
        """Take one of this name's; as `Bucket.take`."""
        bucket = self._known.get(name)
        if bucket is None:
            bucket = self._known[name] = Bucket(self._rate, self._burst)
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        return bucket.take(now)

    def sweep(self, now: float) -> None:
        """Forget who has been quiet for long enough to have everything again."""
        full_after = self._burst / self._rate
        while self._known:
            name, bucket = next(iter(self._known.items()))
            if now - bucket.filled_at < full_after:
                break
            del self._known[name]

    def __len__(self) -> int:
        return len(self._known)


class Counts:
    """How many of something each name holds, up to `limit`. A name that holds none takes no memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[str, int] = {}

    def is_full(self, name: str) -> bool:
        """Whether the name may hold no more."""
        return self._held.get(name, 0) >= self._limit

    def take(self, name: str) -> bool:
        """Hold one more; False when it may not."""
        if self.is_full(name):
            return False
        self._held[name] = self._held.get(name, 0) + 1
        return True

    def release(self, name: str) -> None:
        """Hold one less: exactly once for every `take` that was True."""
        held = self._held[name] - 1
        if held:
            self._held[name] = held
        else:
            del self._held[name]

    def __len__(self) -> int:
        return len(self._held)
