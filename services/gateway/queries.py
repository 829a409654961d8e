"""The query client: reads by `chat.queries`, and the barrier query `hole`, through the log itself, that fills a gap."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

from pydantic import ValidationError

from schemas import limits, routes
from schemas.answers import Refused
from schemas.errors import Code
from schemas.events import Event, expulsion
from schemas.ids import Epoch, RoomId
from schemas.model import Model
from schemas.queries import QUERY_ANSWER, HoleQuery, PageAnswer, Query, QueryAnswer
from services.gateway.ring import Numbered
from services.gateway.wire import text_frame
from services.runtime.rpc import NOT_SENT, Rpc

LAST_SEQ: Final = 2**53 - 1


class Fetched(NamedTuple):
    """A stored event, and what is pushed of it."""

    event: Event
    numbered: Numbered


class Queries:
    """Asks history. Never raises: what goes wrong is a refusal, and reads may always be repeated.

    `answering` says whether the last question got an answer, `answer_seconds` how long the last answer took.
    """

    def __init__(self, *, timeout_seconds: float, hole_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._hole_seconds = hole_seconds
        self._rpc: Rpc | None = None
        self.answering = True
        self.answer_seconds: float | None = None

    def link_up(self, rpc: Rpc) -> None:
        """The broker is there."""
        self._rpc = rpc

    def link_down(self) -> None:
        """The broker is away."""
        self._rpc = None

    async def ask(self, query: Query) -> QueryAnswer:
        """Read; `overloaded` when nobody answers in time."""
        return await self._ask(routes.QUERIES, routes.HISTORY_KEY, query, self._timeout_seconds)

    async def caught_up(self, room: RoomId) -> Refused | None:
        """Wait until history has everything logged of the room before this moment; `room_not_found` if that is nothing.

        For the rare question whose "no" must not be the answer of a moment ago: it costs a place in the log's queue.
        """
        nothing = HoleQuery(room=room, after=LAST_SEQ, limit=1)
        answer = await self._ask(routes.LOG, routes.query_key(room), nothing, self._hole_seconds)
        return answer if isinstance(answer, Refused) else None

    async def missing(
        self, room: RoomId, epoch: Epoch, after: int, through: int, *, bytes_limit: int
    ) -> list[Fetched] | Refused | None:
        """The events `after` + 1 .. `through`, all of them; None: they cannot be had; Refused: not now.

        Everything logged before the question is in the answer: the query stands in the log's own queue.
        """
        found: list[Fetched] = []
        size, behind = 0, after
        while behind < through:
            query = HoleQuery(room=room, after=behind, limit=min(limits.PAGE_EVENTS, through - behind))
            answer = await self._ask(routes.LOG, routes.query_key(room), query, self._hole_seconds)
            if isinstance(answer, Refused) and answer.retry:
                return answer
            if not isinstance(answer, PageAnswer) or answer.epoch != epoch:
                return None
            page = [Fetched(event, _numbered(event)) for event in answer.events if event.seq <= through]
            size += sum(len(one.numbered.frame) for one in page)
            if [one.event.seq for one in page] != list(range(behind + 1, behind + 1 + len(page))) or not page:
                return None
            if size > bytes_limit:
                return None
            found += page
            behind = page[-1].event.seq
        return found

    async def _ask(self, exchange: str, key: str, query: Model, timeout_seconds: float) -> QueryAnswer:
        if self._rpc is None:
            return Refused.of(Code.OVERLOADED, "the broker is away")
        asked = time.monotonic()
        try:
            body = await self._rpc.call(exchange, key, query.to_json(), timeout_seconds=timeout_seconds)
            self.answering, self.answer_seconds = True, time.monotonic() - asked
            return QUERY_ANSWER.validate_json(body)
        except (TimeoutError, *NOT_SENT):
            self.answering = False
            return Refused.of(Code.OVERLOADED, "history does not answer right now")
        except ValidationError:
            return Refused.of(Code.INTERNAL)


def _numbered(event: Event) -> Numbered:
    return Numbered(event.seq, text_frame(event.to_json()), expulsion(event))
