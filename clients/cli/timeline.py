"""What happened in the room, as it is shown: in order, each once, holes filled or said, and marked as read. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clients.cli.hole import HoleWatch
from clients.cli.lines import Line, problem, status
from clients.cli.questions import Questions, Wish
from clients.cli.sequence import Position, Sequence
from clients.cli.telling import line_of, messages_of
from clients.cli.wire import AnyEvent, EventsPage
from schemas import limits

SHOWN_AT_FIRST: Final = 20
FIRST_PAGE: Final = 100
MARK_EVERY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What is shown next: an event, one's own message as its answer placed it, or a word about the showing itself."""

    line: Line | None
    event: AnyEvent | None = None


class Timeline:
    """Takes events and pages in, gives the entries whose turn it is, and asks `questions` for what is missing."""

    def __init__(self, room: str, questions: Questions) -> None:
        self._room = room
        self._questions = questions
        self._sequence: Sequence[Entry] | None = None
        self._shown: Position | None = None
        self._hole = HoleWatch()
        self._marked = 0
        self._marked_at = float("-inf")

    @property
    def position(self) -> Position | None:
        """Up to where nothing is missing; None where the numbering has not begun."""
        if self._sequence is None or self._sequence.seq is None:
            return None
        return self._sequence.epoch, self._sequence.seq

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever shown."""
        return self._shown is None

    @property
    def missing(self) -> bool:
        """Whether something known to have happened was not shown."""
        return self._sequence is not None and self._sequence.missing

    def is_of(self, epoch: str) -> bool:
        """Whether it numbers in this epoch."""
        return self._sequence is not None and self._sequence.epoch == epoch

    def reach(self, seq: int) -> None:
        """The room is at least this far."""
        if self._sequence is not None:
            self._sequence.reach(seq)

    # Beginning

    def attached(self, epoch: str, seq: int, now: float) -> None:
        """The room goes on behind the position, or begins anew."""
        position = self.position
        if position is None or position[0] != epoch:
            self.reload(epoch, seq, now)
        else:
            self.reach(seq)

    def reload(self, epoch: str, seq: int, now: float) -> None:
        """Begin the numbering anew: ask for the latest, and hold what comes meanwhile."""
        if self._questions.wants(Wish.OPENING) and self.is_of(epoch):
            self.reach(seq)
            return
        self._questions.forget(Wish.OPENING, Wish.HOLE)
        self._hole.forget()
        self._marked = 0
        self._sequence = Sequence(epoch, seq)
        self._questions.ask(Wish.OPENING, {"type": "history", "room": self._room, "limit": FIRST_PAGE}, now)

    def open_with(self, page: EventsPage) -> list[Entry]:
        """The latest came; `page` is of the epoch that was asked for."""
        if self._sequence is None:
            raise AssertionError("a numbering that was not begun has no first page")
        last = max((event.seq for event in page.events), default=page.head)
        if self._shown is not None and self._shown[0] == page.epoch:
            last = max(last, self._shown[1])
        return [*self._latest(page, last), *self._handed(self._sequence.start(last))]

    def open_without(self, message: str) -> list[Entry]:
        """The latest cannot be had; what comes from now on can."""
        if self._sequence is None:
            return []
        told = Entry(problem(f"earlier messages cannot be shown: {message}"))
        return [told, *self._handed(self._sequence.start(self._sequence.top))]

    def forget(self) -> None:
        """The epoch is another one by now: the next attach begins anew."""
        self._sequence = None
        self._hole.forget()

    # Going on

    def put(self, seq: int, entry: Entry) -> list[Entry]:
        """Take in what stands at a seq, in the epoch it numbers in."""
        return self._handed(self._sequence.put(seq, entry)) if self._sequence is not None else []

    def receive(self, event: AnyEvent) -> list[Entry]:
        """Take in an event; one of another epoch gives nothing."""
        return self.put(event.seq, Entry(line_of(event), event)) if self.is_of(event.epoch) else []

    def fill_with(self, page: EventsPage, now: float) -> list[Entry]:
        """What was asked for behind a hole came."""
        if not self.is_of(page.epoch):
            return []
        before = self.position
        entries = [entry for event in page.events for entry in self.receive(event)]
        if self.position == before:
            return self.hole_stays(now)
        self._hole.forget()
        return entries

    def hole_stays(self, now: float) -> list[Entry]:
        """It was asked for in vain; in the end it is passed over, and that is said."""
        if self._sequence is None or not self._hole.stays(now):
            return []
        lost, entries = self._sequence.give_up()
        return [Entry(problem(f"{lost} events could not be loaded")), *self._handed(entries)]

    def pause(self) -> None:
        """One is not in the room: whoever lets one in again is given the time to fill a hole."""
        self._hole.forget()

    # Time, while one is in the room

    def watch_hole(self, now: float) -> None:
        """A hole that nothing has filled for a while is asked for."""
        position = self.position
        if position is None or not self.missing:
            self._hole.forget()
        elif self._hole.is_overdue(position[1], now) and not self._questions.wants(Wish.HOLE):
            frame = {"type": "history", "room": self._room, "after": position[1], "limit": limits.PAGE_EVENTS}
            self._questions.ask(Wish.HOLE, frame, now)

    def mark_read(self, now: float) -> None:
        """What was shown was read; the others may know, but not at once for each."""
        epoch, seq = self._shown or ("", 0)
        if self.is_of(epoch) and seq > self._marked and now - self._marked_at >= MARK_EVERY_SECONDS:
            self._marked, self._marked_at = seq, now
            self._questions.ask(Wish.MARK, {"type": "mark_read", "room": self._room, "seq": seq}, now)

    def _handed(self, entries: list[Entry]) -> list[Entry]:
        """These are shown now."""
        self._shown = self.position or self._shown
        return entries

    def _latest(self, page: EventsPage, last: int) -> list[Entry]:
        epoch, seen = self._shown or (page.epoch, 0)
        seen = seen if epoch == page.epoch else 0
        fresh = [Entry(line) for seq, line in messages_of(page.events) if seq > seen]
        told = [] if self._shown is None else [Entry(status(_reloaded(page, seen, last, len(fresh))))]
        return [*told, *fresh[-SHOWN_AT_FIRST:]]


def _reloaded(page: EventsPage, seen: int, last: int, fresh: int) -> str:
    if last <= seen:
        return "the conversation was loaded again"
    skipped = (bool(page.events) and page.events[0].seq > seen + 1) or fresh > SHOWN_AT_FIRST
    return "the conversation was loaded again" + ("; older messages in between: /history" if skipped else "")
