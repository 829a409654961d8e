"""The id of a room whose creator named none. Pure."""

from __future__ import annotations

from hashlib import sha256

from schemas.ids import RoomId, UserId


def room_of_command(actor: UserId, command_id: str) -> RoomId:
    """The same for the same command, so that a repeated `create` meets its own room again and makes no second one."""
    return RoomId(sha256(f"{actor}\n{command_id}".encode(errors="replace")).hexdigest()[:20])
