"""What members tell each other without an event: how far they got, that they write, how available they are. Pure; the
actor's standing and voice are checked before."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from schemas.commands import MarkDelivered, MarkRead, SaidStatus, SetStatus, Typing
from schemas.errors import Code
from schemas.events import Receipt
from schemas.signals import TypingSignal
from services.room.decisions import Decision, Marked, Refusal, Signalled, StatusSaid, Unchanged
from services.room.model import Room

TYPING_SECONDS: Final = 6.0


def mark_read(room: Room, command: MarkRead, now: datetime) -> Decision:
    """What was read has been delivered."""
    return _mark(room, command, now, read=command.seq)


def mark_delivered(room: Room, command: MarkDelivered, now: datetime) -> Decision:
    """What was delivered may be unread."""
    return _mark(room, command, now, read=0)


def typing(room: Room, command: Typing) -> Decision:
    """The actor writes, or stopped."""
    return Signalled(
        TypingSignal(room=room.room, user=command.actor, active=command.active, expires_seconds=TYPING_SECONDS)
    )


def set_status(command: SetStatus) -> Decision:
    """The actor says how available they are."""
    return StatusSaid(SaidStatus(state=command.state, mood=command.mood, text=command.text))


def _mark(room: Room, command: MarkRead | MarkDelivered, now: datetime, *, read: int) -> Decision:
    if command.seq > room.seq:
        return Refusal(Code.MESSAGE_NOT_FOUND)
    member = room.members[command.actor]
    if read <= member.read and command.seq <= member.delivered:
        return Unchanged()
    return Marked(
        Receipt(
            room=room.room,
            epoch=room.epoch,
            user=command.actor,
            read=max(member.read, read),
            delivered=max(member.delivered, command.seq),
            # A receipt older than the membership would be one of an earlier membership, also where the clock went back.
            at=max(now, room.updated_at),
        )
    )
