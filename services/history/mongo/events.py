"""Finding events by where they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from schemas.events import MessagePosted
from schemas.ids import Epoch, RoomId
from services.history.documents import Document, read_event, read_message, where
from services.history.intake import Kept, Place, place_of
from services.history.messages import MessageRecord
from services.history.mongo.database import Documents


async def find_kept(events: Documents, places: Iterable[Place]) -> dict[Place, Kept]:
    """The events kept at some places."""
    by_room: dict[tuple[RoomId, Epoch], set[int]] = {}
    for room, epoch, seq in places:
        by_room.setdefault((room, epoch), set()).add(seq)
    found: dict[Place, Kept] = {}
    for (room, epoch), seqs in by_room.items():
        wanted = where(room=room, epoch=epoch) | {"seq": among(seqs)}
        kept = [read_event(document) async for document in events.find(wanted)]
        found |= {place_of(each.event): each for each in kept}
    return found


async def find_messages(events: Documents, room: RoomId, epoch: Epoch, places: Collection[int]) -> list[MessageRecord]:
    """The messages that stand at some places of a room."""
    if not places:
        return []
    wanted = where(room=room, epoch=epoch, event="message_posted") | {"seq": among(places)}
    found = [read_message(document) async for document in events.find(wanted)]
    return [record for record in found if record is not None]


def among(places: Collection[int]) -> Document:
    """One of some places. The range says nothing new, but lets the embedded store use its index."""
    return {"$in": sorted(places), "$gte": min(places), "$lte": max(places)}


def by_place(records: Iterable[MessageRecord]) -> dict[int, MessagePosted]:
    """Messages by where they stand."""
    return {record.place: record.message for record in records}
