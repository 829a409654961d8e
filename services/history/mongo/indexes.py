"""Indexes, and how a store that was begun with fewer of them grows into ours. An index says that its growth is done: it
is made last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne

from services.history.documents import Document, message_fields, where
from services.history.mongo.database import Collections, Documents

GROWN_AT_ONCE: Final = 500
_OUTGROWN: Final = ["room", "actor", "command_id"]
"""Of stores begun before docs/decisions/0012."""
_WORDS: Final = ["room", "words", "message_id"]
"""Not in stores begun before docs/decisions/0019."""
_KEPT: Final = ["room", "member", "kept"]
"""Not in stores begun when a room remembered nothing of former members but bans."""
_BANNED: Final = ["room", "member", "banned"]
"""In some of those."""
_INDEXES: Final[dict[str, list[IndexModel]]] = {
    "events": [
        IndexModel([("room", ASCENDING), ("epoch", ASCENDING), ("seq", ASCENDING)], unique=True),
        IndexModel([("room", ASCENDING), ("actor", ASCENDING), ("applied", ASCENDING)], unique=True),
        IndexModel([("room", ASCENDING), ("message_id", ASCENDING)]),
        IndexModel([("room", ASCENDING), ("words", ASCENDING), ("message_id", DESCENDING)]),
    ],
    "rooms": [
        IndexModel([("listed", ASCENDING), ("activity", DESCENDING)]),
        IndexModel([("retention_days", ASCENDING)]),
    ],
    "members": [
        IndexModel([("room", ASCENDING), ("user", ASCENDING)], unique=True),
        IndexModel([("room", ASCENDING), ("member", ASCENDING), ("kept", ASCENDING)]),
        IndexModel([("user", ASCENDING)]),
    ],
    "invites": [IndexModel([("room", ASCENDING)])],
    "fences": [IndexModel([("expires_at", ASCENDING)])],
}
"""What those on `events` cost: an entry per event in the first three, and in the last one per different word."""


async def prepare(database: Collections) -> None:
    """See `Store.prepare`."""
    keys = await _keys_of(database.events)
    if _OUTGROWN in keys.values():
        await _grow_out_of_single_use(database)
    if _WORDS not in keys.values():
        await _rewrite(database.events, where(event="message_posted"), ["seq", "text", "amended"], _amendable)
    standings = await _keys_of(database.members)
    if _KEPT not in standings.values():
        await _grow_into_kept(database)
    for name, indexes in _INDEXES.items():
        for index in indexes:
            await getattr(database, name).create_indexes([index])
    for name, fields in keys.items():
        if fields == _OUTGROWN:
            await database.events.drop_index(name)
    for name, fields in standings.items():
        if fields == _BANNED:
            await database.members.drop_index(name)


async def _keys_of(collection: Documents) -> dict[str, list[str]]:
    """The fields of each index."""
    return {
        name: [field for field, _ in index["key"]] for name, index in (await collection.index_information()).items()
    }


async def _grow_out_of_single_use(database: Collections) -> None:
    """What was stored when a command_id stood for one event only gets its marks."""
    await _rewrite(database.events, {}, ["applied", "command_id"], _applied)


async def _grow_into_kept(database: Collections) -> None:
    """Whoever is banned is marked as one of whom a room keeps something."""
    unmarked = {"kept": {"$exists": False}}
    await database.members.update_many(unmarked | {"ban": {"$ne": None}}, {"$set": {"kept": 1}})
    await database.members.update_many(unmarked, {"$set": {"kept": 0}})


def _applied(document: Document) -> Document:
    return {} if "applied" in document else {"applied": document["command_id"]}


def _amendable(document: Document) -> Document:
    return {} if "amended" in document else message_fields(document["seq"], document.get("text"))


async def _rewrite(
    collection: Documents, wanted: Document, read: Sequence[str], added: Callable[[Document], Document]
) -> None:
    """Go once through some documents, by id, and set what is to be added to each. Safe to repeat."""
    behind: Document = {}
    while True:
        cursor = collection.find(wanted | behind, dict.fromkeys(read, 1)).sort("_id", ASCENDING).limit(GROWN_AT_ONCE)
        if not (found := [document async for document in cursor]):
            return
        writes = [UpdateOne(where(_id=each["_id"]), {"$set": new}) for each in found if (new := added(each))]
        if writes:
            await collection.bulk_write(writes, ordered=False)
        behind = {"_id": {"$gt": found[-1]["_id"]}}
