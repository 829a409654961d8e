"""What a room makes of a command: one event, an accept without one, or a refusal. Pure; time is an argument.

Order of the checks, everywhere: may the actor know of the room; is it open; the actor's standing; the details.
A stranger to a room that is not public hears `room_not_found`, whatever they ask (I10).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.answers import SessionRefused
from schemas.commands import (
    Add,
    Attach,
    Close,
    Command,
    CommandBase,
    Create,
    Detach,
    Inspect,
    Join,
    Kick,
    Leave,
    SaidStatus,
    Send,
    Session,
    Typing,
)
from schemas.errors import Code
from schemas.events import Event, FirstMember, MemberJoined, MemberLeft, MessagePosted, Receipt, RoomClosed, RoomCreated
from schemas.ids import GateId, InviteId, UserId, gate_of
from schemas.roles import LeaveReason, Role, Visibility
from schemas.signals import TypingSignal
from schemas.state import InviteState
from services.room.model import Room, epoch_at, message_id_at, next_moment
from services.room.roles import may, may_do_to, may_send
from services.room.targets import Target

TYPING_SECONDS: Final = 6.0


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision needs beside the room. `target` is the message that the command is about, where it is about one
    that can exist; `token` is a secret that nobody can guess, for an invite."""

    now: datetime
    target: Target | None = None
    token: InviteId | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The room's "no". `message` replaces the sentence of the code."""

    code: Code
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Signalled:
    """Accepted without an event: the signal is all there is to it."""

    signal: TypingSignal


@dataclass(frozen=True, slots=True)
class Marked:
    """A member's marks grew: a record of the log, without a seq."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class StatusSaid:
    """A member says how available they are; presence knows who hears it."""

    status: SaidStatus


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Accepted, and everything is already as the command wants it."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """An operator wants to see the room."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Which sessions of a gate the room takes, and which it does not."""

    sessions: tuple[Session, ...]
    refused: tuple[SessionRefused, ...]


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Sessions that are over."""

    sessions: tuple[Session, ...]


Decision = Event | Refusal | Signalled | Marked | StatusSaid | Unchanged | Inspected | Admission | Dismissal


def decide(  # noqa: C901, PLR0912 - one line for each verb
    room: Room | None, command: Command, around: Circumstances
) -> Decision:
    """Decide a command; `room` is None when there is no such room."""
    now = around.now
    match command:
        case Create():
            return _create(room, command, now)
        case Detach():
            return Dismissal(command.sessions)
        case _ if room is None:
            return Refusal(Code.ROOM_NOT_FOUND)
        case Attach():
            return _attach(room, command, now)
        case Join():
            return _join(room, command, now)
        case Leave():
            return _leave(room, command, now)
        case Add():
            return _add(room, command, now)
        case Kick():
            return _kick(room, command, now)
        case Send():
            return _send(room, command, now)
        case Typing():
            return _typing(room, command, now)
        case Close():
            return _close(room, command, now)
        case Inspect():
            return Inspected()
        case _:
            return Refusal(Code.UNKNOWN_COMMAND)


def _create(room: Room | None, command: Create, now: datetime) -> Decision:
    if room is not None:
        return Refusal(Code.ROOM_EXISTS)
    if not command.title.strip():
        return Refusal(Code.BAD_FIELD, "the title is blank")
    others = sorted(set(command.members) - {command.actor})
    if len(others) + 1 > command.capacity:
        return Refusal(Code.ROOM_FULL)
    return RoomCreated(
        room=command.room,
        epoch=epoch_at(now),
        seq=1,
        at=now,
        actor=command.actor,
        command_id=command.command_id,
        title=command.title,
        visibility=command.visibility,
        capacity=command.capacity,
        topic=command.topic,
        metadata=command.metadata,
        retention_days=command.retention_days,
        members=(
            FirstMember(user=command.actor, role=Role.OWNER),
            *(FirstMember(user=user, role=Role.MEMBER) for user in others),
        ),
    )


def _attach(room: Room, command: Attach, now: datetime) -> Decision:
    judged = [(session, _session_refused(room, session, command, now)) for session in command.sessions]
    return Admission(
        sessions=tuple(session for session, code in judged if code is None),
        refused=tuple(SessionRefused(session=session, code=code) for session, code in judged if code is not None),
    )


def _session_refused(room: Room, session: Session, command: Attach, now: datetime) -> Code | None:
    if gate_of(session.client) != GateId(command.actor):
        return Code.BAD_FIELD
    return None if session.user in room.members else _stranger(room, session.user, now).code


def _join(room: Room, command: Join, now: datetime) -> Decision:
    user, invite = command.actor, _named_invite(room, command)
    if not _may_know(room, user, now) and invite is None:
        return Refusal(Code.ROOM_NOT_FOUND)
    if room.closed:
        return Refusal(Code.ROOM_CLOSED)
    if user in room.members:
        return Refusal(Code.ALREADY_A_MEMBER)
    if room.is_banned(user, now):
        return Refusal(Code.BANNED)
    if command.invite is not None and not _is_good(invite, now):
        return Refusal(Code.INVITE_INVALID)
    if room.is_full():
        return Refusal(Code.ROOM_FULL)
    role = invite.role if invite else Role.MEMBER
    return MemberJoined(user=user, role=role, invite=command.invite, **_head(room, command, now))


def _leave(room: Room, command: Leave, now: datetime) -> Decision:
    role = _standing(room, command, now)
    if isinstance(role, Refusal):
        return role
    user, successor = command.actor, command.successor
    if successor is not None and role is not Role.OWNER:
        return Refusal(Code.NOT_ALLOWED, "only an owner names a successor")
    if successor is not None and (successor == user or successor not in room.members):
        return Refusal(Code.MEMBER_NOT_FOUND)
    if successor is None and room.owners() == [user] and len(room.members) > 1:
        return Refusal(Code.LAST_OWNER)
    return MemberLeft(user=user, reason=LeaveReason.LEFT, successor=successor, **_head(room, command, now))


def _add(room: Room, command: Add, now: datetime) -> Decision:
    role = _standing(room, command, now)
    if isinstance(role, Refusal):
        return role
    if command.user in room.members:
        return Refusal(Code.ALREADY_A_MEMBER)
    if room.is_banned(command.user, now):
        return Refusal(Code.BANNED)
    if room.is_full():
        return Refusal(Code.ROOM_FULL)
    return MemberJoined(user=command.user, role=Role.MEMBER, **_head(room, command, now))


def _kick(room: Room, command: Kick, now: datetime) -> Decision:
    role = _standing(room, command, now)
    if isinstance(role, Refusal):
        return role
    target = room.role_of(command.user)
    if target is None:
        return Refusal(Code.MEMBER_NOT_FOUND)
    if not may_do_to(role, command.type, target):
        return Refusal(Code.NOT_ALLOWED)
    return MemberLeft(user=command.user, reason=LeaveReason.KICKED, text=command.reason, **_head(room, command, now))


def _send(room: Room, command: Send, now: datetime) -> Decision:
    role = _voice(room, command, now)
    if isinstance(role, Refusal):
        return role
    if not may_send(role, command.kind):
        return Refusal(Code.NOT_ALLOWED, f"only a moderator sends messages of kind {command.kind}")
    if command.reply_to is not None and not 0 < command.reply_to <= room.seq:
        return Refusal(Code.MESSAGE_NOT_FOUND)
    if any(user not in room.members for user in command.mentions):
        return Refusal(Code.MEMBER_NOT_FOUND)
    head = _head(room, command, now)
    return MessagePosted(
        message_id=message_id_at(room.room, head["at"]),
        text=command.text,
        kind=command.kind,
        metadata=command.metadata,
        reply_to=command.reply_to,
        mentions=command.mentions,
        **head,
    )


def _typing(room: Room, command: Typing, now: datetime) -> Decision:
    role = _voice(room, command, now)
    if isinstance(role, Refusal):
        return role
    return Signalled(
        TypingSignal(room=room.room, user=command.actor, active=command.active, expires_seconds=TYPING_SECONDS)
    )


def _close(room: Room, command: Close, now: datetime) -> Decision:
    role = _standing(room, command, now)
    if isinstance(role, Refusal):
        return role
    return RoomClosed(**_head(room, command, now))


def _standing(room: Room, command: CommandBase, now: datetime) -> Role | Refusal:
    """The actor's role, if they are a member of an open room whose role allows the verb."""
    role = room.role_of(command.actor)
    if role is None:
        return _stranger(room, command.actor, now)
    if room.closed:
        return Refusal(Code.ROOM_CLOSED)
    return role if may(role, _verb(command)) else Refusal(Code.NOT_ALLOWED)


