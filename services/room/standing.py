"""What every verb of a member asks first: may they know of the room, is it open, may one in their place do this. Pure.

The order of the checks is part of the contract: a stranger to a room that is not public hears `room_not_found`,
whatever they ask (I10), and nobody learns from a refusal what their role does not let them ask.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.commands import ClientCommand, SetRole, SetStatus
from schemas.errors import Code
from schemas.ids import UserId
from schemas.roles import Role, Visibility
from services.room.decisions import Refusal
from services.room.model import Room, next_moment
from services.room.roles import IN_A_CLOSED_ROOM, IN_A_DIRECT_ROOM, WANTS_A_VOICE, may


def standing(room: Room, command: ClientCommand, now: datetime) -> Role | Refusal:
    """The actor's role, if it lets them use the verb in this room at all."""
    role = room.role_of(command.actor)
    if role is None:
        return stranger(room, command.actor, now)
    if room.closed and command.type not in IN_A_CLOSED_ROOM:
        return Refusal(Code.ROOM_CLOSED)
    if room.visibility is Visibility.DIRECT and command.type not in IN_A_DIRECT_ROOM:
        return not_in_a_direct_room()
    if not may(role, command.type) and not _is_about_oneself(command):
        return Refusal(Code.NOT_ALLOWED)
    if _is_read_by_others(command) and room.is_muted(command.actor, now):
        return Refusal(Code.MUTED)
    return role


def stranger(room: Room, user: UserId, now: datetime) -> Refusal:
    """What one who is no member is told."""
    if room.is_banned(user, now):
        return Refusal(Code.BANNED)
    return Refusal(Code.NOT_A_MEMBER if room.visibility is Visibility.PUBLIC else Code.ROOM_NOT_FOUND)


def not_in_a_direct_room() -> Refusal:
    """A direct room is its two members' for ever, and nothing is to be ruled there."""
    return Refusal(Code.NOT_ALLOWED, "a direct room does not know this")


def head(room: Room, command: ClientCommand, now: datetime) -> dict[str, Any]:  # Any: fields of different types
    """What every event of an existing room carries."""
    return {
        "room": room.room,
        "epoch": room.epoch,
        "seq": room.seq + 1,
        "at": next_moment(room, now),
        "actor": command.actor,
        "command_id": command.command_id,
    }


def _is_read_by_others(command: ClientCommand) -> bool:
    """It wants a voice; a status does so with words of one's own."""
    return command.type in WANTS_A_VOICE or (isinstance(command, SetStatus) and bool(command.mood or command.text))


def _is_about_oneself(command: ClientCommand) -> bool:
    """Anybody may lower themselves."""
    return isinstance(command, SetRole) and command.user == command.actor
