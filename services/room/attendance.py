"""Who is in one room, as its members see it: who came and went, what they said of themselves, and what of it has not
been said to the others yet. Pure; moments are seconds of a monotonic clock.

Bounded by the room: one entry for each member who is there, and one for each whose change is not said yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, NamedTuple

from schemas import limits
from schemas.commands import SaidStatus
from schemas.ids import RoomId, UserId
from schemas.roles import Status
from schemas.signals import PresenceChange, PresenceSignal

CHANGE_BYTES: Final = 50
"""What a change takes beside its texts, about."""


class View(NamedTuple):
    """How others see a member."""

    state: Status
    mood: str = ""
    text: str = ""

    @property
    def is_there(self) -> bool:
        """Others see that the member is there."""
        return self.state is not Status.OFFLINE


GONE: Final = View(Status.OFFLINE)
THERE: Final = View(Status.ONLINE)


class Unsaid(NamedTuple):
    """A change that is not said yet: how the member was seen before, and why they are gone, where they did not go by
    themselves."""

    was: View
    reason: str | None = None


@dataclass(slots=True)
class Attendance:
    """One room.

    Attributes:
        here: who has a session, or had one a moment ago, and what they said of themselves.
        leaving: those of them without a session, and until when they may still come back; earliest first.
        unsaid: whose change is not said yet.
        online: how many are seen to be there.
        anew: nobody knows yet who is here.
        counting: the last signal only said how many.
        counted: how many it said.
        quiet_until: the next signal may not go out before.
    """

    here: dict[UserId, SaidStatus | None] = field(default_factory=dict)
    leaving: dict[UserId, float] = field(default_factory=dict)
    unsaid: dict[UserId, Unsaid] = field(default_factory=dict)
    online: int = 0
    anew: bool = False
    counting: bool = False
    counted: int = 0
    quiet_until: float = 0.0

    def view(self, user: UserId) -> View:
        """How others see the user."""
        if user not in self.here:
            return GONE
        said = self.here[user]
        if said is None:
            return THERE
        return GONE if said.state is Status.OFFLINE else View(said.state, said.mood, said.text)

    def seen(self) -> Iterator[UserId]:
        """Those others see to be there, first come first."""
        return (user for user in self.here if self.view(user).is_there)

    def come(self, user: UserId, said: SaidStatus | None) -> None:
        """The user has a session. What they said here before counts more than what their gate remembers."""
        self.leaving.pop(user, None)
        if self.here.get(user) is None:
            self._put(user, said)

    def say(self, user: UserId, said: SaidStatus) -> None:
        """One who is here says how available they are."""
        self._put(user, said)

    def leave(self, user: UserId, until: float) -> None:
        """The user's last session ended; they have until then to come back."""
        self.leaving[user] = until

    def lose(self, user: UserId, reason: str) -> None:
        """The user is gone from here, and does not know it."""
        self._remove(user, reason)

    def forget(self, user: UserId) -> None:
        """The user has no business here any more; nothing is said about them again."""
        self._remove(user)
        self.unsaid.pop(user, None)

    def expire(self, now: float) -> None:
        """Whose time to come back is over is gone."""
        for user in [each for each, _ in takewhile(lambda leave: leave[1] <= now, self.leaving.items())]:
            self._remove(user)

    def begin_anew(self) -> None:
        """Nobody is thought to know who is here."""
        self.anew = True

    def next_due(self) -> float | None:
        """When something changes by itself, or the next signal may go out, or nothing is left to be remembered here;
        None: not before something happens."""
        moments = [next(iter(self.leaving.values()))] if self.leaving else []
        if self.unsaid or self.anew or (self.counting and self.online != self.counted) or self.is_empty():
            moments.append(self.quiet_until)
        return min(moments, default=None)

    def is_empty(self) -> bool:
        """Nobody is here, and there is nothing to say."""
        return not self.here and not self.unsaid

    def signal(self, room: RoomId, *, limit: int) -> PresenceSignal | None:
        """What is to be said now, as much of it as fits one signal. Above `limit` only how many are here; where they
        are fewer again, or nobody is thought to know, all who are here, anew."""
        if self.online > limit:
            return self._count(room)
        anew = self.counting or self.anew
        if anew:
            self.unsaid, self.anew, self.counting = dict.fromkeys(self.seen(), Unsaid(GONE)), False, False
        changes = tuple(self._take_changes())
        if not changes and not anew:
            return None
        return PresenceSignal(room=room, online_count=self.online, changes=changes, anew=anew)

    def _count(self, room: RoomId) -> PresenceSignal | None:
        news = not self.counting or self.online != self.counted
        self.counting, self.anew, self.counted = True, False, self.online
        self.unsaid.clear()
        return PresenceSignal(room=room, online_count=self.online) if news else None

    def _take_changes(self) -> Iterator[PresenceChange]:
        left = limits.FRAME_BYTES
        for user in list(self.unsaid)[: limits.PRESENCE_CHANGES]:
            view = self.view(user)
            left -= CHANGE_BYTES + sum(len(text.encode()) for text in (user, view.mood, view.text))
            if left < 0:
                return
            reason = self.unsaid.pop(user).reason
            yield PresenceChange(
                user=user, state=view.state, mood=view.mood or None, text=view.text or None, reason=reason
            )

    def _put(self, user: UserId, said: SaidStatus | None) -> None:
        before = self.view(user)
        self.here[user] = said
        self._note(user, before)

    def _remove(self, user: UserId, reason: str | None = None) -> None:
        before = self.view(user)
        self.here.pop(user, None)
        self.leaving.pop(user, None)
        self._note(user, before, reason)

    def _note(self, user: UserId, before: View, reason: str | None = None) -> None:
        """A change that leads back to what was said last is none."""
        now = self.view(user)
        self.online += now.is_there - before.is_there
        was = self.unsaid.get(user, Unsaid(before)).was
        if now == was:
            self.unsaid.pop(user, None)
        else:
            self.unsaid[user] = Unsaid(was, reason)
