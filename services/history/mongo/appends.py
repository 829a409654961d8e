"""A batch of the log on its way in: get to know what is there, insert the events, confirm repeats, write the records.

Every write of a record carries its seq as a guard, so that an older one can never undo a newer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pymongo import DeleteOne, UpdateOne
from pymongo.errors import BulkWriteError

from schemas.events import Event, Logged
from schemas.ids import Epoch, RoomId
from services.history.documents import (
    Document,
    event_document,
    key_of,
    reaction_key,
    read_invite,
    read_reaction,
    read_room,
    read_standing,
    where,
    write_begun_fence,
    write_invite,
    write_marks,
    write_message,
    write_reaction,
    write_room,
    write_standing,
)
from services.history.intake import Conflict, Kept, Known, Outcome, Place, Plan, Repeated, command_of, place_of, plan
from services.history.mongo.database import Collections, Documents, duplicates, find_by_id, update, upsert
from services.history.mongo.events import find_kept, find_messages
from services.history.records import Projection, Put, touched_invites, touched_message, touched_reactions, touched_users
from services.history.store import StoreUnavailable

INSERT_TRIES: Final = 10


class Appends:
    """Batches of the log."""

    def __init__(self, database: Collections) -> None:
        self._database = database

    async def append(self, batch: Sequence[Logged]) -> list[Outcome]:
        """See `Store.append`."""
        known = await self._known(batch)
        planned = plan(batch, known)
        if planned.events:
            planned = await self._insert(batch, known, planned)
        await self._confirm(batch, known, planned)
        await self._save(planned)
        return planned.outcomes

    async def _known(self, batch: Sequence[Logged]) -> Known:
        entries = [logged.entry for logged in batch]
        ids = {entry.room for entry in entries}
        users = {key_of(entry.room, user) for entry in entries for user in touched_users(entry)}
        invites = {key_of(entry.room, invite) for entry in entries for invite in touched_invites(entry)}
        known = Known(rooms={room: Projection() for room in ids})
        for document in await find_by_id(self._database.rooms, ids):
            known.rooms[document["_id"]].room = read_room(document)
        for standing in map(read_standing, await find_by_id(self._database.members, users)):
            known.rooms[standing.room].standings[standing.user] = standing
        for record in map(read_invite, await find_by_id(self._database.invites, invites)):
            known.rooms[record.room].invites[record.invite] = record
        await self._know_messages(batch, known)
        known.fences = {fence["_id"]: fence["fence"] for fence in await find_by_id(self._database.fences, ids)}
        known.kept = await find_kept(self._database.events, _perhaps_kept(batch, known))
        return known

    async def _know_messages(self, batch: Sequence[Logged], known: Known) -> None:
        """The messages last: whatever a former writer does meanwhile, a message counts every reaction that is read."""
        puts = {reaction_key(entry.room, put) for entry, _ in batch if (put := touched_reactions(entry)) is not None}
        for reaction in map(read_reaction, await find_by_id(self._database.reactions, puts)):
            known.rooms[reaction.room].reactions[Put(reaction.target, reaction.user)] = reaction
        places: dict[tuple[RoomId, Epoch], set[int]] = {}
        for entry, _ in batch:
            if (place := touched_message(entry)) is not None:
                places.setdefault((entry.room, entry.epoch), set()).add(place)
        for (room, epoch), wanted in places.items():
            found = await find_messages(self._database.events, room, epoch, wanted)
            known.rooms[room].messages |= {each.place: each for each in found}

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
        documents = [event_document(kept) for kept in events.values()]
        try:
            await self._database.events.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            return {indexes[number] for number in duplicates(error)}
        return set()

    async def _learn(self, known: Known, clashed: Sequence[Event]) -> None:
        """Get to know what stands in the way of events: one in their place, or one that their command made before."""
        known.kept |= await find_kept(self._database.events, map(place_of, clashed))
        for event in clashed:
            room, actor, command_id = command = command_of(event)
            used = where(room=room, actor=actor, applied=command_id)
            if place_of(event) not in known.kept and await self._database.events.find_one(used):
                known.commands.add(command)

    async def _take_back(self, batch: Sequence[Logged], unwanted: set[int]) -> None:
        """Delete events that came in behind one that must not."""
        entries = (batch[index].entry for index in unwanted)
        if deletes := [DeleteOne(_at(entry)) for entry in entries if entry.type == "event"]:
            await self._database.events.bulk_write(deletes, ordered=False)

    async def _confirm(self, batch: Sequence[Logged], known: Known, planned: Plan) -> None:
        """Wait until a majority has what repeats were found to be there already: an earlier try may have failed just
        for that. These writes change nothing, but wait like any other, and find out when what was read is lost."""
        folded: dict[RoomId, int] = {}
        kept: list[Event] = []
        for (entry, _), outcome in zip(batch, planned.outcomes, strict=True):
            if entry.type != "event" or not isinstance(outcome, Repeated):
                continue
            if entry.seq <= _seq_of(known.rooms[entry.room]):
                folded[entry.room] = entry.seq
            elif place_of(entry) in known.kept:
                kept.append(entry)
        await _touch(self._database.events, [UpdateOne(_at(event), {"$max": {"seq": event.seq}}) for event in kept])
        guards = [(where(_id=room) | {"seq": {"$gte": seq}}, seq) for room, seq in folded.items()]
        await _touch(self._database.rooms, [UpdateOne(guard, {"$max": {"seq": seq}}) for guard, seq in guards])

    async def _save(self, planned: Plan) -> None:
        """Write the records: messages before the reactions they count; the rooms last, because readers and retries
        take them for done."""
        database = self._database
        marks = [write for key in planned.marked for write in write_marks(planned.standings[key])]
        await upsert(database.fences, [write_begun_fence(room, fence) for room, fence in planned.begun.items()])
        await upsert(database.members, [write_standing(planned.standings[key]) for key in planned.moved])
        await update(database.members, marks, ordered=True)
        await upsert(database.invites, [*map(write_invite, planned.invites.values())])
        await update(database.events, [*map(write_message, planned.messages.values())])
        await upsert(database.reactions, [*map(write_reaction, planned.reactions.values())])
        await upsert(database.rooms, [*map(write_room, planned.rooms.values())])


async def _touch(collection: Documents, writes: list[UpdateOne]) -> None:
    if writes and (await collection.bulk_write(writes, ordered=False)).matched_count < len(writes):
        raise StoreUnavailable("what was read there is gone again")


def _conflicts(planned: Plan) -> set[int]:
    return {index for index, outcome in enumerate(planned.outcomes) if isinstance(outcome, Conflict)}


def _at(event: Event) -> Document:
    return where(room=event.room, epoch=event.epoch, seq=event.seq)


def _perhaps_kept(batch: Sequence[Logged], known: Known) -> Iterable[Place]:
    """Where the batch has events that an earlier try may have brought in: all that are not newer than their room, and
    all of a room whose records are ahead of it, since counts made from those would be wrong."""
    for entry, _ in batch:
        projection = known.rooms[entry.room]
        if entry.type == "event" and (entry.seq <= _seq_of(projection) or _was_cut_off(projection)):
            yield place_of(entry)


def _seq_of(projection: Projection) -> int:
    return projection.room.seq if projection.room is not None else 0


def _was_cut_off(projection: Projection) -> bool:
    seqs = [record.seq for record in projection.standings.values()]
    seqs += [record.seq for record in projection.invites.values()]
    return max(seqs, default=0) > _seq_of(projection)
