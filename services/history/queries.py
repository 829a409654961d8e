"""Reads, answered from the store (design §7). What is not for the actor's eyes does not exist for them (I10)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, assert_never

from schemas.answers import Refused
from schemas.errors import Code
from schemas.ids import RoomId, UserId
from schemas.queries import (
    BansAnswer,
    BansQuery,
    InviteAnswer,
    InviteQuery,
    InvitesAnswer,
    InvitesQuery,
    MembersAnswer,
    MembersQuery,
    MessageAnswer,
    MessageQuery,
    MyRoomsQuery,
    PageAnswer,
    PageQuery,
    Query,
    QueryAnswer,
    RoomAnswer,
    RoomQuery,
    RoomsAnswer,
    RoomsQuery,
    RoomView,
    SearchAnswer,
    SearchQuery,
)
from services.history.pages import (
    fitting,
    invite_view,
    is_member,
    may_read,
    may_rule,
    member_view,
    needs_count,
    own_sought_after,
    read_through,
    room_view,
    unread,
    window_of,
)
from services.history.records import RoomRecord, Standing
from services.history.store import RoomPage, Store

STEP_SECONDS: Final = 0.05
SEARCHED_ROOMS: Final = 200
"""A search without a room looks through so many of the actor's rooms, those of the newest activity."""

VIEWED_AT_ONCE: Final = 8
"""One list asks the store about so many of its rooms at a time."""
OF_A_ROOM: Final = (PageQuery, RoomQuery, MembersQuery, SearchQuery, MessageQuery, BansQuery, InvitesQuery)
"""Reads of what is in one room, for those who may look into it."""


