"""The history worker of a trace: the log's queue, a store in memory, answers to barrier queries and to reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

from schemas import routes
from schemas.events import Receipt, encode_logged
from schemas.queries import Barrier, Query, QueryAnswer
from schemas.state import RoomState
from services.history.barrier import answer_barrier
from services.history.deliveries import Asked, Entry, Garbage, read_delivery
from services.history.intake import Conflict, Repeated, StaleFence, Stored
from services.history.queries import Queries
from services.history.retention import kept_since
from services.history.store_memory import MemoryStore
from tests.traces.broker import Delivery, UnderWay
from tests.traces.words import Words, plural

Answered = Callable[[QueryAnswer], None]


class History:
    """Takes the log in its order, one entry at a time. What it stores as expected it does not speak of."""

    def __init__(
        self, under_way: UnderWay, words: Words, say: Callable[[str], None], now: Callable[[], datetime]
    ) -> None:
        self._under_way = under_way
        self._words = words
        self._say = say
        self._now = now
        self._store = MemoryStore()
        self._queue: deque[Delivery] = deque()
        self._asked: dict[str, Answered] = {}
        self._numbers = 0
        self.running = True

    @property
    def is_idle(self) -> bool:
        """Everything logged is stored."""
        return self.running and not self._queue

    # The log.

    def publish(self, key: str, body: bytes) -> None:
        """Something is logged."""
        self._arrive(Delivery(key, body))

    def ask(self, asker: str, query: Barrier, answered: Answered) -> str:
        """Ask through the log; each part of the answer is told to `answered`. Returns what the query is called."""
        self._numbers += 1
        name = f"q{self._numbers}"
        self._asked[name] = answered
        self._arrive(Delivery(routes.query_key(query.room), query.to_json(), asker, name))
        return name

    def forget(self, name: str) -> None:
        """Nobody waits for this answer any more."""
        self._asked.pop(name, None)

    def stop(self) -> None:
        """Take nothing; the queue keeps everything."""
        self.running = False

    def start(self) -> None:
        """Go on."""
        self.running = True
        for _ in self._queue:
            self._under_way.add(self._take)

    def sweep(self) -> None:
        """Empty what rooms have kept for long enough."""
        for room in _awaited(self._store.rooms_to_empty(None, 100)):
            since = kept_since(room, self._now())
            emptied = _awaited(self._store.empty(room, since, 100)) if since else None
            if emptied and emptied.messages:
                self._say(f"history empties {plural(emptied.messages, 'message')} of {room.room}")

    def lose(self) -> None:
        """Somebody emptied the database."""
        self._store = MemoryStore()

    # Reads, and what the trace itself wants to know.

    def read(self, query: Query) -> QueryAnswer:
        """Answer a read."""
        return _awaited(Queries(self._store, through_seconds=0).answer(query))

    def state(self, room: str) -> RoomState | None:
        """The room as folded."""
        loaded = _awaited(self._store.snapshot(room))
        return loaded.state if loaded is not None else None

    def _arrive(self, delivery: Delivery) -> None:
        self._queue.append(delivery)
        if self.running:
            self._under_way.add(self._take)

    def _take(self) -> None:
        if not self.running or not self._queue:
            return
        delivery = self._queue.popleft()
        content = read_delivery(delivery.key, delivery.body, delivery.reply_to, delivery.correlation_id)
        match content:
            case Entry(logged):
                [outcome] = _awaited(self._store.append([logged]))
                self._judge(logged.entry, outcome)
            case Asked():
                self._answer(delivery, content)
            case Garbage(reason, detail):
                self._say(f"history parks {delivery.key}: {reason}, {detail}")

    def _judge(self, entry: Any, outcome: Any) -> None:
        name = f"{entry.room} receipt of {entry.user}" if isinstance(entry, Receipt) else f"{entry.room} {entry.seq}"
        match outcome:
            case Stored(reused=False):
                pass
            case Stored():
                self._say(f"history stores {name}, whose command_id {entry.command_id} was used before")
            case Repeated():
                self._say(f"history knows {name} already")
            case StaleFence(fence):
                self._say(f"history parks {name}: stale_fence, the room's fence is {fence}")
            case Conflict(detail):
                self._say(f"history parks {name}: conflict, {detail}")

    def _answer(self, delivery: Delivery, asked: Asked) -> None:
        answers: Sequence[QueryAnswer] = _awaited(answer_barrier(self._store, asked, self._now()))
        for answer in answers:
            self._under_way.add(lambda answer=answer: self._tell(delivery.correlation_id or "", answer))

    def _tell(self, name: str, answer: QueryAnswer) -> None:
        if name in self._asked:
            self._asked[name](answer)


def logged_body(entry: Any, fence: int) -> bytes:
    """An entry as the log carries it."""
    return encode_logged(entry.to_json(), fence)


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that waits for nothing but others of its kind."""
    return asyncio.run(coroutine)
