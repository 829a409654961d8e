"""What is said of who is there, in all rooms of a shard: when, how often, and not before it is known (design §5). Pure;
moments are seconds of a monotonic clock.

Nothing here is stored. After a takeover nobody is spoken of until the gates have told who is there; then every room
hears it anew, because whom the former writer spoke of last, and who went with it unsaid, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schemas.commands import SaidStatus
from schemas.ids import RoomId, UserId
from schemas.signals import PresenceSignal
from services.room.agenda import Agenda
from services.room.attendance import GONE, Attendance, View

GATE_LOST: Final = "gate_lost"
ROOMS_AT_ONCE: Final = 50
"""How many rooms are spoken to in one go: a shard that was taken over has thousands with something to say."""


@dataclass(frozen=True, slots=True)
class PresenceRules:
    """How presence is said.

    Attributes:
        grace_seconds: how long one whose last session ended may take to come back.
        per_second: signals a second that a room gets at most.
        limit: above so many members online nobody is named.
    """

    grace_seconds: float
    per_second: int
    limit: int


class Presence:
    """The attendance of each room. A room where nobody is takes no place once it is quiet."""

    def __init__(self, rules: PresenceRules) -> None:
        self._rules = rules
        self._rooms: dict[RoomId, Attendance] = {}
        self._agenda = Agenda()
        self._begun = False
        self._early: dict[tuple[RoomId, UserId], SaidStatus] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def come(self, room: RoomId, user: UserId, status: SaidStatus | None) -> None:
        """The user has a session; `status` is what its gate remembers of them."""
        attendance = self._rooms.setdefault(room, Attendance())
        attendance.come(user, self._early.pop((room, user), status))
        self._plan(room, attendance)

    def say(self, room: RoomId, user: UserId, status: SaidStatus) -> None:
        """A member says how available they are. It lasts while they are there, and is nothing where they are not; only
        after a takeover their gate may not have told yet that they are."""
        attendance = self._rooms.get(room)
        if attendance is not None and user in attendance.here:
            attendance.say(user, status)
            self._plan(room, attendance)
        elif not self._begun:
            self._early[room, user] = status

    def leave(self, room: RoomId, user: UserId, now: float) -> None:
        """The user's last session ended, and they knew."""
        attendance = self._rooms[room]
        attendance.leave(user, now + self._rules.grace_seconds)
        self._plan(room, attendance)

    def lose(self, room: RoomId, user: UserId) -> None:
        """The user's last session ended with its gate, and they cannot know."""
        attendance = self._rooms[room]
        attendance.lose(user, GATE_LOST)
        self._plan(room, attendance)

    def expel(self, room: RoomId, user: UserId) -> None:
        """The user is no member any more, which an event says."""
        attendance = self._rooms.get(room)
        if attendance is not None:
            attendance.forget(user)
            self._plan(room, attendance)

    def begin(self, now: float) -> None:
        """All gates have told, or had their time: from here on presence is said, and every room hears who is there."""
        if self._begun:
            return
        self._begun = True
        self._early.clear()
        for room, attendance in self._rooms.items():
            attendance.begin_anew()
            self._agenda.put(room, now)

    def next_due(self) -> float | None:
        """When `signals` may have something to say; None: not before something happens."""
        return self._agenda.next_due()

    def signals(self, now: float) -> list[PresenceSignal]:
        """What is to be said by now, one signal for each of a bounded number of rooms."""
        said = [self._signal(room, now) for room in self._agenda.take_due(now, ROOMS_AT_ONCE)]
        return [signal for signal in said if signal is not None]

    def view(self, room: RoomId, user: UserId) -> View:
        """How others see the user."""
        attendance = self._rooms.get(room)
        return attendance.view(user) if attendance is not None else GONE

    def seen(self, room: RoomId) -> Iterator[UserId]:
        """Those others see to be there, first come first."""
        attendance = self._rooms.get(room)
        return attendance.seen() if attendance is not None else iter(())

    def is_crowded(self, room: RoomId) -> bool:
        """So many are online that nobody is named."""
        attendance = self._rooms.get(room)
        return attendance is not None and attendance.online > self._rules.limit

    def _signal(self, room: RoomId, now: float) -> PresenceSignal | None:
        attendance = self._rooms[room]
        attendance.expire(now)
        signal = attendance.signal(room, limit=self._rules.limit) if attendance.quiet_until <= now else None
        if signal is not None:
            attendance.quiet_until = now + 1 / self._rules.per_second
        if attendance.is_empty() and attendance.quiet_until <= now:
            del self._rooms[room]
        else:
            self._plan(room, attendance)
        return signal

    def _plan(self, room: RoomId, attendance: Attendance) -> None:
        due = attendance.next_due()
        if due is not None:
            self._agenda.put(room, due)