class Opened(NamedTuple):
    """A room the actor may read, and what they are to it."""

    room: RoomRecord
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Queries:
    """Answers reads. `through_seconds` bounds the wait of a read that asks for a seq which is not stored yet."""

    store: Store
    through_seconds: float

    async def answer(self, query: Query) -> QueryAnswer:
        """One read. Whoever was put out while it was made is shown nothing: what it found may be of after (I10).

        Raises:
            StoreUnavailable: the store is away.
        """
        answer = await self._answer(query)
        if isinstance(answer, Refused) or not isinstance(query, OF_A_ROOM) or query.room is None:
            return answer
        again = await self._open(query.room, query.actor)
        return again if isinstance(again, Refused) else answer

    async def _answer(self, query: Query) -> QueryAnswer:
        match query:
            case PageQuery():
                return await self._page(query)
            case RoomQuery():
                return await self._room(query)
            case MembersQuery():
                return await self._members(query)
            case RoomsQuery() | MyRoomsQuery():
                return await self._rooms(query)
            case SearchQuery():
                return await self._search(query)
            case MessageQuery():
                return await self._message(query)
            case BansQuery():
                return await self._bans(query)
            case InvitesQuery():
                return await self._invites(query)
            case InviteQuery():
                return await self._invite(query)
            case _:
                assert_never(query)

    async def _page(self, query: PageQuery) -> PageAnswer | Refused:
        opened = await self._open(query.room, query.actor, query.through_seq)
        if isinstance(opened, Refused):
            return opened
        room = opened.room
        window = window_of(query, room.seq)
        events = fitting(await self.store.page(room, window), newest=window.newest)
        behind = room.seq < (query.through_seq or 0)
        return PageAnswer(room=room.room, epoch=room.epoch, head=room.seq, events=events, behind=behind)

    async def _room(self, query: RoomQuery) -> RoomAnswer | Refused:
        opened = await self._open(query.room, query.actor, query.through_seq)
        return opened if isinstance(opened, Refused) else RoomAnswer(view=await self._view(*opened))

    async def _members(self, query: MembersQuery) -> MembersAnswer | Refused:
        opened = await self._open(query.room, query.actor, query.through_seq)
        if isinstance(opened, Refused):
            return opened
        found = await self.store.members(query.room, query.after, query.limit + 1)
        shown = found[: query.limit]
        return MembersAnswer(
            room=query.room,
            members=tuple(map(member_view, shown)),
            total=opened.room.members,
            next=shown[-1].user if len(found) > query.limit else None,
        )

    async def _search(self, query: SearchQuery) -> SearchAnswer | Refused:
        readable = await self._readable(query)
        if isinstance(readable, Refused):
            return readable
        found = await self.store.search(readable, query.query, query.limit)
        if query.room is None:
            standings = await self.store.standings(query.actor, {message.room for message in found})
            found = [message for message in found if is_member(standings.get(message.room))]
        return SearchAnswer(events=fitting(found, newest=False))

    async def _readable(self, query: SearchQuery) -> list[RoomId] | Refused:
        """The rooms a search looks through: it never gets to see another one."""
        if query.room is None:
            return [room.room for room in (await self.store.rooms_of(query.actor, 0, SEARCHED_ROOMS)).rooms]
        opened = await self._open(query.room, query.actor, query.through_seq)
        return opened if isinstance(opened, Refused) else [opened.room.room]

    async def _message(self, query: MessageQuery) -> MessageAnswer | Refused:
        opened = await self._open(query.room, query.actor, query.through_seq)
        if isinstance(opened, Refused):
            return opened
        found = await self.store.message(query.room, query.message_id)
        return MessageAnswer(event=found) if found is not None else Refused.of(Code.MESSAGE_NOT_FOUND)

    async def _bans(self, query: BansQuery) -> BansAnswer | Refused:
        opened = await self._open_to_rule(query.room, query.actor, query.through_seq)
        if isinstance(opened, Refused):
            return opened
        if query.user is not None:
            standing = (await self.store.standings(query.user, [query.room])).get(query.room)
            ban = standing.ban if standing is not None else None
            return BansAnswer(room=query.room, bans=() if ban is None else (ban,))
        found = await self.store.bans(query.room, query.after, query.limit + 1)
        shown = found[: query.limit]
        more = len(found) > query.limit
        return BansAnswer(room=query.room, bans=tuple(shown), next=shown[-1].user if more else None)

    async def _invites(self, query: InvitesQuery) -> InvitesAnswer | Refused:
        opened = await self._open_to_rule(query.room, query.actor, query.through_seq)
        if isinstance(opened, Refused):
            return opened
        return InvitesAnswer(room=query.room, invites=tuple(await self.store.invites(query.room)))

    async def _invite(self, query: InviteQuery) -> InviteAnswer | Refused:
        """An invite that the room never made does not exist, and says nothing of whether the room does."""
        room = await self._through(query.room, query.through_seq or 0)
        record = await self.store.invite(query.room, query.invite)
        if room is None or record is None:
            return Refused.of(Code.ROOM_NOT_FOUND)
        if record.state is None or record.state.is_worthless(datetime.now(UTC)):
            return Refused.of(Code.INVITE_INVALID)
        return Refused.of(Code.ROOM_CLOSED) if room.closed else invite_view(room, record.state)

    async def _rooms(self, query: RoomsQuery | MyRoomsQuery) -> RoomsAnswer:
        if query.through_room is not None:
            await self._through(query.through_room, query.through_seq or 0)
        if isinstance(query, RoomsQuery):
            return await self._listed(query.actor, await self.store.directory(query.offset, query.limit))
        return await self._listed(query.actor, await self.store.rooms_of(query.actor, query.offset, query.limit))

    async def _listed(self, actor: UserId, listed: RoomPage) -> RoomsAnswer:
        standings = await self.store.standings(actor, [room.room for room in listed.rooms])
        rooms = [room for room in listed.rooms if may_read(room, standings.get(room.room))]
        views: list[RoomView] = []
        for start in range(0, len(rooms), VIEWED_AT_ONCE):
            some = rooms[start : start + VIEWED_AT_ONCE]
            views += await asyncio.gather(*(self._view(room, standings.get(room.room)) for room in some))
        return RoomsAnswer(rooms=tuple(views), total=listed.total)

    async def _view(self, room: RoomRecord, standing: Standing | None) -> RoomView:
        member = standing.membership if standing is not None else None
        if member is None or not needs_count(room, member):
            return room_view(room, standing)
        mark = read_through(room, member)
        read = await self.store.messages_through(room, mark)
        own = await self.store.own_messages(room, member.user, own_sought_after(room, mark), room.last_message_seq)
        return room_view(room, standing, unread(room, read, own))

    async def _open(self, room_id: RoomId, actor: UserId, through_seq: int | None = None) -> Opened | Refused:
        room = await self._through(room_id, through_seq or 0)
        if room is None:
            return Refused.of(Code.ROOM_NOT_FOUND)
        standing = (await self.store.standings(actor, [room_id])).get(room_id)
        return Opened(room, standing) if may_read(room, standing) else Refused.of(Code.ROOM_NOT_FOUND)

    async def _open_to_rule(self, room_id: RoomId, actor: UserId, through_seq: int | None) -> Opened | Refused:
        """The room, for a member whose role may ban and invite."""
        opened = await self._open(room_id, actor, through_seq)
        if isinstance(opened, Refused) or may_rule(opened.standing):
            return opened
        return Refused.of(Code.NOT_ALLOWED if is_member(opened.standing) else Code.NOT_A_MEMBER)

    async def _through(self, room: RoomId, seq: int) -> RoomRecord | None:
        """The room as soon as it is folded through `seq`; as it is, when that takes too long."""
        deadline = time.monotonic() + self.through_seconds
        while True:
            found = await self.store.room(room)
            enough = seq <= (found.seq if found is not None else 0)
            if enough or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(STEP_SECONDS)
