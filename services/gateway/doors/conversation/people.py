"""Who takes part in a conversation, as far as one socket was told. Pure.

The first `LISTED` participants are known by name; in a larger conversation the others are counted only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from schemas.roles import Status
from services.gateway.doors.conversation.asking import Frame

LISTED: Final = 100


def person(user: str) -> Frame:
    """A user in both spellings of older clients. There is no other name than the id."""
    return {"participantId": user, "displayName": user, "id": user, "name": user, "type": "human"}


@dataclass(slots=True)
class People:
    """`count` members, of whom `listed` (by user: role) are known, and who of these is there."""

    count: int = 0
    listed: dict[str, str] = field(default_factory=dict)
    online: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, attached: Frame) -> People:
        """As the room told them at `attached`."""
        members = attached["members"][:LISTED]
        return cls(
            count=attached["member_count"],
            listed={member["user"]: member["role"] for member in members},
            online={member["user"] for member in members if member.get("online")},
        )

    @property
    def complete(self) -> bool:
        """Whether everybody is known by name."""
        return len(self.listed) == self.count

    def join(self, user: str, role: str) -> None:
        """One more."""
        if self.complete and len(self.listed) < LISTED:
            self.listed[user] = role
        self.count += 1

    def leave(self, user: str) -> bool:
        """One less; False for somebody who is known not to take part."""
        if self.complete and user not in self.listed:
            return False
        self.listed.pop(user, None)
        self.online.discard(user)
        self.count = max(self.count - 1, len(self.listed))
        return True

    def see(self, user: str, state: str) -> str | None:
        """`join` or `leave`, where somebody came or went with this state; None where nothing changed."""
        here = state != Status.OFFLINE.value
        if here == (user in self.online):
            return None
        if here and (user in self.listed or len(self.online) < LISTED):
            self.online.add(user)
        elif not here:
            self.online.discard(user)
        return "join" if here else "leave"

    def forget_who_is_there(self) -> None:
        """Presence is told anew."""
        self.online.clear()

    def shown(self, user: str) -> Frame:
        """One participant."""
        role = {"role": self.listed[user]} if user in self.listed else {}
        return {**person(user), **role, "isOnline": user in self.online}

    def participants(self, only: Iterable[str] = ()) -> list[Frame]:
        """All of them; where not everybody is known, those of `only` instead, if there are any."""
        named = list(only) if only and not self.complete else list(self.listed)
        return [self.shown(user) for user in named]
