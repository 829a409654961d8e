"""Terms of writers. Compare and swap: the one atomic write that every server does the same way."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pymongo.errors import DuplicateKeyError

from schemas.ids import RoomId
from services.history.documents import Document, microseconds, where
from services.history.mongo.database import Collections
from services.history.store import FENCE_LIFETIME, REMEMBERED_QUESTIONS, StoreUnavailable

FENCE_TRIES: Final = 100


class Fences:
    """The fence of every room, and which question raised it."""

    def __init__(self, database: Collections) -> None:
        self._database = database

    async def raise_fence(self, room: RoomId, question: str, now: datetime) -> int:
        """See `Store.raise_fence`."""
        await self._database.fences.delete_many({"expires_at": {"$lt": microseconds(now)}})
        is_there = await self._database.rooms.find_one(where(_id=room))
        expires_at = None if is_there else microseconds(now + FENCE_LIFETIME)
        for _ in range(FENCE_TRIES):
            if (raised := await self._try_raise(room, question, expires_at)) is not None:
                return raised
        raise StoreUnavailable(f"the fence of {room} changed {FENCE_TRIES} times under our hands")

    async def _try_raise(self, room: RoomId, question: str, expires_at: int | None) -> int | None:
        document = await self._database.fences.find_one(where(_id=room))
        if document is None:
            return await self._first(room, question, expires_at)
        questions = document.get("questions", [])
        for asked in questions:
            if asked["question"] == question:
                return int(asked["fence"]) if await self._still(document) else None
        raised = document["fence"] + 1
        latest = [*questions, {"question": question, "fence": raised}][-REMEMBERED_QUESTIONS:]
        change: Document = {"$set": {"fence": raised, "questions": latest}}
        if expires_at is not None:
            change["$set"]["expires_at"] = expires_at
        done = await self._database.fences.update_one(where(_id=room, fence=document["fence"]), change)
        return raised if done.matched_count else None

    async def _still(self, fence: Document) -> bool:
        """Wait until a majority has the fence as it was read; False: it changed meanwhile."""
        here = where(_id=fence["_id"], fence=fence["fence"])
        return (await self._database.fences.update_one(here, {"$max": {"fence": fence["fence"]}})).matched_count > 0

    async def _first(self, room: RoomId, question: str, expires_at: int | None) -> int | None:
        document: Document = {"_id": room, "fence": 1, "questions": [{"question": question, "fence": 1}]}
        if expires_at is not None:
            document["expires_at"] = expires_at
        try:
            await self._database.fences.insert_one(document)
        except DuplicateKeyError:
            return None
        return 1