def _voice(room: Room, command: Send | Typing, now: datetime) -> Role | Refusal:
    """As `_standing`, and the actor is not muted."""
    role = _standing(room, command, now)
    if not isinstance(role, Refusal) and room.is_muted(command.actor, now):
        return Refusal(Code.MUTED)
    return role


def _stranger(room: Room, user: UserId, now: datetime) -> Refusal:
    """What one who is no member is told."""
    if room.is_banned(user, now):
        return Refusal(Code.BANNED)
    return Refusal(Code.NOT_A_MEMBER if room.visibility is Visibility.PUBLIC else Code.ROOM_NOT_FOUND)


def _may_know(room: Room, user: UserId, now: datetime) -> bool:
    return room.visibility is Visibility.PUBLIC or user in room.members or room.is_banned(user, now)


def _named_invite(room: Room, command: Join) -> InviteState | None:
    return room.invites.get(command.invite) if command.invite else None


def _is_good(invite: InviteState | None, now: datetime) -> bool:
    if invite is None or invite.expires_at <= now:
        return False
    return invite.max_uses is None or invite.uses < invite.max_uses


def _verb(command: CommandBase) -> str:
    return str(command.type)  # type: ignore[attr-defined]  # every command has it; the base leaves it to them


def _head(room: Room, command: CommandBase, now: datetime) -> dict[str, Any]:  # Any: fields of different types
    """What every event of an existing room carries."""
    return {
        "room": room.room,
        "epoch": room.epoch,
        "seq": room.seq + 1,
        "at": next_moment(room, now),
        "actor": command.actor,
        "command_id": command.command_id,
    }
