"""Getting into a room and being in it: attach, join where one is no member yet, wait where one is put off. Pure."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final

from clients.cli.questions import Questions, Wish
from clients.cli.sequence import Position
from schemas.answers import Refused
from schemas.errors import Code
from schemas.frames import Detached

AGAIN_SECONDS: Final = 1.0
"""The pause before asking again where the refusal names none."""


class Phase(Enum):
    """Where the conversation stands. AWAY: no connection. WAITING: attach was put off. OVER: see `ending`."""

    AWAY = auto()
    WAITING = auto()
    ATTACHING = auto()
    JOINING = auto()
    HERE = auto()
    OVER = auto()


class Entrance:
    """Asks `questions` for what it takes; whoever has been in is not made a member again by it.

    Attributes:
        phase: where it stands.
        ending: why it is over, as a sentence; None where the person wanted it.
    """

    def __init__(self, room: str, questions: Questions, *, join_id: str, invite: str | None) -> None:
        self.phase = Phase.AWAY
        self.ending: str | None = None
        self._room = room
        self._questions = questions
        self._join_id = join_id
        self._invite = invite
        self._joins = 0
        self._was_in = False
        self._leaves = False
        self._again_at = 0.0

    def attach(self, position: Position | None, now: float) -> None:
        """Ask for the room from a position on."""
        frame: dict[str, Any] = {"type": "attach", "room": self._room, "echo": True}  # Any: a JSON object
        if position is not None:
            frame["position"] = {"epoch": position[0], "seq": position[1]}
        self.phase = Phase.ATTACHING
        self._questions.ask(Wish.ATTACH, frame, now)

    def attached(self) -> None:
        """One is in."""
        self.phase = Phase.HERE
        self._was_in = True

    def joined(self, position: Position | None, now: float) -> None:
        """One is a member."""
        self._was_in = True
        self.attach(position, now)

    def refused(self, wish: Wish, frame: Refused, position: Position | None, now: float) -> None:
        """An attach or a join was refused: there may be another way, or a later time."""
        outside = frame.code is Code.NOT_A_MEMBER or (frame.code is Code.ROOM_NOT_FOUND and self._invite is not None)
        if outside and wish is Wish.ATTACH and not self._was_in:
            self._join(now)
        elif frame.code is Code.ALREADY_A_MEMBER:
            self.attach(position, now)
        elif frame.retry:
            self.phase = Phase.WAITING
            self._again_at = now + (frame.retry_after_seconds or AGAIN_SECONDS)
        else:
            self._end(f"cannot enter {self._room}: {frame.message}")

    def is_due(self, now: float) -> bool:
        """Whether an attach that was put off is to be asked again."""
        return self.phase is Phase.WAITING and now >= self._again_at

    def link_lost(self) -> None:
        """The connection is gone."""
        if self.phase is not Phase.OVER:
            self.phase = Phase.AWAY

    def leave(self) -> None:
        """One leaves of one's own wish: being detached is no complaint."""
        self._leaves = True

    def detached(self, frame: Detached) -> None:
        """The room wants one no longer, or one wanted it so."""
        code = f" ({frame.code})" if frame.code else ""
        self._end(None if self._leaves else f"you are no longer in {self._room}{code}")

    def _join(self, now: float) -> None:
        self.phase = Phase.JOINING
        self._joins += 1
        more: dict[str, Any] = {"retry": True} if self._joins > 1 else {}  # Any: a JSON object
        if self._invite is not None:
            more["invite"] = self._invite
        frame = {"type": "join", "room": self._room, "command_id": self._join_id, **more}
        self._questions.ask(Wish.JOIN, frame, now)

    def _end(self, sentence: str | None) -> None:
        self.phase = Phase.OVER
        self.ending = sentence
