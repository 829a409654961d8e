"""Who may do what to whom, and what works in which room: tables, read by `standing` and the modules of each subject."""

from __future__ import annotations

from typing import Final

from schemas.roles import MessageKind, Role

STANDING: Final = {Role.OWNER: 5, Role.ADMIN: 4, Role.MODERATOR: 3, Role.MEMBER: 2, Role.READER: 1}
STRANGER_STANDING: Final = 0
"""Who is no member, or none any more, counts lowest."""

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
"""The lowest role that may use a verb; on oneself `set_role` is for everybody. `create` and `join` are for those who
are no members; `attach`, `detach` and `inspect` come from gates and operators, who have no role."""

LEAST_TO_SEND: Final = {
    MessageKind.SYSTEM: Role.MODERATOR,
    MessageKind.TEXT: Role.MEMBER,
    MessageKind.MEDIA: Role.MEMBER,
}
"""The lowest role that may send a kind of message: `system` speaks for the room."""

LEAST_TO_RULE: Final = Role.MODERATOR
"""The lowest role that may edit and delete what others wrote."""

WANTS_A_VOICE: Final = frozenset({"send", "edit", "react", "typing"})
"""Verbs that a muted member may not use: what the others would read. Taking back is always free. A `set_status` is
theirs as long as it has no words."""

IN_A_CLOSED_ROOM: Final = frozenset({"mark_read", "mark_delivered", "set_status"})
"""Verbs of members that work in a closed room: reading goes on."""

IN_A_DIRECT_ROOM: Final = frozenset(
    {"update", "send", "edit", "delete", "react", "unreact", "typing", "mark_read", "mark_delivered", "set_status"}
)
"""Verbs that work in a direct room; of `update` what does not change who is in it."""


def may(role: Role, verb: str) -> bool:
    """A member of this role may use the verb at all."""
    return STANDING[role] >= STANDING[LEAST[verb]]


def may_send(role: Role, kind: MessageKind) -> bool:
    """A member of this role may send a message of the kind."""
    return STANDING[role] >= STANDING[LEAST_TO_SEND[kind]]


def may_rule(role: Role) -> bool:
    """A member of this role may edit and delete messages of those below."""
    return STANDING[role] >= STANDING[LEAST_TO_RULE]


def outranks(role: Role, other: Role | None) -> bool:
    """A member of this role stands above one of the other; None is no member."""
    return STANDING[role] > (STRANGER_STANDING if other is None else STANDING[other])


def may_give(role: Role, given: Role) -> bool:
    """A member of this role may give the other to those below: a lower one than their own; an owner gives any."""
    return role is Role.OWNER or outranks(role, given)
