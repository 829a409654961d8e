"""WebSockets that attach to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

from tests.reliability.doors.door import No, NoAnswer, Overheard, Wish, Yes, answer_of
from tests.reliability.line import Line, NotOpened

OPEN_SECONDS: Final = 10.0


class SocketDoor:
    """WebSockets, one for each user, to any of the gates; a lost one is opened anew with the next command."""

    name = "websocket"

    def __init__(self, gates: Sequence[str], token_of: Callable[[str], str], chance: Random) -> None:
        self._gates = gates
        self._token_of = token_of
        self._chance = chance
        self._lines: dict[str, asyncio.Task[Line]] = {}
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._said = 0
        self.overheard = Overheard()

    def know(self, user: str) -> None:
        """A token is all that they need."""

    async def say(self, wish: Wish, within_seconds: float) -> Yes | No:
        """Raises NoAnswer as every door does."""
        return answer_of(await self.ask(wish.user, wish.body(), within_seconds, wish))

    async def ask(
        self, user: str, frame: Mapping[str, Any], within_seconds: float, wish: Wish | None = None
    ) -> dict[str, Any]:
        """Send any frame, of a `wish` or not; the one that answers it. Raises NoAnswer."""
        self._said += 1
        number = str(self._said)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within_seconds):
                line = await self._line_of(user)
                line.send(id=number, **frame)
                await asyncio.wait([answer, line.lost], return_when=asyncio.FIRST_COMPLETED)
        except (OSError, NotOpened, TimeoutError) as problem:
            raise NoAnswer(repr(problem)) from problem
        finally:
            del self._waiting[number]
            if wish is not None and not answer.done():
                self.overheard.give_up(number, wish)
        if not answer.done():
            raise NoAnswer("the connection ended")
        return answer.result()

    async def close(self) -> None:
        """Cut all of them."""
        for opened in await asyncio.gather(*self._lines.values(), return_exceptions=True):
            if isinstance(opened, Line):
                opened.cut()

    async def _line_of(self, user: str) -> Line:
        """Whoever gives up waiting for a connection does not break it off."""
        opening = self._lines.get(user)
        if opening is None or (opening.done() and (opening.exception() or opening.result().lost.done())):
            opening = self._lines[user] = asyncio.create_task(self._open(user))
        return await asyncio.shield(opening)

    async def _open(self, user: str) -> Line:
        def take(frame: dict[str, Any]) -> None:
            self._take(user, frame)

        def take_garbled(why: str) -> None:
            self.overheard.take_garbled(user, why)

        line = Line(self._chance.choice(self._gates), self._token_of(user), take, take_garbled)
        await line.open(within_seconds=OPEN_SECONDS)
        return line

    def _take(self, user: str, frame: dict[str, Any]) -> None:
        number = str(frame.get("id"))
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)
        elif waiting is None and "id" in frame:
            self.overheard.take_answer(number, frame)
        else:
            self.overheard.take_push(user, frame)
