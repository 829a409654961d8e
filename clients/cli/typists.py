"""Who is writing at the moment, and how often oneself may say so. Pure."""

from __future__ import annotations

from typing import Final

from schemas.signals import TypingSignal

TYPING_EVERY_SECONDS: Final = 3.0


class Typists:
    """Those who write, each until their signal expires or their message comes."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._said_at = float("-inf")

    def at(self, now: float) -> list[str]:
        """Who is writing, by name."""
        return sorted(user for user, until in self._until.items() if until > now)

    def receive(self, signal: TypingSignal, now: float) -> None:
        """Somebody else writes, or stops."""
        self._until[signal.user] = now + signal.expires_seconds if signal.active else now

    def done(self, user: str) -> None:
        """What they wrote is there, or they are gone."""
        self._until.pop(user, None)

    def forget_all(self) -> None:
        """The connection is gone."""
        self._until.clear()

    def may_say(self, now: float) -> bool:
        """Whether the others are to be told that one writes oneself; True counts as said."""
        if now - self._said_at < TYPING_EVERY_SECONDS:
            return False
        self._said_at = now
        return True

    def said(self) -> None:
        """One's own message is out: what one writes next is said at once."""
        self._said_at = float("-inf")
