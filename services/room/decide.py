"""What a room makes of a command: one event, an accept without one, or a refusal. Pure; time is an argument.

The order of the checks is everywhere the same: may the actor know of the room; is it open; the actor's standing and
voice; the details. Here stands only who decides which verb.
"""

from __future__ import annotations

from typing import assert_never

from schemas.commands import (
    Add,
    Attach,
    Ban,
    ClientCommand,
    Close,
    Command,
    Create,
    Delete,
    Detach,
    Edit,
    Inspect,
    Invite,
    Join,
    Kick,
    Leave,
    MarkDelivered,
    MarkRead,
    Mute,
    React,
    RevokeInvite,
    Send,
    SetRole,
    SetStatus,
    Typing,
    Unban,
    Unmute,
    Unreact,
    Update,
)
from schemas.errors import Code
from services.room import admission, invites, lifecycle, marks, membership, messages, offices
from services.room.decisions import Circumstances, Decision, Dismissal, Inspected, Refusal
from services.room.model import Room
from services.room.standing import standing


def decide(room: Room | None, command: Command, around: Circumstances) -> Decision:
    """Decide a command; `room` is None when there is no such room.

    Whoever calls has drawn `around.token` for an invite, and asked for `around.target` where the command is about a
    message that can exist and its actor has the standing and the voice for the verb.
    """
    match command:
        case Create():
            return lifecycle.create(room, command, around.now)
        case Detach():
            return Dismissal(command.sessions)
        case _ if room is None:
            return Refusal(Code.ROOM_NOT_FOUND)
        case Attach():
            return admission.attach(room, command, around.now)
        case Inspect():
            return Inspected()
        case Join():
            return membership.join(room, command, around.now)
        case _:
            return _of_a_member(room, command, around)


def _of_a_member(  # noqa: C901, PLR0912 - one line for each verb
    room: Room, command: ClientCommand, around: Circumstances
) -> Decision:
    now, role = around.now, standing(room, command, around.now)
    if isinstance(role, Refusal):
        return role
    match command:
        case Create() | Join():
            raise AssertionError("who is no member needs no standing")
        case Update():
            return lifecycle.update(room, command, now)
        case Close():
            return lifecycle.close(room, command, now)
        case Leave():
            return membership.leave(room, role, command, now)
        case Add():
            return membership.add(room, command, now)
        case Kick():
            return membership.kick(room, role, command, now)
        case Ban():
            return membership.ban(room, role, command, now)
        case Unban():
            return membership.unban(room, command, now)
        case SetRole():
            return offices.set_role(room, role, command, now)
        case Mute():
            return offices.mute(room, role, command, now)
        case Unmute():
            return offices.unmute(room, role, command, now)
        case Invite():
            return invites.invite(room, command, now, around.token)
        case RevokeInvite():
            return invites.revoke_invite(room, command, now)
        case Send():
            return messages.send(room, role, command, around)
        case Edit():
            return messages.edit(room, role, command, around)
        case Delete():
            return messages.delete(room, role, command, around)
        case React():
            return messages.react(room, command, around)
        case Unreact():
            return messages.unreact(room, command, around)
        case MarkRead():
            return marks.mark_read(room, command, now)
        case MarkDelivered():
            return marks.mark_delivered(room, command, now)
        case Typing():
            return marks.typing(room, command)
        case SetStatus():
            return marks.set_status(command)
        case _:
            assert_never(command)
