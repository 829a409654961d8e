"""Token buckets. Time is an argument, in seconds of any steady clock."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Bucket:
    """Allows `rate` a second in the long run and `burst` at once."""

    rate: float
    burst: float
    _level: float = field(init=False)
    _filled_at: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._level = self.burst

    def take(self, now: float) -> float:
        """Take one. 0 when it was there, else the seconds until it will be; nothing is taken then."""
        if now > self._filled_at:
            self._level = min(self.burst, self._level + (now - self._filled_at) * self.rate)
            self._filled_at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self.rate
