"""Which gates still owe a shard the list of their sessions. Pure: moments are seconds of a monotonic clock, given by
the caller."""

from __future__ import annotations

import math

from schemas.ids import GateId


class Rosters:
    """Which gates still owe a shard the list of their sessions.

    Until one has answered, or is gone, every fan-out includes it: a gate ignores rooms it does not hold, so nothing is
    missed. Presence waits for it too, but not for ever: once its time is over it is asked again and presence goes on.
    It also waits until every gate had time to be heard of.

    A roster travels through the shard's queue but its end (`RosterDone`) beside it: it counts only after everything
    that stood in the queue when it came is decided. To be taken up is not enough: an `attach` may wait for its room.
    """

    def __init__(self) -> None:
        self._listening_until = math.inf
        self._owing: dict[GateId, float] = {}
        self._awaited: set[GateId] = set()
        self._ending: dict[GateId, int] = {}
        self._taken_up = 0
        self._undecided: dict[int, int] = {}
        self._known: set[GateId] = set()

    def listen(self, until: float) -> None:
        """The shard is this worker's now; by `until` every gate that lives has been heard of."""
        self._listening_until = until

    def ask(self, gate: GateId, until: float) -> bool:
        """A gate owes its roster and has time until `until`; False when it has told it already."""
        if gate in self._known:
            return False
        self._owing[gate] = until
        self._awaited.add(gate)
        return True

    def receive_done(self, gate: GateId, deliveries_before: int) -> None:
        """The gate has sent all; that many deliveries have yet to be taken up before all has arrived."""
        self._known.add(gate)
        if gate in self._owing:
            self._ending[gate] = self._taken_up + deliveries_before
            self._settle()

    def receive_delivery(self, tag: int) -> None:
        """A delivery of the shard was taken up."""
        self._taken_up += 1
        self._undecided[tag] = self._taken_up

    def receive_decided(self, tag: int) -> None:
        """A delivery was decided, or set aside."""
        self._undecided.pop(tag, None)
        if self._ending:
            self._settle()

    def forget(self, gate: GateId) -> None:
        """The gate is gone; should it come back, it owes again."""
        self._known.discard(gate)
        self._excuse(gate)

    def overdue(self, now: float, until: float) -> list[GateId]:
        """The gates whose time is over and that must be asked again; they have until `until` now. Presence no longer
        waits for them."""
        late = [gate for gate, moment in self._owing.items() if moment <= now]
        for gate in late:
            self._owing[gate] = until
            self._awaited.discard(gate)
        return late

    def owing(self) -> list[GateId]:
        """The gates whose roster is not known."""
        return list(self._owing)

    def awaits_any(self, now: float) -> bool:
        """Presence waits: for some gate's roster, or to hear of gates at all."""
        return bool(self._awaited) or now < self._listening_until

    def _settle(self) -> None:
        decided = next(iter(self._undecided.values()), self._taken_up + 1) - 1
        for gate in [gate for gate, last in self._ending.items() if last <= decided]:
            self._excuse(gate)

    def _excuse(self, gate: GateId) -> None:
        self._owing.pop(gate, None)
        self._ending.pop(gate, None)
        self._awaited.discard(gate)
