"""Who is a member of the room, who is there now, what they say of themselves, and who has read what. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from clients.cli.lines import Line, notice
from clients.cli.wire import AnyEvent
from schemas.commands import SaidStatus
from schemas.events import MemberBanned, MemberChanged, MemberJoined, MemberLeft
from schemas.frames import Attached
from schemas.roles import Role, Status
from schemas.signals import PresenceChange, PresenceSignal, ReceiptSignal

READERS_TOLD: Final = 5
"""In rooms of more members nobody wants to hear who has read what."""
STATES: Final = {Status.AWAY: "away", Status.DND: "not to be disturbed"}


@dataclass(frozen=True, slots=True)
class Person:
    """A member. `said` is what one who is here says of themselves, if anything."""

    role: Role
    online: bool = False
    said: SaidStatus | None = None


class Company:
    """The people of one room, as far as this client was told of them.

    Attributes:
        count: how many members there are; more than are known where there are many.
        online_count: how many of them are here.
    """

    def __init__(self) -> None:
        self.count = 0
        self.online_count = 0
        self._people: dict[str, Person] = {}
        self._own_last = 0
        self._readers: set[str] = set()

    @property
    def known(self) -> bool:
        """Whether anybody was met yet."""
        return bool(self._people)

    def meet(self, frame: Attached) -> None:
        """The room says who is there."""
        self.count = frame.member_count
        self._people = {view.user: Person(view.role, view.online, view.status) for view in frame.members}
        self.online_count = sum(person.online for person in self._people.values())

    def receive_event(self, event: AnyEvent | None) -> None:
        """An event changed who is a member."""
        match event:
            case MemberJoined() if event.user not in self._people:
                self._people[event.user] = Person(event.role)
                self.count += 1
            case MemberChanged(role=Role() as role) if event.user in self._people:
                self._people[event.user] = replace(self._people[event.user], role=role)
            case MemberLeft() | MemberBanned():
                self.count -= event.user in self._people
                self._people.pop(event.user, None)
            case _:
                pass

    def receive_presence(self, signal: PresenceSignal, me: str) -> list[Line]:
        """Members came, went, or said something of themselves; how that is told."""
        self.online_count = signal.online_count
        before = dict(self._people)
        if signal.anew:
            self._people = {user: replace(person, online=False) for user, person in before.items()}
        lines = []
        for change in signal.changes:
            was = before.get(change.user, Person(Role.MEMBER))
            now = self._people[change.user] = _changed(was, change)
            told = _told(change, was, now)
            if told and change.user != me:
                lines.append(notice(told))
        return lines

    def receive_own(self, seq: int) -> None:
        """One's own latest message stands at `seq`."""
        self._own_last = max(self._own_last, seq)
        self._readers.clear()

    def receive_receipt(self, signal: ReceiptSignal, me: str) -> list[Line]:
        """Told once for each reader of one's latest message, and only among few."""
        new = signal.user != me and signal.user not in self._readers
        if not new or not 0 < self._own_last <= signal.read or self.count > READERS_TOLD:
            return []
        self._readers.add(signal.user)
        return [notice(f"{signal.user} has read #{self._own_last}")]

    def line(self) -> Line:
        """Who is a member, those here now first."""
        here = [self._word(user) for user, person in sorted(self._people.items()) if person.online]
        away = [self._word(user) for user, person in sorted(self._people.items()) if not person.online]
        unnamed = self.online_count - len(here)
        more = self.count - len(self._people)
        parts = [
            f"here: {', '.join(here) or 'nobody'}" + (f" and {unnamed} more" if unnamed > 0 else ""),
            f"away: {', '.join(away)}" if away else "",
            f"and {more} more" if more > 0 else "",
        ]
        return notice("; ".join(filter(None, parts)))

    def _word(self, user: str) -> str:
        person = self._people[user]
        role = "" if person.role is Role.MEMBER else person.role
        notes = [role, status_words(person.said) if person.online else ""]
        told = ", ".join(filter(None, notes))
        return f"{user} ({told})" if told else user


def status_words(said: SaidStatus | None) -> str:
    """What somebody says of themselves, in a few words; empty for one who is simply here."""
    if said is None:
        return ""
    return " ".join(filter(None, (STATES.get(said.state, ""), said.mood, said.text)))


def _changed(was: Person, change: PresenceChange) -> Person:
    online = change.state is not Status.OFFLINE
    said = SaidStatus(state=change.state, mood=change.mood or "", text=change.text or "") if online else None
    return replace(was, online=online, said=said)


def _told(change: PresenceChange, was: Person, now: Person) -> str | None:
    words = status_words(now.said)
    if was.online and not now.online:
        return f"{change.user} went away" + (f" ({change.reason.replace('_', ' ')})" if change.reason else "")
    if now.online and not was.online:
        return f"{change.user} is here" + (f": {words}" if words else "")
    if words != status_words(was.said):
        return f"{change.user} is {words or 'back'}"
    return None
