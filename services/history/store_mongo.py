"""The store on MongoDB, or on what speaks its protocol. The only place that knows the driver (motor) and its errors.

Collections: `events`, `rooms`, `members` (standings), `invites`, `fences`. Every write of a record carries its seq as
a guard, so that an older one can never undo a newer one. Equality is always written as `$eq`: the embedded default
store uses an index only then, and to MongoDB it is the same. Free-form metadata is kept as JSON text, which every
server takes whatever its keys are.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from schemas import limits
from schemas.answers import Accepted
from schemas.events import EVENT, Event, Logged
from schemas.ids import CommandId, Epoch, InviteId, RoomId, UserId
from schemas.roles import Visibility
from schemas.state import BanState, MemberState
from services.history.fold import (
    InviteRecord,
    Projection,
    RoomRecord,
    Standing,
    state_of,
    touched_invites,
    touched_users,
)
from services.history.intake import Kept, Known, Outcome, Place, Plan, place_of, plan
from services.history.pages import Window, answer_of, applied_command
from services.history.store import FENCE_LIFETIME, REMEMBERED_QUESTIONS, Loaded, RoomPage, StoreUnavailable

Document = dict[str, Any]  # Any: BSON
Collection_ = AsyncIOMotorCollection[Document]

DUPLICATE_KEY: Final = 11000
FENCE_TRIES: Final = 100
_BESIDE_EVENT: Final = frozenset({"_id", "fence", "members_after", "messages_after"})
_BESIDE_ROOM: Final = frozenset({"_id", "listed", "activity"})
_INDEXES: Final[dict[str, list[IndexModel]]] = {
    "events": [
        IndexModel([("room", ASCENDING), ("epoch", ASCENDING), ("seq", ASCENDING)], unique=True),
        IndexModel([("room", ASCENDING), ("actor", ASCENDING), ("command_id", ASCENDING)], unique=True),
    ],
    "rooms": [IndexModel([("listed", ASCENDING), ("activity", DESCENDING)])],
    "members": [IndexModel([("room", ASCENDING), ("user", ASCENDING)], unique=True), IndexModel([("user", ASCENDING)])],
    "invites": [IndexModel([("room", ASCENDING)])],
    "fences": [IndexModel([("expires_at", ASCENDING)])],
}


class Upsert(NamedTuple):
    """One guarded write of a record."""

    guard: Document
    change: Document


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
        self._database = self._client.get_database(database_of(url), write_concern=durable)
        self._events: Collection_ = self._database["events"]
        self._rooms: Collection_ = self._database["rooms"]
        self._members: Collection_ = self._database["members"]
        self._invites: Collection_ = self._database["invites"]
        self._fences: Collection_ = self._database["fences"]

    async def prepare(self) -> None:
        """See `Store.prepare`."""
        async with _translated():
            for name, indexes in _INDEXES.items():
                for index in indexes:
                    await self._database[name].create_indexes([index])

    async def append(self, batch: Sequence[Logged]) -> list[Outcome]:
        """See `Store.append`."""
        async with _translated():
            known = await self._known(batch)
            planned = plan(batch, known)
            if planned.events and (clashed := await self._insert(planned)):
                planned = await self._replanned(batch, known, planned, clashed)
            await self._save(planned)
            return planned.outcomes

    async def raise_fence(self, room: RoomId, question: str, now: datetime) -> int:
        """See `Store.raise_fence`. Compare and swap: the one atomic write that every server does the same way."""
        async with _translated():
            await self._fences.delete_many({"expires_at": {"$lt": _microseconds(now)}})
            expires_at = None if await self._rooms.find_one(_is(_id=room)) else _microseconds(now + FENCE_LIFETIME)
            for _ in range(FENCE_TRIES):
                if (term := await self._try_raise(room, question, expires_at)) is not None:
                    return term
        raise StoreUnavailable(f"the fence of {room} changed {FENCE_TRIES} times under our hands")

    async def snapshot(self, room: RoomId) -> Loaded | None:
        """See `Store.snapshot`."""
        async with _translated():
            record = await self._room(room)
            if record is None:
                return None
            projection = Projection(record)
            async for document in self._members.find(_is(room=room)):
                projection.standings[document["user"]] = _standing(document)
            async for document in self._invites.find(_is(room=room)):
                projection.invites[document["invite"]] = _invite(document)
            recent = Window(0, record.seq, limits.RECENT_COMMANDS, newest=True)
            events = await self._page(record, recent)
        return Loaded(state_of(projection), tuple(map(applied_command, events)))

    async def lookup(self, room: RoomId, actor: UserId, command_id: CommandId) -> Accepted | None:
        """See `Store.lookup`."""
        async with _translated():
            document = await self._events.find_one(_is(room=room, actor=actor, command_id=command_id))
        return answer_of(_kept(document).event) if document is not None else None

    async def room(self, room: RoomId) -> RoomRecord | None:
        """See `Store.room`."""
        async with _translated():
            return await self._room(room)

    async def standings(self, user: UserId, rooms: Collection[RoomId]) -> Mapping[RoomId, Standing]:
        """See `Store.standings`."""
        async with _translated():
            found = await self._by_id(self._members, (_key(room, user) for room in rooms))
        return {standing.room: standing for standing in map(_standing, found)}

    async def page(self, room: RoomRecord, window: Window) -> list[Event]:
        """See `Store.page`."""
        async with _translated():
            return await self._page(room, window)

    async def messages_through(self, room: RoomRecord, seq: int) -> int:
        """See `Store.messages_through`."""
        async with _translated():
            document = await self._events.find_one(_is(room=room.room, epoch=room.epoch, seq=seq))
        return _kept(document).messages if document is not None else 0

    async def directory(self, offset: int, limit: int) -> RoomPage:
        """See `Store.directory`."""
        async with _translated():
            total = await self._rooms.count_documents(_is(listed=1))
            return RoomPage(await self._newest_rooms(_is(listed=1), offset, limit), total)

    async def rooms_of(self, user: UserId, offset: int, limit: int) -> RoomPage:
        """See `Store.rooms_of`."""
        async with _translated():
            cursor = self._members.find(_is(user=user, member=1), {"room": 1})
            ids = [document["room"] async for document in cursor]
            rooms = await self._newest_rooms({"_id": {"$in": ids}}, offset, limit) if ids else []
        return RoomPage(rooms, len(ids))

    async def members(self, room: RoomId, after: UserId | None, limit: int) -> list[MemberState]:
        """See `Store.members`."""
        wanted = _is(room=room, member=1) | {"user": {"$gt": after or ""}}
        async with _translated():
            cursor = self._members.find(wanted).sort("user", ASCENDING).limit(limit)
            found = [_standing(document).membership async for document in cursor]
        return [member for member in found if member is not None]

    async def ping(self) -> None:
        """See `Store.ping`."""
        async with _translated():
            await self._database.command("ping")

    async def close(self) -> None:
        """See `Store.close`."""
        self._client.close()

    async def _known(self, batch: Sequence[Logged]) -> Known:
        entries = [logged.entry for logged in batch]
        ids = {entry.room for entry in entries}
        users = {_key(entry.room, user) for entry in entries for user in touched_users(entry)}
        invites = {_key(entry.room, invite) for entry in entries for invite in touched_invites(entry)}
        known = Known(rooms={room: Projection() for room in ids})
        for document in await self._by_id(self._rooms, ids):
            known.rooms[document["_id"]].room = _room(document)
        for standing in map(_standing, await self._by_id(self._members, users)):
            known.rooms[standing.room].standings[standing.user] = standing
        for record in map(_invite, await self._by_id(self._invites, invites)):
            known.rooms[record.room].invites[record.invite] = record
        known.fences = {fence["_id"]: fence["fence"] for fence in await self._by_id(self._fences, ids)}
        known.kept = await self._kept_at(_behind(batch, known))
        return known

    async def _insert(self, planned: Plan) -> set[int]:
        """Insert the new events; the indexes of those that the store has something against."""
        indexes = list(planned.events)
        try:
            documents = [_event_document(planned.events[index]) for index in indexes]
            await self._events.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            return {indexes[number] for number in _duplicates(error)}
        return set()

    async def _replanned(self, batch: Sequence[Logged], known: Known, planned: Plan, clashed: set[int]) -> Plan:
        """Sort again, with what an earlier try left behind; take back what now must not have come in."""
        known.kept |= await self._kept_at(place_of(planned.events[index].event) for index in clashed)
        refused = {
            index: f"the place or the command of seq {planned.events[index].event.seq} is taken"
            for index in clashed
            if place_of(planned.events[index].event) not in known.kept
        }
        again = plan(batch, known, refused)
        inserted = {index: kept for index, kept in planned.events.items() if index not in clashed}
        if corrections := _corrections(inserted, again.events):
            await self._events.bulk_write(corrections, ordered=False)
        return again

    async def _save(self, planned: Plan) -> None:
        """Write the records; the rooms last, because readers and retries take them for done."""
        if planned.begun:
            await self._write(self._fences, [_fence_begun(room, term) for room, term in planned.begun.items()])
        if planned.moved:
            await self._write(self._members, [_standing_update(planned.standings[key]) for key in planned.moved])
        if updates := [update for key in planned.marked for update in _marks_updates(planned.standings[key])]:
            await self._members.bulk_write(updates)
        if planned.invites:
            await self._write(self._invites, [*map(_invite_update, planned.invites.values())])
        if planned.rooms:
            await self._write(self._rooms, [*map(_room_update, planned.rooms.values())])

    async def _write(self, collection: Collection_, upserts: list[Upsert]) -> None:
        """Guarded upserts. A duplicate key says that the record is there: then the guard alone decides."""
        try:
            await collection.bulk_write([UpdateOne(*each, upsert=True) for each in upserts], ordered=False)
        except BulkWriteError as error:
            again = [UpdateOne(*upserts[number]) for number in _duplicates(error)]
            await collection.bulk_write(again, ordered=False)

    async def _try_raise(self, room: RoomId, question: str, expires_at: int | None) -> int | None:
        document = await self._fences.find_one(_is(_id=room))
        if document is None:
            return await self._first_fence(room, question, expires_at)
        questions = document.get("questions", [])
        for asked in questions:
            if asked["question"] == question:
                return int(asked["fence"])
        term = document["fence"] + 1
        latest = [*questions, {"question": question, "fence": term}][-REMEMBERED_QUESTIONS:]
        change: Document = {"$set": {"fence": term, "questions": latest}}
        if expires_at is not None:
            change["$set"]["expires_at"] = expires_at
        done = await self._fences.update_one(_is(_id=room, fence=document["fence"]), change)
        return term if done.matched_count else None

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
        document = await self._rooms.find_one(_is(_id=room))
        return _room(document) if document is not None else None

    async def _page(self, room: RoomRecord, window: Window) -> list[Event]:
        wanted = _is(room=room.room, epoch=room.epoch) | {"seq": {"$gt": window.after, "$lte": window.through}}
        if window.messages:
            wanted |= _is(event="message_posted")
        order = DESCENDING if window.newest else ASCENDING
        cursor = self._events.find(wanted).sort("seq", order).limit(window.limit)
        events = [_kept(document).event async for document in cursor]
        return events[::-1] if window.newest else events

    async def _newest_rooms(self, wanted: Document, offset: int, limit: int) -> list[RoomRecord]:
        order = [("activity", DESCENDING), ("_id", ASCENDING)]
        cursor = self._rooms.find(wanted).sort(order).skip(offset).limit(limit)
        return [_room(document) async for document in cursor]

    async def _by_id(self, collection: Collection_, ids: Iterable[str]) -> list[Document]:
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
            wanted = _is(room=room, epoch=epoch) | {"seq": {"$gte": low, "$lte": high}}
            kept = [_kept(document) async for document in self._events.find(wanted)]
            found |= {place_of(each.event): each for each in kept}
        return found


def database_of(url: str) -> str:
    """The database named in the path of a store's URL.

    Raises:
        ValueError: it names none.
    """
    name = urlsplit(url).path.strip("/")
    if not name:
        raise ValueError("the store's URL names no database in its path")
    return name


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


def _behind(batch: Sequence[Logged], known: Known) -> Iterable[Place]:
    for entry, _, _ in batch:
        room = known.rooms[entry.room].room
        if room is not None and entry.type == "event" and entry.epoch == room.epoch and entry.seq <= room.seq:
            yield place_of(entry)


def _corrections(inserted: Mapping[int, Kept], wanted: Mapping[int, Kept]) -> list[UpdateOne | DeleteOne]:
    """What makes right the events that a plan had inserted which turned out to be built on sand."""
    corrections: list[UpdateOne | DeleteOne] = []
    for index, kept in inserted.items():
        place = _is(room=kept.event.room, epoch=kept.event.epoch, seq=kept.event.seq)
        if index not in wanted:
            corrections.append(DeleteOne(place))
        elif wanted[index] != kept:
            counts = {"members_after": wanted[index].members, "messages_after": wanted[index].messages}
            corrections.append(UpdateOne(place, {"$set": counts}))
    return corrections


def _is(**fields: str | int) -> Document:
    return {name: {"$eq": value} for name, value in fields.items()}


def _key(room: RoomId, other: UserId | InviteId) -> str:
    return f"{room}/{other}"


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _event_document(kept: Kept) -> Document:
    fields = kept.event.to_dict()
    del fields["type"]
    _metadata_to_text(fields)
    return fields | {"fence": kept.fence, "members_after": kept.members, "messages_after": kept.messages}


def _kept(document: Document) -> Kept:
    fields = {name: value for name, value in document.items() if name not in _BESIDE_EVENT}
    _metadata_from_text(fields)
    event = EVENT.validate_python(fields)
    return Kept(event, document["fence"], document["members_after"], document["messages_after"])


def _metadata_to_text(fields: Document) -> None:
    if "metadata" in fields:
        fields["metadata"] = json.dumps(fields["metadata"], ensure_ascii=False)


def _metadata_from_text(fields: Document) -> None:
    if "metadata" in fields:
        fields["metadata"] = json.loads(fields["metadata"])


def _room_update(room: RoomRecord) -> Upsert:
    fields = room.model_dump(mode="json")
    _metadata_to_text(fields)
    listed = room.visibility is Visibility.PUBLIC and not room.closed
    fields |= {"listed": int(listed), "activity": _microseconds(room.updated_at)}
    return _newer(room.room, room.seq, fields)


def _room(document: Document) -> RoomRecord:
    fields = {name: value for name, value in document.items() if name not in _BESIDE_ROOM}
    _metadata_from_text(fields)
    return RoomRecord.model_validate(fields)


def _standing_update(standing: Standing) -> Upsert:
    """All of a standing but its marks, which only receipts move."""
    member, fields = standing.membership, standing.model_dump(mode="json", exclude={"membership"})
    fields["member"] = int(member is not None)
    if member is not None:
        fields |= member.model_dump(mode="json", exclude={"user", "read", "delivered"})
    no_marks = {"marks_since": 0, "read": 0, "delivered": 0}
    return _newer(_key(standing.room, standing.user), standing.seq, fields, no_marks)


def _marks_updates(standing: Standing) -> list[UpdateOne]:
    """Marks belong to one membership, named by the seq of its joining (`marks_since`): the first of a new one put the
    old ones away, and then they only grow."""
    member = standing.membership
    if member is None:
        return []
    key = _is(_id=_key(standing.room, standing.user))
    begin = {"$set": {"marks_since": member.joined_seq, "read": 0, "delivered": 0}}
    grow = {"$max": {"read": member.read, "delivered": member.delivered}}
    return [
        UpdateOne(key | {"marks_since": {"$lt": member.joined_seq}}, begin),
        UpdateOne(key | _is(marks_since=member.joined_seq), grow),
    ]


def _standing(document: Document) -> Standing:
    return Standing(
        room=document["room"],
        user=document["user"],
        seq=document["seq"],
        membership=_membership(document) if document["member"] else None,
        ban=BanState.model_validate(document["ban"]) if document["ban"] else None,
    )


def _membership(document: Document) -> MemberState:
    fields = {name: document[name] for name in MemberState.model_fields}
    if document["marks_since"] != document["joined_seq"]:
        fields |= {"read": 0, "delivered": 0}
    return MemberState.model_validate(fields)


def _invite_update(record: InviteRecord) -> Upsert:
    return _newer(_key(record.room, record.invite), record.seq, record.model_dump(mode="json"))


def _invite(document: Document) -> InviteRecord:
    return InviteRecord.model_validate({name: document[name] for name in InviteRecord.model_fields})


def _fence_begun(room: RoomId, term: int) -> Upsert:
    return Upsert(_is(_id=room), {"$max": {"fence": term}, "$unset": {"expires_at": ""}})


def _newer(key: str, seq: int, fields: Document, at_first: Document | None = None) -> Upsert:
    """Does nothing where something as new is there."""
    change = {"$set": fields} if at_first is None else {"$set": fields, "$setOnInsert": at_first}
    return Upsert(_is(_id=key) | {"seq": {"$lt": seq}}, change)
