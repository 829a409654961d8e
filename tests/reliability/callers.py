"""Users who say commands: through a door by chance, again and again, until each command comes to its end.

Everything that is said and heard goes into the user's journal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

from services.runtime.broker import wait_or
from tests.reliability.doors.door import WITHOUT_EVENT, Door, No, NoAnswer, Wish, Yes
from tests.reliability.journal import Answered, Asked, Done, Journal, Refused, Unanswered

PAUSE_SECONDS: Final = (0.05, 0.3)


class Patience(NamedTuple):
    """How long to wait for an answer: `hasty_seconds` at the first `hasty_tries`, then `seconds`."""

    seconds: float = 5.0
    hasty_seconds: tuple[float, float] = (0.0, 0.0)
    hasty_tries: int = 0


CALM: Final = Patience()
HASTY: Final = Patience(hasty_seconds=(0.002, 0.05), hasty_tries=4)


class Caller:
    """`outstanding` are the commands that have not come to their end; once `over` is set they never will."""

    def __init__(
        self,
        user: str,
        doors: Sequence[Door],
        chance: Random,
        over: asyncio.Event,
        *,
        patience: Patience = CALM,
    ) -> None:
        self.user = user
        self.journal = Journal()
        self.outstanding: set[str] = set()
        self._doors = doors
        self._chance = chance
        self._over = over
        self._patience = patience

    async def have_done(
        self, verb: str, room: str, command_id: str, *, again: bool = False, **fields: Any
    ) -> Yes | No | None:
        """The end of a command: accepted, or refused for good; None: it never came. `again`: it was said before."""
        self.outstanding.add(command_id)
        wish, tries = Wish(self.user, verb, room, command_id, fields, again), 0
        while not self._over.is_set():
            told = await self._try(wish, self._seconds(tries))
            tries += 1
            if isinstance(told, Yes):
                self.outstanding.discard(command_id)
                self._note_accepted(wish, told)
                return told
            if isinstance(told, No):
                self._note_refused(wish, told)
                if not told.retry:
                    self.outstanding.discard(command_id)
                    return told
            if told is None or not told.definite:
                wish = wish._replace(again=True)
            if tries >= self._patience.hasty_tries:
                await wait_or(self._over, self._chance.uniform(*PAUSE_SECONDS))
        return None

    async def _try(self, wish: Wish, within_seconds: float) -> Yes | No | None:
        door = self._chance.choice(self._doors)
        now, text, user = time.monotonic(), wish.fields.get("text"), wish.fields.get("user")
        self.journal.append(Asked(wish.command_id, wish.room, wish.verb, door.name, wish.again, now, text, user))
        try:
            return await door.say(wish, within_seconds)
        except NoAnswer:
            self.journal.append(Unanswered(wish.command_id, time.monotonic()))
            return None

    def _seconds(self, tries: int) -> float:
        if tries < self._patience.hasty_tries:
            return self._chance.uniform(*self._patience.hasty_seconds)
        return self._patience.seconds

    def _note_accepted(self, wish: Wish, told: Yes) -> None:
        now = time.monotonic()
        if wish.verb in WITHOUT_EVENT or told.seq is None:
            self.journal.append(Done(wish.room, wish.verb, wish.fields.get("seq", 0), wish.command_id, now))
        else:
            self.journal.append(Answered(wish.room, told.epoch, told.seq, wish.command_id, now))

    def _note_refused(self, wish: Wish, told: No) -> None:
        self.journal.append(Refused(told.code, told.retry, told.definite, wish.command_id, time.monotonic()))
