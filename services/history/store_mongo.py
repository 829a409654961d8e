"""The store on MongoDB, or on what speaks its protocol. The only place that knows the driver (motor) and its errors.

Collections: `events`, `rooms`, `members` (standings), `invites`, `fences`. Every write of a record carries its seq as
a guard, so that an older one can never undo a newer one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from schemas import limits
from schemas.answers import Accepted
from schemas.events import Event, Logged
from schemas.ids import CommandId, Epoch, RoomId, UserId
from schemas.state import MemberState
from services.history.documents import (
    Document,
    Write,
    event_document,
    key_of,
    microseconds,
    read_event,
    read_invite,
    read_room,
    read_standing,
    where,
    write_begun_fence,
    write_invite,
    write_marks,
    write_room,
    write_standing,
)
from services.history.fold import (
    Projection,
    RoomRecord,
    Standing,
    state_of,
    touched_invites,
    touched_users,
)
from services.history.intake import Conflict, Kept, Known, Outcome, Place, Plan, Repeated, command_of, place_of, plan
from services.history.pages import Window, answer_of, applied_command
from services.history.store import FENCE_LIFETIME, REMEMBERED_QUESTIONS, Loaded, RoomPage, StoreUnavailable

Documents = AsyncIOMotorCollection[Document]

DUPLICATE_KEY: Final = 11000
FENCE_TRIES: Final = 100
INSERT_TRIES: Final = 10
OUTGROWN_INDEX: Final = ["room", "actor", "command_id"]
"""Of stores begun before docs/decisions/0012."""
_INDEXES: Final[dict[str, list[IndexModel]]] = {
    "events": [
        IndexModel([("room", ASCENDING), ("epoch", ASCENDING), ("seq", ASCENDING)], unique=True),
        IndexModel([("room", ASCENDING), ("actor", ASCENDING), ("applied", ASCENDING)], unique=True),
    ],
    "rooms": [IndexModel([("listed", ASCENDING), ("activity", DESCENDING)])],
    "members": [
        IndexModel([("room", ASCENDING), ("user", ASCENDING)], unique=True),
        IndexModel([("room", ASCENDING), ("member", ASCENDING), ("banned", ASCENDING)]),
        IndexModel([("user", ASCENDING)]),
    ],
    "invites": [IndexModel([("room", ASCENDING)])],
    "fences": [IndexModel([("expires_at", ASCENDING)])],
}


class MongoStore:
    """See `services.history.store.Store`."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        """Nothing is connected yet. The database is in the path of `url`; `timeout_seconds` bounds each single wait."""
        milliseconds = int(timeout_seconds * 1000)
        self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            url,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            appname="gatehouse-history",
        )
        durable = WriteConcern(w="majority", j=True, wtimeout=milliseconds)
        self._database = self._client.get_default_database(write_concern=durable)
        self._events: Documents = self._database["events"]
        self._rooms: Documents = self._database["rooms"]
        self._members: Documents = self._database["members"]
        self._invites: Documents = self._database["invites"]
        self._fences: Documents = self._database["fences"]

    async def prepare(self) -> None:
        """See `Store.prepare`."""
        async with _translated():
            for name, index in (await self._events.index_information()).items():
                if [field for field, _ in index["key"]] == OUTGROWN_INDEX:
                    await self._grow_out_of(name)
            for name, indexes in _INDEXES.items():
                for index in indexes:
                    await self._database[name].create_indexes([index])

    async def append(self, batch: Sequence[Logged]) -> list[Outcome]:
        """See `Store.append`."""
        async with _translated():
            known = await self._known(batch)
            planned = plan(batch, known)
            if planned.events:
                planned = await self._insert(batch, known, planned)
            await self._confirm(batch, known, planned)
            await self._save(planned)
            return planned.outcomes

    async def raise_fence(self, room: RoomId, question: str, now: datetime) -> int:
        """See `Store.raise_fence`. Compare and swap: the one atomic write that every server does the same way."""
        async with _translated():
            await self._fences.delete_many({"expires_at": {"$lt": microseconds(now)}})
            expires_at = None if await self._rooms.find_one(where(_id=room)) else microseconds(now + FENCE_LIFETIME)
            for _ in range(FENCE_TRIES):
                if (raised := await self._try_raise(room, question, expires_at)) is not None:
                    return raised
        raise StoreUnavailable(f"the fence of {room} changed {FENCE_TRIES} times under our hands")

    async def snapshot(self, room: RoomId) -> Loaded | None:
        """See `Store.snapshot`."""
        async with _translated():
            record = await self._room(room)
            if record is None:
                return None
            projection = Projection(record)
            for wanted in (where(room=room, member=1), where(room=room, member=0, banned=1)):
                async for document in self._members.find(wanted):
                    projection.standings[document["user"]] = read_standing(document)
            async for document in self._invites.find(where(room=room)):
                projection.invites[document["invite"]] = read_invite(document)
            recent = Window(0, record.seq, limits.RECENT_COMMANDS, newest=True)
            events = await self._page(record, recent)
        return Loaded(state_of(projection), tuple(map(applied_command, events)))

    async def lookup(self, room: RoomId, actor: UserId, command_id: CommandId) -> Accepted | None:
        """See `Store.lookup`."""
        async with _translated():
            document = await self._events.find_one(where(room=room, actor=actor, applied=command_id))
        return answer_of(read_event(document).event) if document is not None else None

    async def room(self, room: RoomId) -> RoomRecord | None:
        """See `Store.room`."""
        async with _translated():
            return await self._room(room)

    async def standings(self, user: UserId, rooms: Collection[RoomId]) -> Mapping[RoomId, Standing]:
        """See `Store.standings`."""
        async with _translated():
            found = await self._by_id(self._members, (key_of(room, user) for room in rooms))
        return {standing.room: standing for standing in map(read_standing, found)}

    async def page(self, room: RoomRecord, window: Window) -> list[Event]:
        """See `Store.page`."""
        async with _translated():
            return await self._page(room, window)

    async def messages_through(self, room: RoomRecord, seq: int) -> int:
        """See `Store.messages_through`."""
        async with _translated():
            document = await self._events.find_one(where(room=room.room, epoch=room.epoch, seq=seq))
        return read_event(document).messages if document is not None else 0

    async def directory(self, offset: int, limit: int) -> RoomPage:
        """See `Store.directory`."""
        async with _translated():
            total = await self._rooms.count_documents(where(listed=1))
            return RoomPage(await self._newest_rooms(where(listed=1), offset, limit), total)

    async def rooms_of(self, user: UserId, offset: int, limit: int) -> RoomPage:
        """See `Store.rooms_of`."""
        async with _translated():
            cursor = self._members.find(where(user=user, member=1), {"room": 1})
            ids = [document["room"] async for document in cursor]
            rooms = await self._newest_rooms({"_id": {"$in": ids}}, offset, limit) if ids else []
        return RoomPage(rooms, len(ids))

    async def members(self, room: RoomId, after: UserId | None, limit: int) -> list[MemberState]:
        """See `Store.members`."""
        wanted = where(room=room, member=1) | {"user": {"$gt": after or ""}}
        async with _translated():
            cursor = self._members.find(wanted).sort("user", ASCENDING).limit(limit)
            found = [read_standing(document).membership async for document in cursor]
        return [member for member in found if member is not None]

    async def ping(self) -> None:
        """See `Store.ping`."""
        async with _translated():
            await self._database.command("ping")

    async def close(self) -> None:
        """See `Store.close`."""
        self._client.close()

    async def _grow_out_of(self, index: str) -> None:
        """What was stored when a command_id stood for one event only gets its marks. Safe to repeat."""
        unmarked = {"applied": {"$exists": False}}
        while found := await self._events.find(unmarked, {"command_id": 1}).limit(1000).to_list(None):
            marks = [UpdateOne(where(_id=each["_id"]), {"$set": {"applied": each["command_id"]}}) for each in found]
            await self._events.bulk_write(marks, ordered=False)
        unmarked = {"banned": {"$exists": False}}
        await self._members.update_many(unmarked | {"ban": {"$ne": None}}, {"$set": {"banned": 1}})
        await self._members.update_many(unmarked, {"$set": {"banned": 0}})
        await self._events.drop_index(index)

    async def _known(self, batch: Sequence[Logged]) -> Known:
        entries = [logged.entry for logged in batch]
        ids = {entry.room for entry in entries}
        users = {key_of(entry.room, user) for entry in entries for user in touched_users(entry)}
        invites = {key_of(entry.room, invite) for entry in entries for invite in touched_invites(entry)}
        known = Known(rooms={room: Projection() for room in ids})
        for document in await self._by_id(self._rooms, ids):
            known.rooms[document["_id"]].room = read_room(document)
        for standing in map(read_standing, await self._by_id(self._members, users)):
            known.rooms[standing.room].standings[standing.user] = standing
        for record in map(read_invite, await self._by_id(self._invites, invites)):
            known.rooms[record.room].invites[record.invite] = record
        known.fences = {fence["_id"]: fence["fence"] for fence in await self._by_id(self._fences, ids)}
        known.kept = await self._kept_at(_perhaps_kept(batch, known))
        return known

    async def _insert(self, batch: Sequence[Logged], known: Known, planned: Plan) -> Plan:
        """Insert the new events; where some turn out to be there already, or their commands to be used, sort again."""
        inserted: set[int] = set()
        for _ in range(INSERT_TRIES):
            missing = planned.events.keys() - inserted
            clashed = await self._try_insert({index: planned.events[index] for index in sorted(missing)})
            inserted |= missing - clashed
            if not clashed:
                await self._take_back(batch, inserted & _conflicts(planned))
                return planned
            await self._learn(known, [planned.events[index].event for index in clashed])
            planned = plan(batch, known)
        raise StoreUnavailable(f"the events changed {INSERT_TRIES} times under our hands")

    async def _try_insert(self, events: Mapping[int, Kept]) -> set[int]:
        """Those that the store has something against."""
        indexes = list(events)
        if not indexes:
            return set()
        try:
            await self._events.insert_many([event_document(kept) for kept in events.values()], ordered=False)
        except BulkWriteError as error:
            return {indexes[number] for number in _duplicates(error)}
        return set()

    async def _learn(self, known: Known, clashed: Sequence[Event]) -> None:
        """Get to know what stands in the way of events: one in their place, or one that their command made before."""
        known.kept |= await self._kept_at(map(place_of, clashed))
        for event in clashed:
            room, actor, command_id = command = command_of(event)
            is_free = place_of(event) not in known.kept
            if is_free and await self._events.find_one(where(room=room, actor=actor, applied=command_id)):
                known.commands.add(command)

    async def _take_back(self, batch: Sequence[Logged], unwanted: set[int]) -> None:
        """Delete events that came in behind one that must not."""
        entries = (batch[index].entry for index in unwanted)
        if deletes := [DeleteOne(_at(entry)) for entry in entries if entry.type == "event"]:
            await self._events.bulk_write(deletes, ordered=False)

    async def _confirm(self, batch: Sequence[Logged], known: Known, planned: Plan) -> None:
        """Wait until a majority has what repeats were found to be there already: an earlier try may have failed just
        for that. These writes change nothing, but wait like any other, and find out when what was read is lost."""
        folded: dict[RoomId, int] = {}
        kept: list[Event] = []
        for (entry, _, _), outcome in zip(batch, planned.outcomes, strict=True):
            if entry.type != "event" or not isinstance(outcome, Repeated):
                continue
            if entry.seq <= _seq_of(known.rooms[entry.room]):
                folded[entry.room] = entry.seq
            elif place_of(entry) in known.kept:
                kept.append(entry)
        await self._touch(self._events, [UpdateOne(_at(event), {"$max": {"seq": event.seq}}) for event in kept])
        guards = [(where(_id=room) | {"seq": {"$gte": seq}}, seq) for room, seq in folded.items()]
        await self._touch(self._rooms, [UpdateOne(guard, {"$max": {"seq": seq}}) for guard, seq in guards])

    async def _touch(self, collection: Documents, writes: list[UpdateOne]) -> None:
        if writes and (await collection.bulk_write(writes, ordered=False)).matched_count < len(writes):
            raise StoreUnavailable("what was read there is gone again")

    async def _save(self, planned: Plan) -> None:
        """Write the records; the rooms last, because readers and retries take them for done."""
        if planned.begun:
            await self._write(self._fences, [write_begun_fence(room, fence) for room, fence in planned.begun.items()])
        if planned.moved:
            await self._write(self._members, [write_standing(planned.standings[key]) for key in planned.moved])
        if marks := [
            UpdateOne(each.guard, each.change) for key in planned.marked for each in write_marks(planned.standings[key])
        ]:
            await self._members.bulk_write(marks)
        if planned.invites:
            await self._write(self._invites, [*map(write_invite, planned.invites.values())])
        if planned.rooms:
            await self._write(self._rooms, [*map(write_room, planned.rooms.values())])

    async def _write(self, collection: Documents, writes: list[Write]) -> None:
        """Guarded upserts. A duplicate key says that the record is there: then the guard alone decides."""
        try:
            await collection.bulk_write(
                [UpdateOne(each.guard, each.change, upsert=True) for each in writes], ordered=False
            )
        except BulkWriteError as error:
            again = [UpdateOne(*writes[number]) for number in _duplicates(error)]
            await collection.bulk_write(again, ordered=False)

    async def _try_raise(self, room: RoomId, question: str, expires_at: int | None) -> int | None:
        document = await self._fences.find_one(where(_id=room))
        if document is None:
            return await self._first_fence(room, question, expires_at)
        questions = document.get("questions", [])
        for asked in questions:
            if asked["question"] == question:
                return int(asked["fence"]) if await self._still(document) else None
        raised = document["fence"] + 1
        latest = [*questions, {"question": question, "fence": raised}][-REMEMBERED_QUESTIONS:]
        change: Document = {"$set": {"fence": raised, "questions": latest}}
        if expires_at is not None:
            change["$set"]["expires_at"] = expires_at
        done = await self._fences.update_one(where(_id=room, fence=document["fence"]), change)
        return raised if done.matched_count else None

    async def _still(self, fence: Document) -> bool:
        """Wait until a majority has the fence as it was read; False: it changed meanwhile."""
        here = where(_id=fence["_id"], fence=fence["fence"])
        return (await self._fences.update_one(here, {"$max": {"fence": fence["fence"]}})).matched_count > 0

    async def _first_fence(self, room: RoomId, question: str, expires_at: int | None) -> int | None:
        document: Document = {"_id": room, "fence": 1, "questions": [{"question": question, "fence": 1}]}
        if expires_at is not None:
            document["expires_at"] = expires_at
        try:
            await self._fences.insert_one(document)
        except DuplicateKeyError:
            return None
        return 1

    async def _room(self, room: RoomId) -> RoomRecord | None:
        document = await self._rooms.find_one(where(_id=room))
        return read_room(document) if document is not None else None

    async def _page(self, room: RoomRecord, window: Window) -> list[Event]:
        wanted = where(room=room.room, epoch=room.epoch) | {"seq": {"$gt": window.after, "$lte": window.through}}
        if window.messages:
            wanted |= where(event="message_posted")
        order = DESCENDING if window.newest else ASCENDING
        cursor = self._events.find(wanted).sort("seq", order).limit(window.limit)
        events = [read_event(document).event async for document in cursor]
        return events[::-1] if window.newest else events

    async def _newest_rooms(self, wanted: Document, offset: int, limit: int) -> list[RoomRecord]:
        order = [("activity", DESCENDING), ("_id", ASCENDING)]
        cursor = self._rooms.find(wanted).sort(order).skip(offset).limit(limit)
        return [read_room(document) async for document in cursor]

    async def _by_id(self, collection: Documents, ids: Iterable[str]) -> list[Document]:
        wanted = sorted(ids)
        return [document async for document in collection.find({"_id": {"$in": wanted}})] if wanted else []

    async def _kept_at(self, places: Iterable[Place]) -> dict[Place, Kept]:
        """The events kept in the narrowest range around some places, per room."""
        ranges: dict[tuple[RoomId, Epoch], tuple[int, int]] = {}
        for room, epoch, seq in places:
            low, high = ranges.get((room, epoch), (seq, seq))
            ranges[room, epoch] = min(low, seq), max(high, seq)
        found: dict[Place, Kept] = {}
        for (room, epoch), (low, high) in ranges.items():
            wanted = where(room=room, epoch=epoch) | {"seq": {"$gte": low, "$lte": high}}
            kept = [read_event(document) async for document in self._events.find(wanted)]
            found |= {place_of(each.event): each for each in kept}
        return found


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (PyMongoError, OSError) as error:
        raise StoreUnavailable(repr(error)[:500]) from error


def _duplicates(error: BulkWriteError) -> list[int]:
    """The indexes of the writes that failed for a duplicate key. Raises the error again when it says anything else."""
    details: Mapping[str, Any] = error.details  # Any: the driver's report
    errors = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or any(each["code"] != DUPLICATE_KEY for each in errors):
        raise error
    return [each["index"] for each in errors]


def _conflicts(planned: Plan) -> set[int]:
    return {index for index, outcome in enumerate(planned.outcomes) if isinstance(outcome, Conflict)}


def _at(event: Event) -> Document:
    return where(room=event.room, epoch=event.epoch, seq=event.seq)


def _perhaps_kept(batch: Sequence[Logged], known: Known) -> Iterable[Place]:
    """Where the batch has events that an earlier try may have brought in: all that are not newer than their room, and
    all of a room whose records are ahead of it, since counts made from those would be wrong."""
    for entry, _, _ in batch:
        projection = known.rooms[entry.room]
        if entry.type == "event" and (entry.seq <= _seq_of(projection) or _was_cut_off(projection)):
            yield place_of(entry)


def _seq_of(projection: Projection) -> int:
    return projection.room.seq if projection.room is not None else 0


def _was_cut_off(projection: Projection) -> bool:
    seqs = [record.seq for record in projection.standings.values()]
    seqs += [record.seq for record in projection.invites.values()]
    return max(seqs, default=0) > _seq_of(projection)
