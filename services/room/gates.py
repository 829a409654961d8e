"""The gates that live, by their heartbeats. Pure: moments are seconds of a monotonic clock, given by the caller."""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.ids import GateId

MISSED_HEARTBEATS: Final = 3


class Gates:
    """The gates that live, by their heartbeats; three missed ones and a gate is gone."""

    def __init__(self) -> None:
        self._leases: dict[GateId, Lease] = {}

    def receive_heartbeat(self, gate: GateId, interval_seconds: float, now: float) -> bool:
        """Renew a gate's lease; True when it was not known to live."""
        news = gate not in self._leases
        self._leases[gate] = Lease(interval_seconds, now + MISSED_HEARTBEATS * interval_seconds)
        return news

    def receive_gone(self, gate: GateId) -> bool:
        """A gate said good-bye; False when it was not known."""
        return self._leases.pop(gate, None) is not None

    def receive_silence(self, now: float) -> None:
        """Nothing at all can be heard, which is nobody's fault: every lease begins anew."""
        for gate, lease in self._leases.items():
            self.receive_heartbeat(gate, lease.interval_seconds, now)

    def expire(self, now: float) -> list[GateId]:
        """Forget the gates whose lease is over, and name them."""
        lost = [gate for gate, lease in self._leases.items() if lease.until <= now]
        for gate in lost:
            del self._leases[gate]
        return lost

    def alive(self) -> list[GateId]:
        """All gates that live."""
        return list(self._leases)


class Lease(NamedTuple):
    """How long a gate counts as alive without another word."""

    interval_seconds: float
    until: float
