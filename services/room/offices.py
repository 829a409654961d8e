"""A member's role and voice, given and taken by those above. Pure; the actor's standing is checked before."""

from __future__ import annotations

from datetime import datetime

from schemas.commands import Mute, SetRole, Unmute
from schemas.errors import Code
from schemas.events import MemberChanged
from schemas.roles import Role
from services.room.decisions import Decision, Refusal, Unchanged
from services.room.model import Room
from services.room.roles import STANDING, may_give, outranks
from services.room.standing import head


def set_role(room: Room, role: Role, command: SetRole, now: datetime) -> Decision:
    """Another role for one of lower standing, or a lower one for oneself."""
    present = room.role_of(command.user)
    if present is None:
        return Refusal(Code.MEMBER_NOT_FOUND)
    refusal = _not_given(room, role, present, command)
    if refusal is not None:
        return refusal
    if command.role is present:
        return Unchanged()
    return MemberChanged(user=command.user, role=command.role, **head(room, command, now))


def mute(room: Room, role: Role, command: Mute, now: datetime) -> Decision:
    """No voice for one of lower standing; a mute that stands is replaced."""
    refusal = _not_below(room, role, command)
    if refusal is not None:
        return refusal
    if command.until is not None and command.until <= now:
        return Refusal(Code.BAD_FIELD, "the mute ends before it begins")
    member = room.members[command.user]
    if member.muted and member.muted_until == command.until:
        return Unchanged()
    return MemberChanged(user=command.user, muted=True, until=command.until, **head(room, command, now))


def unmute(room: Room, role: Role, command: Unmute, now: datetime) -> Decision:
    """The voice back for one of lower standing."""
    refusal = _not_below(room, role, command)
    if refusal is not None:
        return refusal
    if not room.is_muted(command.user, now):
        return Unchanged()
    return MemberChanged(user=command.user, muted=False, **head(room, command, now))


def _not_below(room: Room, role: Role, command: Mute | Unmute) -> Refusal | None:
    target = room.role_of(command.user)
    if target is None:
        return Refusal(Code.MEMBER_NOT_FOUND)
    return None if outranks(role, target) else Refusal(Code.NOT_ALLOWED)


def _not_given(room: Room, role: Role, present: Role, command: SetRole) -> Refusal | None:
    if command.user != command.actor:
        return None if outranks(role, present) and may_give(role, command.role) else Refusal(Code.NOT_ALLOWED)
    if STANDING[command.role] > STANDING[role]:
        return Refusal(Code.NOT_ALLOWED, "nobody raises themselves")
    last = command.role is not Role.OWNER and room.owners() == [command.user]
    return Refusal(Code.LAST_OWNER) if last else None
