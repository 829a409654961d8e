"""The frames to send, and which of them still want their answer, by the `id` that comes back with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

ANSWER_SECONDS: Final = 10.0


class Wish(Enum):
    """What a frame asked for."""

    ATTACH = auto()
    JOIN = auto()
    SEND = auto()
    OPENING = auto()
    HOLE = auto()
    HISTORY = auto()
    ROOMS = auto()
    TYPING = auto()
    MARK = auto()
    STATUS = auto()


UNAWAITED: Final = frozenset({Wish.TYPING, Wish.MARK, Wish.STATUS})


@dataclass(frozen=True, slots=True)
class Question:
    """A frame without its answer yet. `count`: how many messages a HISTORY is to show; `command_id` of a SEND."""

    wish: Wish
    until: float
    count: int = 0
    command_id: str | None = None


class Questions:
    """Numbers frames and remembers what each was for."""

    def __init__(self) -> None:
        self._open: dict[int | str, Question] = {}
        self._last_id = 0
        self._frames: list[dict[str, Any]] = []  # Any: JSON objects

    @property
    def none(self) -> bool:
        """Whether every question has its answer that anybody waits for."""
        return all(question.wish in UNAWAITED for question in self._open.values())

    def ask(self, wish: Wish, fields: dict[str, Any], now: float, count: int = 0) -> None:  # Any: a JSON object
        """Put a frame for a wish, numbered, behind those to send."""
        self._last_id += 1
        command_id = fields["command_id"] if wish is Wish.SEND else None
        self._open[self._last_id] = Question(wish, now + ANSWER_SECONDS, count, command_id)
        self._frames.append({"id": self._last_id, **fields})

    def frames_to_send(self) -> list[dict[str, Any]]:  # Any: JSON objects
        """The frames to send, in order; each is given once."""
        frames, self._frames = self._frames, []
        return frames

    def answered(self, number: int | str | None) -> Question | None:
        """What the answer with this id is for; each is given once."""
        return None if number is None else self._open.pop(number, None)

    def overdue(self, now: float) -> list[Question]:
        """The questions that got no answer in time; each is given once."""
        late = [number for number, question in self._open.items() if question.until <= now]
        return [self._open.pop(number) for number in late]

    def wants(self, wish: Wish) -> bool:
        """Whether an answer to such a wish is still to come."""
        return any(question.wish is wish for question in self._open.values())

    def forget(self, *wishes: Wish) -> None:
        """Answers to these are of no use any longer."""
        self._open = {number: question for number, question in self._open.items() if question.wish not in wishes}

    def forget_all(self) -> None:
        """The connection is gone: nothing more goes out on it, and no answer will come."""
        self._open.clear()
        self._frames.clear()
