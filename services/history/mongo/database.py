"""The database: its collections, how a write of ours is made durable, and what the driver's errors mean.

`events` hold what happened, a message as its later events left it; `rooms`, `members` (standings), `invites` and
`reactions` are the records folded from them; `fences` are the terms of writers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from services.history.documents import Document, Write
from services.history.store import StoreUnavailable

Client = AsyncIOMotorClient[Document]
Documents = AsyncIOMotorCollection[Document]

DUPLICATE_KEY: Final = 11000


@dataclass(slots=True)
class Collections:
    """All collections of one database."""

    events: Documents
    rooms: Documents
    members: Documents
    invites: Documents
    reactions: Documents
    fences: Documents


def connect(url: str, timeout_seconds: float) -> Client:
    """A client that connects when it is first used; `timeout_seconds` bounds each single wait."""
    milliseconds = int(timeout_seconds * 1000)
    return AsyncIOMotorClient(
        url,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
        appname="gatehouse-history",
    )


def collections(client: Client, timeout_seconds: float) -> Collections:
    """The collections of the database that the client's URL names. A write returns when a majority has it in its
    journal."""
    durable = WriteConcern(w="majority", j=True, wtimeout=int(timeout_seconds * 1000))
    database = client.get_default_database(write_concern=durable)
    return Collections(**{name: database[name] for name in Collections.__slots__})


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Whatever the driver raises in here becomes `StoreUnavailable`."""
    try:
        yield
    except (PyMongoError, OSError) as error:
        raise StoreUnavailable(said(error)) from error


def said(error: PyMongoError | OSError) -> str:
    """What the driver's error says, without what was to be written: reports of commands and writes repeat it."""
    if not isinstance(error, OperationFailure):
        return repr(error)[:500]
    details: Mapping[str, Any] = error.details or {}  # Any: the server's report
    reports = [details, *details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
    codes = sorted({f"{report.get('codeName', '')} {report['code']}".strip() for report in reports if "code" in report})
    return f"{type(error).__name__}: {', '.join(codes) or error.code}"


def duplicates(error: BulkWriteError) -> list[int]:
    """The indexes of the writes that failed for a duplicate key. Raises the error again when it says anything else."""
    details: Mapping[str, Any] = error.details  # Any: the driver's report
    errors = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or any(each["code"] != DUPLICATE_KEY for each in errors):
        raise error
    return [each["index"] for each in errors]


async def find_by_id(collection: Documents, ids: Iterable[str]) -> list[Document]:
    """The documents with these ids, as many as there are."""
    wanted = sorted(ids)
    return [document async for document in collection.find({"_id": {"$in": wanted}})] if wanted else []


async def upsert(collection: Documents, writes: list[Write]) -> None:
    """Guarded upserts. A duplicate key says that the record is there: then the guard alone decides."""
    if not writes:
        return
    try:
        await collection.bulk_write([UpdateOne(each.guard, each.change, upsert=True) for each in writes], ordered=False)
    except BulkWriteError as error:
        again = [UpdateOne(*writes[number]) for number in duplicates(error)]
        await collection.bulk_write(again, ordered=False)


async def update(collection: Documents, writes: list[Write], *, ordered: bool = False) -> None:
    """Guarded writes to documents that are there."""
    if writes:
        await collection.bulk_write([UpdateOne(each.guard, each.change) for each in writes], ordered=ordered)
