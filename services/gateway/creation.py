"""The id of a room whose creator named none. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from schemas.ids import RoomId, UserId, checked_user_id, direct_room_id
from schemas.roles import Visibility


def room_to_create(actor: UserId, command_id: str, *, visibility: object, members: object) -> RoomId:
    """The id for a `create` with these fields, which were not checked yet: of a direct room the one that belongs to its
    two members, of any other, or where there are not two, one of its own."""
    other = _other(actor, members) if visibility == Visibility.DIRECT else None
    return room_of_command(actor, command_id) if other is None else direct_room_id(actor, other)


def room_of_command(actor: UserId, command_id: str) -> RoomId:
    """The same for the same command, so that a repeated `create` meets its own room again and makes no second one."""
    return RoomId(sha256(f"{actor}\n{command_id}".encode(errors="replace")).hexdigest()[:20])


def _other(actor: UserId, members: object) -> UserId | None:
    """The one member beside the actor, if there is exactly one."""
    if not isinstance(members, Iterable):
        return None
    try:
        others = {checked_user_id(member) for member in members} - {actor}
    except (TypeError, ValueError):
        return None
    return UserId(others.pop()) if len(others) == 1 else None
