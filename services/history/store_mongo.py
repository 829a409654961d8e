"""The store on MongoDB, or on what speaks its protocol: the port, made of the parts in `services.history.mongo`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from schemas.answers import Accepted
from schemas.events import Event, Logged, MessagePosted
from schemas.ids import CommandId, InviteId, MessageId, RoomId, UserId
from schemas.state import BanState, InviteState, MemberState
from services.history.intake import Outcome
from services.history.mongo import indexes
from services.history.mongo.appends import Appends
from services.history.mongo.database import collections, connect, translated
from services.history.mongo.emptying import Emptying
from services.history.mongo.fences import Fences
from services.history.mongo.reads import Reads
from services.history.pages import Window
from services.history.records import InviteRecord, RoomRecord, Standing
from services.history.retention import Emptied
from services.history.store import Loaded, RoomPage, TargetFacts


class MongoStore:
    """See `services.history.store.Store`."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        """Nothing is connected yet. The database is in the path of `url`; `timeout_seconds` bounds each single wait."""
        self._client = connect(url, timeout_seconds)
        self.database = collections(self._client, timeout_seconds)
        self._appends = Appends(self.database)
        self._fences = Fences(self.database)
        self._reads = Reads(self.database)
        self._emptying = Emptying(self.database)

    async def prepare(self) -> None:
        """See `Store.prepare`."""
        async with translated():
            await indexes.prepare(self.database)

    async def append(self, batch: Sequence[Logged]) -> list[Outcome]:
        """See `Store.append`."""
        async with translated():
            return await self._appends.append(batch)

    async def raise_fence(self, room: RoomId, question: str, now: datetime) -> int:
        """See `Store.raise_fence`."""
        async with translated():
            return await self._fences.raise_fence(room, question, now)

    async def snapshot(self, room: RoomId) -> Loaded | None:
        """See `Store.snapshot`."""
        async with translated():
            return await self._reads.snapshot(room)

    async def lookup(self, room: RoomId, actor: UserId, command_id: CommandId) -> Accepted | None:
        """See `Store.lookup`."""
        async with translated():
            return await self._reads.lookup(room, actor, command_id)

    async def room(self, room: RoomId) -> RoomRecord | None:
        """See `Store.room`."""
        async with translated():
            return await self._reads.room(room)

    async def standings(self, user: UserId, rooms: Collection[RoomId]) -> Mapping[RoomId, Standing]:
        """See `Store.standings`."""
        async with translated():
            return await self._reads.standings(user, rooms)

    async def page(self, room: RoomRecord, window: Window) -> list[Event]:
        """See `Store.page`."""
        async with translated():
            return await self._reads.page(room, window)

    async def messages_through(self, room: RoomRecord, seq: int) -> int:
        """See `Store.messages_through`."""
        async with translated():
            return await self._reads.messages_through(room, seq)

    async def own_messages(self, room: RoomRecord, user: UserId, after: int, through: int) -> int:
        """See `Store.own_messages`."""
        async with translated():
            return await self._reads.own_messages(room, user, after, through)

    async def target(self, room: RoomId, seq: int, user: UserId) -> TargetFacts | None:
        """See `Store.target`."""
        async with translated():
            return await self._reads.target(room, seq, user)

    async def message(self, room: RoomId, message_id: MessageId) -> MessagePosted | None:
        """See `Store.message`."""
        async with translated():
            return await self._reads.message(room, message_id)

    async def search(self, rooms: Collection[RoomId], words: str, limit: int) -> list[MessagePosted]:
        """See `Store.search`."""
        async with translated():
            return await self._reads.search(rooms, words, limit)

    async def rooms_to_empty(self, after: RoomId | None, limit: int) -> list[RoomRecord]:
        """See `Store.rooms_to_empty`."""
        async with translated():
            return await self._emptying.rooms_to_empty(after, limit)

    async def empty(self, room: RoomRecord, since: datetime, limit: int) -> Emptied:
        """See `Store.empty`."""
        async with translated():
            return await self._emptying.empty(room, since, limit)

    async def directory(self, offset: int, limit: int) -> RoomPage:
        """See `Store.directory`."""
        async with translated():
            return await self._reads.directory(offset, limit)

    async def rooms_of(self, user: UserId, offset: int, limit: int) -> RoomPage:
        """See `Store.rooms_of`."""
        async with translated():
            return await self._reads.rooms_of(user, offset, limit)

    async def members(self, room: RoomId, after: UserId | None, limit: int) -> list[MemberState]:
        """See `Store.members`."""
        async with translated():
            return await self._reads.members(room, after, limit)

    async def bans(self, room: RoomId, after: UserId | None, limit: int) -> list[BanState]:
        """See `Store.bans`."""
        async with translated():
            return await self._reads.bans(room, after, limit)

    async def invites(self, room: RoomId) -> list[InviteState]:
        """See `Store.invites`."""
        async with translated():
            return await self._reads.invites(room)

    async def invite(self, room: RoomId, invite: InviteId) -> InviteRecord | None:
        """See `Store.invite`."""
        async with translated():
            return await self._reads.invite(room, invite)

    async def ping(self) -> None:
        """See `Store.ping`."""
        async with translated():
            await self._client.get_default_database().command("ping")

    async def close(self) -> None:
        """See `Store.close`."""
        self._client.close()
