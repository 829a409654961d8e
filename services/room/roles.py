"""Who may do what to whom: one table, read by `decide`. A verb that is not in it needs no standing of its own."""

from __future__ import annotations

from typing import Final

from schemas.roles import MessageKind, Role

STANDING: Final = {Role.OWNER: 5, Role.ADMIN: 4, Role.MODERATOR: 3, Role.MEMBER: 2, Role.READER: 1}

LEAST: Final = {
    # the room itself
    "close": Role.OWNER,
    "update": Role.ADMIN,
    # other people
    "add": Role.MODERATOR,
    "kick": Role.MODERATOR,
    "ban": Role.MODERATOR,
    "unban": Role.MODERATOR,
    "mute": Role.MODERATOR,
    "unmute": Role.MODERATOR,
    "set_role": Role.ADMIN,
    "invite": Role.MODERATOR,
    "revoke_invite": Role.MODERATOR,
    # messages
    "send": Role.MEMBER,
    "edit": Role.MEMBER,
    "delete": Role.MEMBER,
    "react": Role.MEMBER,
    "unreact": Role.MEMBER,
    "typing": Role.MEMBER,
    # oneself
    "leave": Role.READER,
    "mark_read": Role.READER,
    "mark_delivered": Role.READER,
    "set_status": Role.READER,
}
"""The lowest role that may use a verb. `create` and `join` are for those who are no members; `attach` and `detach` come
from a gate, which has no role."""

LEAST_TO_SEND: Final = {
    MessageKind.SYSTEM: Role.MODERATOR,
    MessageKind.TEXT: Role.MEMBER,
    MessageKind.MEDIA: Role.MEMBER,
}
"""The lowest role that may send a kind of message: `system` speaks for the room."""

ONLY_OVER_LOWER: Final = frozenset({"kick", "ban", "mute", "unmute", "set_role"})
"""Verbs that act on another member, and only on one of a lower role."""


def may(role: Role, verb: str) -> bool:
    """A member of this role may use the verb at all."""
    return STANDING[role] >= STANDING[LEAST[verb]]


def may_send(role: Role, kind: MessageKind) -> bool:
    """A member of this role may send a message of the kind."""
    return STANDING[role] >= STANDING[LEAST_TO_SEND[kind]]


def may_do_to(role: Role, verb: str, target: Role) -> bool:
    """A member of this role may use the verb on a member of role `target`."""
    return may(role, verb) and (verb not in ONLY_OVER_LOWER or STANDING[role] > STANDING[target])
