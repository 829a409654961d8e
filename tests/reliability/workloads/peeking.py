"""Looking into a room by every way that shows events: pages by WebSocket and REST, searches, single messages."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx

from tests.bed.management import NO_TLS
from tests.reliability.doors import NoAnswer, SocketDoor
from tests.reliability.journal import Journal, Peeked
from tests.reliability.workloads.world import World

SECONDS: Final = 5.0
LIMIT: Final = 20


class Peeker:
    """One user who looks. What was shown, or that nothing was, goes into the journal of the same name."""

    def __init__(self, world: World, user: str) -> None:
        self._world = world
        self._user = user
        self._journal: Journal = world.caller(user, "websocket", role="peeker").journal
        self._ways: dict[str, Callable[[str], Awaitable[tuple[int, ...] | None]]] = {
            "page": self._page,
            "search": self._search,
            "REST page": self._rest_page,
            "REST search": self._rest_search,
            "REST message": self._rest_message,
        }

    async def look_into(self, room: str) -> None:
        """Once, by a way that chance chooses. Where nothing is heard nothing is noted."""
        way = self._world.chance.choice(list(self._ways))
        try:
            seqs = await self._ways[way](room)
        except (NoAnswer, httpx.HTTPError):
            return
        self._journal.append(Peeked(room, way, seqs, time.monotonic()))

    async def _page(self, room: str) -> tuple[int, ...] | None:
        told = await self._ask(type="history", room=room, limit=LIMIT)
        return tuple(event["seq"] for event in told["events"]) if told["type"] == "page" else None

    async def _search(self, room: str) -> tuple[int, ...] | None:
        told = await self._ask(type="search", room=room, query="says", limit=LIMIT)
        return tuple(each["seq"] for each in told["events"]) if told["type"] == "found" else None

    async def _ask(self, **frame: Any) -> dict[str, Any]:
        door = self._world.doors["websocket"]
        assert isinstance(door, SocketDoor)
        return await door.ask(self._user, frame, SECONDS)

    async def _rest_page(self, room: str) -> tuple[int, ...] | None:
        told = await self._get(f"/chat/{room}/messages", limit=LIMIT)
        return None if told is None else tuple(each["sequence_id"] for each in told["messages"])

    async def _rest_search(self, room: str) -> tuple[int, ...] | None:
        told = await self._get("/chat/search", room=room, query="says", limit=LIMIT)
        return None if told is None else tuple(each["sequence_id"] for each in told["messages"])

    async def _rest_message(self, room: str) -> tuple[int, ...] | None:
        seq = self._world.chance.randrange(2, 40)
        return None if await self._get(f"/chat/{room}/messages/{seq}") is None else (seq,)

    async def _get(self, path: str, **query: Any) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {self._world.token_of(self._user)}"}
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=SECONDS) as http:
            answer = await http.get(self._world.chance.choice(self._world.gates) + path, headers=headers, params=query)
        return answer.json() if answer.is_success else None
