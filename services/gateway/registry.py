"""What a gate holds, counted by user and room. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from schemas.ids import ClientId, RoomId, UserId

Named = TypeVar("Named", UserId, RoomId)


@dataclass(frozen=True, slots=True)
class Held:
    """One connection; `user` is None until it has said who it is. `rooms` are those it has, or awaits, a session in."""

    client: ClientId
    user: UserId | None
    rooms: frozenset[RoomId]


@dataclass(frozen=True, slots=True)
class Census:
    """The connections that were asked for, by client id; their users and rooms, the most connections and sessions
    first, then by name."""

    held: list[Held]
    users: list[tuple[UserId, int]]
    rooms: list[tuple[RoomId, int]]

    @property
    def sessions(self) -> int:
        """Sessions in the rooms counted."""
        return sum(count for _, count in self.rooms)


def take_census(held: Iterable[Held], *, user: UserId | None = None, room: RoomId | None = None) -> Census:
    """Count connections: all, those of one user, those with a session in one room, or both at once."""
    found = [each for each in held if (user is None or each.user == user) and (room is None or room in each.rooms)]
    users = Counter(each.user for each in found if each.user is not None)
    rooms = Counter(one for each in found for one in each.rooms if room is None or one == room)
    return Census(sorted(found, key=lambda each: each.client), _most_first(users), _most_first(rooms))


def _most_first(counted: Counter[Named]) -> list[tuple[Named, int]]:
    return sorted(counted.items(), key=lambda each: (-each[1], each[0]))
