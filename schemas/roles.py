"""Roles, visibilities and kinds: the closed choices of rooms and messages."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A member's standing, highest first; `reader` may read only."""

    OWNER = "owner"
    ADMIN = "admin"
    MODERATOR = "moderator"
    MEMBER = "member"
    READER = "reader"


class Visibility(StrEnum):
    """Who may find and enter a room."""

    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"


class MessageKind(StrEnum):
    """What a message is."""

    TEXT = "text"
    MEDIA = "media"
    SYSTEM = "system"


class LeaveReason(StrEnum):
    """Why a member is one no longer."""

    LEFT = "left"
    KICKED = "kicked"


class Status(StrEnum):
    """What a user says of their own availability."""

    ONLINE = "online"
    AWAY = "away"
    DND = "dnd"
    OFFLINE = "offline"
