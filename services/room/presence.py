"""Who is there: the sessions of one shard's rooms, the gates that live, and whose roster is not known yet.

Pure: moments are seconds of a monotonic clock, given by the caller. Nothing here is stored; all of it is learned anew
from the gates after a takeover (design §5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.ids import ClientId, GateId, RoomId, UserId, gate_of

MISSED_HEARTBEATS: Final = 3


@dataclass(slots=True)
class RoomSessions:
    """The sessions of one room, by gate and by user."""

    gates: dict[GateId, dict[ClientId, UserId]] = field(default_factory=dict)
    users: dict[UserId, int] = field(default_factory=dict)

    def attach(self, client: ClientId, user: UserId) -> bool:
        """Add a session; True when it is the user's first. A client known already changes nothing, a client that
        speaks for another user now is that user's."""
        clients = self.gates.setdefault(gate_of(client), {})
        if clients.get(client) == user:
            return False
        self.detach(client)
        self.gates.setdefault(gate_of(client), {})[client] = user
        self.users[user] = self.users.get(user, 0) + 1
        return self.users[user] == 1

    def detach(self, client: ClientId) -> UserId | None:
        """End a session, if there is one; the user, when it was their last."""
        gate = gate_of(client)
        user = self.gates.get(gate, {}).pop(client, None)
        if not self.gates.get(gate, True):
            del self.gates[gate]
        if user is None:
            return None
        self.users[user] -= 1
        if self.users[user]:
            return None
        del self.users[user]
        return user


class Sessions:
    """Room -> gate -> clients, for the rooms of one shard."""

    def __init__(self) -> None:
        self._rooms: dict[RoomId, RoomSessions] = {}
        self._rooms_of: dict[GateId, set[RoomId]] = {}

    def attach(self, room: RoomId, client: ClientId, user: UserId) -> bool:
        """Add a session; True when it is the user's first in the room."""
        self._rooms_of.setdefault(gate_of(client), set()).add(room)
        return self._rooms.setdefault(room, RoomSessions()).attach(client, user)

    def detach(self, room: RoomId, client: ClientId) -> UserId | None:
        """End a session; the user, when it was their last in the room. An unknown client is ignored."""
        held = self._rooms.get(room)
        gone = held.detach(client) if held else None
        self._tidy(room, gate_of(client))
        return gone

    def expel(self, room: RoomId, user: UserId) -> None:
        """End all sessions of a user in a room."""
        held = self._rooms.get(room, RoomSessions())
        for client in [name for clients in held.gates.values() for name, owner in clients.items() if owner == user]:
            self.detach(room, client)

    def drop_gate(self, gate: GateId) -> list[tuple[RoomId, UserId]]:
        """End all sessions of a gate; whose last session in which room that was."""
        gone = []
        for room in sorted(self._rooms_of.get(gate, ())):
            for client in list(self._rooms[room].gates[gate]):
                user = self.detach(room, client)
                if user is not None:
                    gone.append((room, user))
        return gone

    def holds(self, room: RoomId, client: ClientId) -> bool:
        """The client has a session of the room."""
        held = self._rooms.get(room)
        return held is not None and client in held.gates.get(gate_of(client), {})

    def gates(self, room: RoomId) -> list[GateId]:
        """The gates that hold a session of the room."""
        held = self._rooms.get(room)
        return list(held.gates) if held else []

    def is_online(self, room: RoomId, user: UserId) -> bool:
        """The user has a session of the room."""
        held = self._rooms.get(room)
        return held is not None and user in held.users

    def online(self, room: RoomId) -> list[UserId]:
        """The users who have a session of the room, first come first."""
        held = self._rooms.get(room)
        return list(held.users) if held else []

    def counts(self, room: RoomId) -> dict[GateId, int]:
        """How many sessions of the room each gate holds."""
        held = self._rooms.get(room)
        return {gate: len(clients) for gate, clients in held.gates.items()} if held else {}

    def all_gates(self) -> list[GateId]:
        """The gates that hold a session of any room."""
        return list(self._rooms_of)

    def _tidy(self, room: RoomId, gate: GateId) -> None:
        held = self._rooms.get(room)
        if held is not None and gate not in held.gates:
            self._rooms_of.get(gate, set()).discard(room)
        if not self._rooms_of.get(gate, True):
            del self._rooms_of[gate]
        if held is not None and not held.gates:
            del self._rooms[room]


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


class Rosters:
    """Which gates still owe a shard the list of their sessions.

    Until one has answered, or is gone, every fan-out includes it: a gate ignores rooms it does not hold, so nothing is
    missed. Presence waits for it too, but not for ever: once its time is over it is asked again and presence goes on.

    A roster travels through the shard's queue but its end (`RosterDone`) beside it: it counts only after what stood
    in the queue when it came was taken up.
    """

    def __init__(self) -> None:
        self._owing: dict[GateId, float] = {}
        self._awaited: set[GateId] = set()
        self._ending: dict[GateId, int] = {}
        self._known: set[GateId] = set()

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
            self._ending[gate] = deliveries_before
            self._settle()

    def receive_delivery(self) -> None:
        """One delivery of the shard was taken up."""
        if self._ending:
            self._ending = {gate: left - 1 for gate, left in self._ending.items()}
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

    def awaits(self, gate: GateId) -> bool:
        """Presence waits for this gate's roster."""
        return gate in self._awaited

    def awaits_any(self) -> bool:
        """Presence waits for some gate's roster."""
        return bool(self._awaited)

    def _settle(self) -> None:
        for gate in [gate for gate, left in self._ending.items() if left <= 0]:
            self._excuse(gate)

    def _excuse(self, gate: GateId) -> None:
        self._owing.pop(gate, None)
        self._ending.pop(gate, None)
        self._awaited.discard(gate)
