"""Who is a member, and who may not be one. Pure; the actor's standing is checked before, but for `join`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas import limits
from schemas.commands import Add, Ban, Join, Kick, Leave, Unban
from schemas.errors import Code
from schemas.events import MemberBanned, MemberJoined, MemberLeft, MemberUnbanned
from schemas.ids import UserId
from schemas.roles import LeaveReason, Role, Visibility
from schemas.state import BanState, InviteState
from services.room.decisions import Decision, Refusal, Unchanged
from services.room.model import Room, has_no_voice
from services.room.roles import outranks
from services.room.standing import head, not_in_a_direct_room


def join(room: Room, command: Join, now: datetime) -> Decision:
    """Who may know of the room, or holds an invite that it made, becomes a member; the first in a room that everybody
    left its owner, since nobody else could rule it."""
    user = command.actor
    invite = room.invites.get(command.invite) if command.invite is not None else None
    if not _may_know(room, user, now) and invite is None:
        return Refusal(Code.ROOM_NOT_FOUND)
    if room.closed:
        return Refusal(Code.ROOM_CLOSED)
    if room.visibility is Visibility.DIRECT:
        return not_in_a_direct_room()
    if user in room.members:
        return Refusal(Code.ALREADY_A_MEMBER)
    refusal = _kept_out(room, command, invite, now)
    if refusal is not None:
        return refusal
    inside = _inside(room, user, invite.role if invite is not None else Role.MEMBER, now)
    return MemberJoined(invite=command.invite, **inside, **head(room, command, now))


def leave(room: Room, role: Role, command: Leave, now: datetime) -> Decision:
    """The last owner goes only with a successor, or as the last member."""
    user, successor = command.actor, command.successor
    if successor is not None and role is not Role.OWNER:
        return Refusal(Code.NOT_ALLOWED, "only an owner names a successor")
    if successor is not None and (successor == user or successor not in room.members):
        return Refusal(Code.MEMBER_NOT_FOUND)
    if successor is None and room.owners() == [user] and len(room.members) > 1:
        return Refusal(Code.LAST_OWNER)
    gone = {"user": user, "kept": _is_kept(room, user, now)}
    return MemberLeft(reason=LeaveReason.LEFT, successor=successor, **gone, **head(room, command, now))


def add(room: Room, command: Add, now: datetime) -> Decision:
    """Somebody else becomes a member; a ban has to be lifted first."""
    if command.user in room.members:
        return Refusal(Code.ALREADY_A_MEMBER)
    if room.is_banned(command.user, now):
        return Refusal(Code.BANNED)
    if room.is_full():
        return Refusal(Code.ROOM_FULL)
    return MemberJoined(**_inside(room, command.user, Role.MEMBER, now), **head(room, command, now))


def kick(room: Room, role: Role, command: Kick, now: datetime) -> Decision:
    """A member of lower standing is one no longer."""
    target = room.role_of(command.user)
    if target is None:
        return Refusal(Code.MEMBER_NOT_FOUND)
    if not outranks(role, target):
        return Refusal(Code.NOT_ALLOWED)
    gone = {"user": command.user, "kept": _is_kept(room, command.user, now)}
    return MemberLeft(reason=LeaveReason.KICKED, text=command.reason, **gone, **head(room, command, now))


def ban(room: Room, role: Role, command: Ban, now: datetime) -> Decision:
    """Who is kept out need not be a member; a ban that stands is replaced. Bans that have ended make place for it."""
    if not outranks(role, room.role_of(command.user)):
        return Refusal(Code.NOT_ALLOWED)
    if command.until is not None and command.until <= now:
        return Refusal(Code.BAD_FIELD, "the ban ends before it begins")
    known, wanted = room.bans.get(command.user), BanState(user=command.user, text=command.reason, until=command.until)
    if known == wanted and command.user not in room.members:
        return Unchanged()
    wants_place = known is None and len(room.bans) >= limits.BANS
    swept = _ended_bans(room, now) if wants_place else ()
    if wants_place and not swept:
        return Refusal(Code.TOO_MANY)
    gone = {"user": command.user, "kept": _is_kept(room, command.user, now)}
    return MemberBanned(text=command.reason, until=command.until, swept=swept, **gone, **head(room, command, now))


def unban(room: Room, command: Unban, now: datetime) -> Decision:
    """A ban is forgotten, also one that has ended by itself: it takes a place."""
    if command.user not in room.bans:
        return Refusal(Code.NOT_BANNED)
    return MemberUnbanned(user=command.user, **head(room, command, now))


def _ended_bans(room: Room, now: datetime) -> tuple[UserId, ...]:
    """Some users whose bans keep nobody out any more."""
    return tuple(sorted(user for user in room.bans if not room.is_banned(user, now))[: limits.BANS_SWEPT])


def _may_know(room: Room, user: UserId, now: datetime) -> bool:
    return room.visibility is Visibility.PUBLIC or user in room.members or room.is_banned(user, now)


def _inside(room: Room, user: UserId, role: Role, now: datetime) -> dict[str, Any]:  # Any: fields of different types
    """Who comes in and as what: who was a reader or muted and went is so again, but where nobody is there whom it was
    for; who is first there rules the room."""
    if not room.members:
        return {"user": user, "role": Role.OWNER}
    former = room.formers.get(user)
    if former is None:
        return {"user": user, "role": role}
    mute = {"muted": True, "until": former.muted_until} if has_no_voice(former, now) else {}
    return {"user": user, "role": Role.READER if former.reader else role, **mute}


def _is_kept(room: Room, user: UserId, now: datetime) -> bool | None:
    """The room has something to remember of a member who goes, and place for it."""
    restricted = room.role_of(user) is Role.READER or room.is_muted(user, now)
    return True if restricted and len(room.formers) < limits.FORMERS else None


def _kept_out(room: Room, command: Join, invite: InviteState | None, now: datetime) -> Refusal | None:
    if room.is_banned(command.actor, now):
        return Refusal(Code.BANNED)
    if command.invite is not None and (invite is None or invite.is_worthless(now)):
        return Refusal(Code.INVITE_INVALID)
    return Refusal(Code.ROOM_FULL) if room.is_full() else None
