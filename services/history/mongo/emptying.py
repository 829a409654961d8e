"""Retention on the store: messages that were kept for long enough are emptied where they stand."""

from __future__ import annotations

from datetime import datetime

from pymongo import ASCENDING

from schemas.fields import in_utc
from schemas.ids import RoomId
from services.history.documents import EMPTYING, read_room, where
from services.history.mongo.database import Collections
from services.history.records import RoomRecord
from services.history.retention import Dated, Emptied, due_through


class Emptying:
    """Behind each room's `emptied_through`, which nothing but this writes."""

    def __init__(self, database: Collections) -> None:
        self._database = database

    async def rooms_to_empty(self, after: RoomId | None, limit: int) -> list[RoomRecord]:
        """See `Store.rooms_to_empty`."""
        wanted = {"retention_days": {"$gt": 0}, "_id": {"$gt": after or ""}}
        cursor = self._database.rooms.find(wanted).sort("_id", ASCENDING).limit(limit)
        return [read_room(document) async for document in cursor]

    async def empty(self, room: RoomRecord, since: datetime, limit: int) -> Emptied:
        """See `Store.empty`. The mark moves behind what is emptied, so that nothing is left out by a crash. Most rooms
        have nothing due most of the time: their oldest event alone says so."""
        mark = await self._mark(room.room)
        ahead = await self._ahead(room, mark, 1)
        if due_through(ahead, since) is not None:
            ahead = await self._ahead(room, mark, limit)
        if (through := due_through(ahead, since)) is None:
            await self._forget_preview(room, mark)
            return Emptied(0, more=False)
        full = where(room=room.room, epoch=room.epoch, event="message_posted", deleted=0)
        done = await self._database.events.update_many(full | {"seq": {"$gt": mark, "$lte": through}}, EMPTYING)
        await self._database.rooms.update_one(where(_id=room.room), {"$max": {"emptied_through": through}})
        await self._forget_preview(room, through)
        return Emptied(done.modified_count, more=len(ahead) == limit and through == ahead[-1].seq)

    async def _mark(self, room: RoomId) -> int:
        document = await self._database.rooms.find_one(where(_id=room), {"emptied_through": 1})
        return int(document.get("emptied_through", 0)) if document is not None else 0

    async def _ahead(self, room: RoomRecord, mark: int, limit: int) -> list[Dated]:
        wanted = where(room=room.room, epoch=room.epoch) | {"seq": {"$gt": mark, "$lte": room.seq}}
        cursor = self._database.events.find(wanted, {"seq": 1, "at": 1}).sort("seq", ASCENDING).limit(limit)
        return [Dated(each["seq"], in_utc(datetime.fromisoformat(each["at"]))) async for each in cursor]

    async def _forget_preview(self, room: RoomRecord, through: int) -> None:
        """Also of a message that was emptied in an earlier call, in case a writer under way has put it back."""
        shown = where(_id=room.room) | {"last_message_seq": {"$lte": through}, "preview": {"$gt": ""}}
        await self._database.rooms.update_one(shown, {"$set": {"preview": ""}})
