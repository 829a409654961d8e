"""What waits behind a gap of one room, in the order in which it came. Events are bounded in number and bytes."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from schemas.answers import AttachAnswer
from services.gateway.session import LiveEvent, Session


class Asked(NamedTuple):
    """A question to the room about these sessions; `whole`: with its answer, all of the room's sessions are known."""

    sessions: tuple[Session, ...]
    whole: bool


class Attachment(NamedTuple):
    """The room's answer to a question."""

    asked: Asked
    answer: AttachAnswer

    @property
    def through(self) -> int:
        """What must have been pushed before this can be."""
        return self.answer.seq


class Top(NamedTuple):
    """How far the room is."""

    seq: int

    @property
    def through(self) -> int:
        """What must have been pushed before this is true here."""
        return self.seq


Held = LiveEvent | Attachment | Top


class Hold:
    """A queue that refuses events beyond its bounds; answers are bounded by the sessions they are for."""

    def __init__(self, events_limit: int, bytes_limit: int) -> None:
        self._items: deque[Held] = deque()
        self._events_limit = events_limit
        self._bytes_limit = bytes_limit
        self._events = 0
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def first(self) -> Held:
        """What comes next."""
        return self._items[0]

    def append(self, event: LiveEvent) -> bool:
        """Put an event behind the others; False when it does not fit."""
        if self._events >= self._events_limit or self._bytes + len(event.frame) > self._bytes_limit:
            return False
        self._count(event, 1)
        self._items.append(event)
        return True

    def append_answer(self, attachment: Attachment) -> None:
        """Put an answer behind the others."""
        self._items.append(attachment)

    def put_back(self, item: Held) -> None:
        """What was taken, or came while nothing waited, stands in front again."""
        self._count(item, 1)
        self._items.appendleft(item)

    def take(self) -> Held:
        """What comes next; it waits no longer."""
        item = self._items.popleft()
        self._count(item, -1)
        return item

    def clear(self) -> list[Held]:
        """Everything, in order; nothing waits any more."""
        items = list(self._items)
        self._items.clear()
        self._events = self._bytes = 0
        return items

    def _count(self, item: Held, sign: int) -> None:
        if isinstance(item, LiveEvent):
            self._events += sign
            self._bytes += sign * len(item.frame)
