"""The sessions of one shard's rooms: room -> gate -> clients. Pure. Nothing here is stored; all of it is learned anew
from the gates after a takeover (design §5). Bounded by what the gates hold: connections times rooms of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.ids import ClientId, GateId, RoomId, UserId, gate_of


class Held(NamedTuple):
    """A session: whose it is, and by which attach of its gate it came."""

    user: UserId
    ref: int


class Attached(NamedTuple):
    """What an attach made of a room. `taken`: the client has its session by this attach and no later one. `gone`: whose
    last session ended, because the client was theirs before."""

    taken: bool
    gone: UserId | None = None


@dataclass(slots=True)
class RoomSessions:
    """The sessions of one room, by gate, and how many each user has; who came first stands first."""

    gates: dict[GateId, dict[ClientId, Held]] = field(default_factory=dict)
    users: dict[UserId, int] = field(default_factory=dict)

    def attach(self, client: ClientId, held: Held) -> Attached:
        """Add a session, or renew it. One by a later attach stays as it is."""
        clients = self.gates.setdefault(gate_of(client), {})
        before = clients.get(client)
        if before is not None and before.ref > held.ref:
            return Attached(taken=False)
        clients[client] = held
        if before is not None and before.user == held.user:
            return Attached(taken=True)
        self.users[held.user] = self.users.get(held.user, 0) + 1
        return Attached(taken=True, gone=self._leave(before.user) if before is not None else None)

    def detach(self, client: ClientId, ref: int) -> UserId | None:
        """End a session, unless it is by a later attach; the user, when it was their last."""
        held = self.gates.get(gate_of(client), {}).get(client)
        if held is None or held.ref > ref:
            return None
        self._forget(client)
        return self._leave(held.user)

    def expel(self, user: UserId) -> None:
        """End all sessions of a user."""
        for client in [name for clients in self.gates.values() for name, held in clients.items() if held.user == user]:
            self._forget(client)
        self.users.pop(user, None)

    def _forget(self, client: ClientId) -> None:
        gate = gate_of(client)
        del self.gates[gate][client]
        if not self.gates[gate]:
            del self.gates[gate]

    def _leave(self, user: UserId) -> UserId | None:
        self.users[user] -= 1
        if self.users[user]:
            return None
        del self.users[user]
        return user


class Sessions:
    """Of all rooms of a shard. A room or a gate without a session takes no place."""

    def __init__(self) -> None:
        self._rooms: dict[RoomId, RoomSessions] = {}
        self._rooms_of: dict[GateId, set[RoomId]] = {}

    def attach(self, room: RoomId, client: ClientId, user: UserId, ref: int) -> Attached:
        """Add a session. `ref` grows with every attach at the client's gate: a lower one than the session has is late,
        and changes nothing."""
        self._rooms_of.setdefault(gate_of(client), set()).add(room)
        return self._rooms.setdefault(room, RoomSessions()).attach(client, Held(user, ref))

    def detach(self, room: RoomId, client: ClientId, ref: int) -> UserId | None:
        """End a session; the user, when it was their last in the room. One that is not there, or is by a later attach
        than `ref`, is left alone."""
        held = self._rooms.get(room)
        gone = held.detach(client, ref) if held else None
        self._tidy(room, [gate_of(client)])
        return gone

    def expel(self, room: RoomId, user: UserId) -> None:
        """End all sessions of a user in a room."""
        held = self._rooms.get(room)
        if held is not None and user in held.users:
            gates = list(held.gates)
            held.expel(user)
            self._tidy(room, gates)

    def drop_gate(self, gate: GateId) -> list[tuple[RoomId, UserId]]:
        """End all sessions of a gate; whose last session in which room that was."""
        gone = []
        for room in sorted(self._rooms_of.get(gate, ())):
            for client, held in list(self._rooms[room].gates[gate].items()):
                user = self.detach(room, client, held.ref)
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

    def users(self, room: RoomId) -> list[UserId]:
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

    def _tidy(self, room: RoomId, gates: list[GateId]) -> None:
        held = self._rooms.get(room)
        if held is None:
            return
        for gate in [each for each in gates if each in self._rooms_of and each not in held.gates]:
            self._rooms_of[gate].discard(room)
            if not self._rooms_of[gate]:
                del self._rooms_of[gate]
        if not held.gates:
            del self._rooms[room]
