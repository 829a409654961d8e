"""Questions for commands that do not stay: asked again, under the same command_id, until there is an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, Final, TypeVar

from clients.cli.connection import Link, Trouble, ask, keep_connected, new_command_id
from clients.cli.failure import Failure
from clients.cli.lines import Line
from clients.cli.telling import messages_of
from clients.cli.wire import AnyEvent, EventsPage, Received
from schemas import limits
from schemas.answers import Accepted, Refused
from schemas.errors import Code
from schemas.frames import Rooms
from schemas.queries import RoomView

ASK_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 30.0
AGAIN_SECONDS: Final = 0.5
HISTORY_PAGES: Final = 20

Answer = TypeVar("Answer", bound=Received)
Result = TypeVar("Result")


class Asker:
    """Asks over one link. `again`: this is not the first link it is asked over."""

    def __init__(self, link: Link, *, again: bool) -> None:
        self._link = link
        self._again = again
        self._ids = count(1)

    async def want(self, shape: type[Answer], frame: dict[str, Any]) -> Answer:  # Any: a JSON object
        """Ask until the answer is no "not now". Raises Failure with the sentence of a refusal, LinkClosed."""
        again = self._again
        while True:
            answer = await self._try(frame | ({"retry": True} if again and "command_id" in frame else {}))
            if isinstance(answer, shape):
                return answer
            if not isinstance(answer, Refused) or not answer.retry:
                raise Failure(answer.message if isinstance(answer, Refused) else "the gate gave another answer")
            again = True
            await asyncio.sleep(answer.retry_after_seconds or AGAIN_SECONDS)

    async def _try(self, frame: dict[str, Any]) -> Received:  # Any: a JSON object
        try:
            return await ask(self._link, {"id": next(self._ids), **frame}, ASK_SECONDS)
        except TimeoutError:
            return Refused.of(Code.NO_ANSWER)


async def perform(
    urls: Sequence[str], make_token: Callable[[], str], deed: Callable[[Asker], Awaitable[Result]]
) -> Result:
    """Do a deed over as many links as it takes, within PATIENCE_SECONDS.

    Raises:
        Failure: refused, or not answered in time.
    """
    results: list[Result] = []
    troubles: list[Trouble] = []

    async def serve(link: Link) -> None:
        results.append(await deed(Asker(link, again=bool(troubles))))

    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await keep_connected(urls, make_token, serve, troubles.append)
    except TimeoutError as late:
        raise Failure("no answer came in time; the command may or may not have been applied") from late
    return results[0]


def sending(room: str, text: str) -> Callable[[Asker], Awaitable[Accepted]]:
    """Say something in a room, once however often it is tried."""
    frame = {"type": "send", "room": room, "text": text, "command_id": new_command_id()}

    async def deed(asker: Asker) -> Accepted:
        return await asker.want(Accepted, frame)

    return deed


async def my_rooms(asker: Asker) -> tuple[tuple[RoomView, ...], tuple[RoomView, ...]]:
    """The rooms one is in, and the public ones one is not in."""
    mine = await asker.want(Rooms, {"type": "rooms", "limit": limits.PAGE_EVENTS})
    public = await asker.want(Rooms, {"type": "rooms", "directory": True, "limit": limits.PAGE_EVENTS})
    known = {view.room for view in mine.rooms}
    return mine.rooms, tuple(view for view in public.rooms if view.room not in known)


def last_messages(room: str, wanted: int) -> Callable[[Asker], Awaitable[list[Line]]]:
    """The last messages of a room, oldest first, from as many pages as they fill (at most HISTORY_PAGES)."""

    async def deed(asker: Asker) -> list[Line]:
        events: list[AnyEvent] = []
        for _ in range(HISTORY_PAGES):
            page = await asker.want(EventsPage, _page_before(room, events))
            events[:0] = page.events
            if len(messages_of(events)) >= wanted or not page.events or page.events[0].seq == 1:
                break
        return [line for _, line in messages_of(events)][-wanted:]

    return deed


def _page_before(room: str, events: list[AnyEvent]) -> dict[str, Any]:  # Any: a JSON object
    before = {"before": events[0].seq} if events else {}
    return {"type": "history", "room": room, "limit": limits.PAGE_EVENTS, **before}
