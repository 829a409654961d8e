"""What is said in a room, and what is done to it afterwards. Pure; the actor's standing is checked before."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas import limits
from schemas.commands import Delete, Edit, React, Send, Unreact
from schemas.errors import Code
from schemas.events import MessageDeleted, MessageEdited, MessagePosted, ReactionAdded, ReactionRemoved
from schemas.ids import UserId
from schemas.roles import Role
from services.room.decisions import Circumstances, Decision, Refusal, Unchanged
from services.room.model import Room, message_id_at
from services.room.roles import may_rule, may_send, outranks
from services.room.standing import head
from services.room.targets import Target


def send(room: Room, role: Role, command: Send, around: Circumstances) -> Decision:
    """A message, perhaps in reply to one that is there."""
    if not may_send(role, command.kind):
        return Refusal(Code.NOT_ALLOWED, f"only a moderator sends messages of kind {command.kind}")
    if command.reply_to is not None and isinstance(refusal := _message(room, command.reply_to, around), Refusal):
        return refusal
    if any(user not in room.members for user in command.mentions):
        return Refusal(Code.MEMBER_NOT_FOUND)
    fields = head(room, command, around.now)
    return MessagePosted(
        message_id=message_id_at(room.room, fields["at"]),
        text=command.text,
        kind=command.kind,
        metadata=command.metadata,
        reply_to=command.reply_to,
        mentions=command.mentions,
        **fields,
    )


def edit(room: Room, role: Role, command: Edit, around: Circumstances) -> Decision:
    """Another text for a message of one's own, or of somebody below."""
    message = _message_to_rule(room, role, command, around)
    if isinstance(message, Refusal):
        return message
    return MessageEdited(target=command.seq, text=command.text, **head(room, command, around.now))


def delete(room: Room, role: Role, command: Delete, around: Circumstances) -> Decision:
    """No text any more for a message of one's own, or of somebody below."""
    message = _message_to_rule(room, role, command, around)
    if isinstance(message, Refusal):
        return message
    return MessageDeleted(target=command.seq, **head(room, command, around.now))


def react(room: Room, command: React, around: Circumstances) -> Decision:
    """A reaction, of a kind that is there already or still has a place."""
    message = _message(room, command.seq, around)
    if isinstance(message, Refusal):
        return message
    if message.has_reacted(command.actor, command.emoji):
        return Unchanged()
    if command.emoji not in message.kinds and len(message.kinds) >= limits.REACTION_KINDS:
        return Refusal(Code.TOO_MANY)
    return ReactionAdded(target=command.seq, emoji=command.emoji, **head(room, command, around.now))


def unreact(room: Room, command: Unreact, around: Circumstances) -> Decision:
    """One's own reaction taken back."""
    message = _message(room, command.seq, around)
    if isinstance(message, Refusal):
        return message
    if not message.has_reacted(command.actor, command.emoji):
        return Unchanged()
    return ReactionRemoved(target=command.seq, emoji=command.emoji, **head(room, command, around.now))


def _message(room: Room, seq: int, around: Circumstances) -> Target | Refusal:
    """The message at a seq, if one stands there that still says something."""
    target = around.target
    if target is None or target.author is None or not 0 < seq <= room.seq or target.deleted:
        return Refusal(Code.MESSAGE_NOT_FOUND)
    return Refusal(Code.MESSAGE_NOT_FOUND) if _has_expired(room, target, around.now) else target


def _message_to_rule(room: Room, role: Role, command: Edit | Delete, around: Circumstances) -> Target | Refusal:
    message = _message(room, command.seq, around)
    if isinstance(message, Refusal) or message.author == command.actor:
        return message
    allowed = may_rule(role) and outranks(role, _role_of_author(room, message.author))
    return message if allowed else Refusal(Code.NOT_ALLOWED, "the message is another's")


def _role_of_author(room: Room, author: UserId | None) -> Role | None:
    return room.role_of(author) if author is not None else None


def _has_expired(room: Room, message: Target, now: datetime) -> bool:
    """What is older than a room keeps its messages is as if deleted, whether history has emptied it yet or not."""
    if room.retention_days is None or message.posted_at is None:
        return False
    return now - message.posted_at >= timedelta(days=room.retention_days)
