"""What an accepted command makes, and with which codes a room may refuse it: one table of all verbs that people and
gates use. The codes of doors and workers (`overloaded`, `no_answer` ...) can meet any command and are not repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.errors import Code


@dataclass(frozen=True, slots=True)
class VerbSpec:
    """One verb.

    Attributes:
        event: the numbered event that an accept makes, unless everything is already as the command wants it.
        signal: what the members hear instead, unnumbered.
        refusals: the codes that the room may give; those of an `attach` are told for each session.
    """

    event: str | None
    signal: str | None
    refusals: frozenset[Code]


_TO_MEMBERS: Final = (Code.ROOM_NOT_FOUND, Code.NOT_A_MEMBER, Code.BANNED)
_WHILE_OPEN: Final = (*_TO_MEMBERS, Code.ROOM_CLOSED, Code.NOT_ALLOWED)
_WITH_A_VOICE: Final = (*_WHILE_OPEN, Code.MUTED)


def _makes(event: str, *refusals: Code) -> VerbSpec:
    return VerbSpec(event, None, frozenset(refusals))


def _signals(signal: str, *refusals: Code) -> VerbSpec:
    return VerbSpec(None, signal, frozenset(refusals))


VERBS: Final[dict[str, VerbSpec]] = {
    # the room itself
    "create": _makes("room_created", Code.BAD_FIELD, Code.ROOM_EXISTS, Code.ROOM_FULL),
    "update": _makes("room_updated", *_WHILE_OPEN, Code.BAD_FIELD),
    "close": _makes("room_closed", *_WHILE_OPEN),
    # members
    "join": _makes(
        "member_joined",
        Code.ROOM_NOT_FOUND,
        Code.ROOM_CLOSED,
        Code.NOT_ALLOWED,
        Code.ALREADY_A_MEMBER,
        Code.BANNED,
        Code.INVITE_INVALID,
        Code.ROOM_FULL,
    ),
    "leave": _makes("member_left", *_WHILE_OPEN, Code.MEMBER_NOT_FOUND, Code.LAST_OWNER),
    "add": _makes("member_joined", *_WHILE_OPEN, Code.ALREADY_A_MEMBER, Code.ROOM_FULL),
    "kick": _makes("member_left", *_WHILE_OPEN, Code.MEMBER_NOT_FOUND),
    "ban": _makes("member_banned", *_WHILE_OPEN, Code.BAD_FIELD, Code.TOO_MANY),
    "unban": _makes("member_unbanned", *_WHILE_OPEN, Code.NOT_BANNED),
    "set_role": _makes("member_changed", *_WHILE_OPEN, Code.MEMBER_NOT_FOUND, Code.LAST_OWNER),
    "mute": _makes("member_changed", *_WHILE_OPEN, Code.MEMBER_NOT_FOUND, Code.BAD_FIELD),
    "unmute": _makes("member_changed", *_WHILE_OPEN, Code.MEMBER_NOT_FOUND),
    "invite": _makes("invite_created", *_WHILE_OPEN, Code.BAD_FIELD, Code.TOO_MANY),
    "revoke_invite": _makes("invite_revoked", *_WHILE_OPEN, Code.INVITE_INVALID),
    # messages
    "send": _makes("message_posted", *_WITH_A_VOICE, Code.MESSAGE_NOT_FOUND, Code.MEMBER_NOT_FOUND),
    "edit": _makes("message_edited", *_WITH_A_VOICE, Code.MESSAGE_NOT_FOUND),
    "delete": _makes("message_deleted", *_WHILE_OPEN, Code.MESSAGE_NOT_FOUND),
    "react": _makes("reaction_added", *_WITH_A_VOICE, Code.MESSAGE_NOT_FOUND, Code.TOO_MANY),
    "unreact": _makes("reaction_removed", *_WHILE_OPEN, Code.MESSAGE_NOT_FOUND),
    # without an event
    "mark_read": _signals("receipt", *_TO_MEMBERS, Code.MESSAGE_NOT_FOUND),
    "mark_delivered": _signals("receipt", *_TO_MEMBERS, Code.MESSAGE_NOT_FOUND),
    "typing": _signals("typing", *_WITH_A_VOICE),
    "set_status": _signals("presence", *_TO_MEMBERS, Code.MUTED),
    # of gates
    "attach": _signals("presence", *_TO_MEMBERS, Code.BAD_FIELD),
    "detach": _signals("presence"),
}
"""Every verb but those of operators."""
