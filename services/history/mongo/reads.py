"""What is asked of the store, and does not change it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from pymongo import ASCENDING, DESCENDING

from schemas import limits
from schemas.answers import Accepted
from schemas.events import Event, MessagePosted
from schemas.ids import CommandId, InviteId, MessageId, RoomId, UserId
from schemas.state import BanState, InviteState, MemberState
from services.history.documents import (
    Document,
    key_of,
    reaction_key,
    read_event,
    read_invite,
    read_message,
    read_reaction,
    read_room,
    read_standing,
    where,
)
from services.history.fold import state_of
from services.history.messages import edited_places, message_state, told
from services.history.mongo.database import Collections, find_by_id
from services.history.mongo.events import by_place, find_messages
from services.history.pages import Window, applied_command
from services.history.records import InviteRecord, Projection, Put, RoomRecord, Standing
from services.history.store import Loaded, RoomPage, TargetFacts
from services.history.words import wanted_words

_UNFOLDED_MOST: Final = 1_000
"""More than a search meets of messages that are inserted and not folded yet."""
_NEWEST_ACTIVITY: Final = [("activity", DESCENDING), ("_id", ASCENDING)]


class Reads:
    """Every read of the port."""

    def __init__(self, database: Collections) -> None:
        self._database = database

    async def snapshot(self, room: RoomId) -> Loaded | None:
        """See `Store.snapshot`."""
        record = await self.room(room)
        if record is None:
            return None
        projection = Projection(record)
        for wanted in (where(room=room, member=1), where(room=room, member=0, kept=1)):
            async for document in self._database.members.find(wanted):
                projection.standings[document["user"]] = read_standing(document)
        async for document in self._database.invites.find(where(room=room)):
            projection.invites[document["invite"]] = read_invite(document)
        recent = await self._kept(record, Window(0, record.seq, limits.RECENT_COMMANDS, newest=True))
        return Loaded(state_of(projection), tuple(map(applied_command, recent)))

    async def lookup(self, room: RoomId, actor: UserId, command_id: CommandId) -> Accepted | None:
        """See `Store.lookup`."""
        document = await self._database.events.find_one(where(room=room, actor=actor, applied=command_id))
        return Accepted.of(read_event(document).event) if document is not None else None

    async def room(self, room: RoomId) -> RoomRecord | None:
        """See `Store.room`."""
        document = await self._database.rooms.find_one(where(_id=room))
        return read_room(document) if document is not None else None

    async def standings(self, user: UserId, rooms: Collection[RoomId]) -> Mapping[RoomId, Standing]:
        """See `Store.standings`."""
        found = await find_by_id(self._database.members, (key_of(room, user) for room in rooms))
        return {standing.room: standing for standing in map(read_standing, found)}

    async def page(self, room: RoomRecord, window: Window) -> list[Event]:
        """See `Store.page`."""
        events = await self._kept(room, window)
        messages = {event.seq: event for event in events if isinstance(event, MessagePosted)}
        missing = edited_places(events) - messages.keys()
        messages |= by_place(await find_messages(self._database.events, room.room, room.epoch, missing))
        return [told(event, messages) for event in events]

    async def messages_through(self, room: RoomRecord, seq: int) -> int:
        """See `Store.messages_through`."""
        there = where(room=room.room, epoch=room.epoch, seq=seq)
        document = await self._database.events.find_one(there, {"messages_after": 1})
        return int(document["messages_after"]) if document is not None else 0

    async def own_messages(self, room: RoomRecord, user: UserId, after: int, through: int) -> int:
        """See `Store.own_messages`. Counted here: the embedded store reads all of a collection to count a part, and is
        many times slower to tell documents than values."""
        wanted = where(room=room.room, epoch=room.epoch) | {"seq": {"$gt": after, "$lte": through}}
        own = wanted | where(actor=user, event="message_posted")
        return len(await self._database.events.distinct("seq", own))

    async def target(self, room: RoomId, seq: int, user: UserId) -> TargetFacts | None:
        """See `Store.target`."""
        record = await self.room(room)
        put = await self._database.reactions.find_one(where(_id=reaction_key(room, Put(seq, user))))
        document = await self._at(record, seq) if record is not None and seq <= record.seq else None
        message = read_message(document) if document is not None else None
        if message is None:
            return None
        kinds = read_reaction(put).kinds if put is not None and not message.message.deleted else ()
        return TargetFacts(message_state(message.message), kinds)

    async def message(self, room: RoomId, message_id: MessageId) -> MessagePosted | None:
        """See `Store.message`."""
        document = await self._database.events.find_one(where(room=room, message_id=message_id))
        found = read_message(document) if document is not None else None
        record = await self.room(room)
        return found.message if found is not None and record is not None and found.place <= record.seq else None

    async def search(self, rooms: Collection[RoomId], words: str, limit: int) -> list[MessagePosted]:
        """See `Store.search`. Goes through what is found, newest first, as far as it takes."""
        wanted = wanted_words(words)
        if not wanted or not rooms:
            return []
        heads: dict[RoomId, int] = {}
        found: list[MessagePosted] = []
        matching: Document = {"room": {"$in": sorted(rooms)}, "words": {"$all": wanted}}
        cursor = self._database.events.find(matching).sort("message_id", DESCENDING).limit(limit + _UNFOLDED_MOST)
        async for document in cursor.batch_size(limit):
            record = read_message(document)
            if record is not None and record.place <= await self._head(record.message.room, heads):
                found.append(record.message)
            if len(found) == limit:
                break
        await cursor.close()
        return found

    async def directory(self, offset: int, limit: int) -> RoomPage:
        """See `Store.directory`."""
        total = await self._database.rooms.count_documents(where(listed=1))
        return RoomPage(await self._newest_rooms(where(listed=1), offset, limit), total)

    async def rooms_of(self, user: UserId, offset: int, limit: int) -> RoomPage:
        """See `Store.rooms_of`."""
        cursor = self._database.members.find(where(user=user, member=1), {"room": 1})
        ids = [document["room"] async for document in cursor]
        rooms = await self._newest_rooms({"_id": {"$in": ids}}, offset, limit) if ids else []
        return RoomPage(rooms, len(ids))

    async def members(self, room: RoomId, after: UserId | None, limit: int) -> list[MemberState]:
        """See `Store.members`."""
        wanted = where(room=room, member=1) | {"user": {"$gt": after or ""}}
        cursor = self._database.members.find(wanted).sort("user", ASCENDING).limit(limit)
        found = [read_standing(document).membership async for document in cursor]
        return [member for member in found if member is not None]

    async def bans(self, room: RoomId, after: UserId | None, limit: int) -> list[BanState]:
        """See `Store.bans`."""
        wanted = where(room=room, member=0, kept=1) | {"ban": {"$ne": None}, "user": {"$gt": after or ""}}
        cursor = self._database.members.find(wanted).sort("user", ASCENDING).limit(limit)
        found = [read_standing(document).ban async for document in cursor]
        return [ban for ban in found if ban is not None]

    async def invites(self, room: RoomId) -> list[InviteState]:
        """See `Store.invites`."""
        records = [read_invite(document) async for document in self._database.invites.find(where(room=room))]
        found = {record.invite: record.state for record in records if record.state is not None}
        return [found[invite] for invite in sorted(found)]

    async def invite(self, room: RoomId, invite: InviteId) -> InviteRecord | None:
        """See `Store.invite`."""
        document = await self._database.invites.find_one(where(_id=key_of(room, invite)))
        return read_invite(document) if document is not None else None

    async def _kept(self, room: RoomRecord, window: Window) -> list[Event]:
        wanted = where(room=room.room, epoch=room.epoch) | {"seq": {"$gt": window.after, "$lte": window.through}}
        if window.messages:
            wanted |= where(event="message_posted")
        order = DESCENDING if window.newest else ASCENDING
        cursor = self._database.events.find(wanted).sort("seq", order).limit(window.limit)
        events = [read_event(document).event async for document in cursor]
        return events[::-1] if window.newest else events

    async def _at(self, room: RoomRecord, seq: int) -> Document | None:
        return await self._database.events.find_one(where(room=room.room, epoch=room.epoch, seq=seq))

    async def _head(self, room: RoomId, heads: dict[RoomId, int]) -> int:
        if room not in heads:
            record = await self.room(room)
            heads[room] = record.seq if record is not None else 0
        return heads[room]

    async def _newest_rooms(self, wanted: Document, offset: int, limit: int) -> list[RoomRecord]:
        cursor = self._database.rooms.find(wanted).sort(_NEWEST_ACTIVITY).skip(offset).limit(limit)
        return [read_room(document) async for document in cursor]
