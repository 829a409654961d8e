"""Invites: made, bounded, swept and revoked. Pure; the actor's standing is checked before. `membership` takes them."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas import limits
from schemas.commands import Invite, RevokeInvite
from schemas.errors import Code
from schemas.events import InviteCreated, InviteRevoked
from schemas.ids import InviteId
from schemas.roles import Role
from services.room.decisions import Decision, Refusal
from services.room.model import Room
from services.room.roles import outranks
from services.room.standing import head


def invite(room: Room, command: Invite, now: datetime, token: InviteId | None) -> Decision:
    """An invite of a role that any member may see taken up: all of them learn its id. `token` is that id and the
    secret; whoever takes up the command has drawn one. What is worthless by now is forgotten with it."""
    if token is None:
        raise AssertionError("an invite is decided with a token")
    if outranks(command.role, Role.MEMBER):
        return Refusal(Code.NOT_ALLOWED, "an invite makes members or readers, none above")
    expires_at = command.expires_at or now + timedelta(days=limits.INVITE_DAYS)
    if not now < expires_at <= now + timedelta(days=limits.INVITE_LONGEST_DAYS):
        return Refusal(Code.BAD_FIELD, f"an invite ends in the future, within {limits.INVITE_LONGEST_DAYS} days")
    swept = tuple(sorted(each.invite for each in room.invites.values() if each.is_worthless(now)))
    if len(room.invites) - len(swept) >= limits.INVITES:
        return Refusal(Code.TOO_MANY)
    made = {"invite": token, "role": command.role, "expires_at": expires_at, "max_uses": command.max_uses}
    return InviteCreated(**made, swept=swept, **head(room, command, now))


def revoke_invite(room: Room, command: RevokeInvite, now: datetime) -> Decision:
    """An invite is forgotten, whoever made it."""
    if command.invite not in room.invites:
        return Refusal(Code.INVITE_INVALID)
    return InviteRevoked(invite=command.invite, **head(room, command, now))
