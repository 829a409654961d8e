"""A store in memory, honest to the contract: for tests and for trying things out. It keeps nothing across a process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas import limits
from schemas.answers import Accepted
from schemas.events import (
    Event,
    Logged,
    MessageDeleted,
    MessagePosted,
    ReactionAdded,
    ReactionCount,
    ReactionRemoved,
    Receipt,
    RoomCreated,
)
from schemas.ids import CommandId, MessageId, RoomId, UserId
from schemas.roles import Visibility
from schemas.state import MemberState, MessageState
from services.history.fold import Projection, RoomRecord, Standing, state_of
from services.history.intake import Command, Kept, Known, Outcome, Place, Plan, command_of, place_of, plan
from services.history.pages import Window, answer_of, applied_command, is_member
from services.history.store import FENCE_LIFETIME, REMEMBERED_QUESTIONS, Loaded, RoomPage, TargetFacts
from services.history.words import words_of


@dataclass(slots=True)
class _Fence:
    latest: int = 0
    expires_at: datetime | None = None
    questions: dict[str, int] = field(default_factory=dict)


class MemoryStore:
    """See `services.history.store.Store`. Every call is atomic here, since nothing in it waits."""

    def __init__(self) -> None:
        self._rooms: dict[RoomId, Projection] = {}
        self._events: dict[RoomId, dict[Place, Kept]] = {}
        self._commands: dict[Command, Kept] = {}
        self._fences: dict[RoomId, _Fence] = {}

    async def prepare(self) -> None:
        """Nothing to make."""

    async def append(self, batch: Sequence[Logged]) -> list[Outcome]:
        """See `Store.append`."""
        planned = plan(batch, self._known([logged.entry for logged in batch]))
        self._carry_out(planned)
        return planned.outcomes

    async def raise_fence(self, room: RoomId, question: str, now: datetime) -> int:
        """See `Store.raise_fence`."""
        self._forget_fences(now)
        fence = self._fences.setdefault(room, _Fence())
        if question in fence.questions:
            return fence.questions[question]
        fence.latest += 1
        latest = [*fence.questions.items(), (question, fence.latest)][-REMEMBERED_QUESTIONS:]
        fence.questions = dict(latest)
        fence.expires_at = None if room in self._rooms else now + FENCE_LIFETIME
        return fence.latest

    async def snapshot(self, room: RoomId) -> Loaded | None:
        """See `Store.snapshot`."""
        projection = self._rooms.get(room)
        if projection is None:
            return None
        recent = self._in_order(room)[-limits.RECENT_COMMANDS :]
        return Loaded(state_of(projection), tuple(applied_command(kept.event) for kept in recent))

    async def lookup(self, room: RoomId, actor: UserId, command_id: CommandId) -> Accepted | None:
        """See `Store.lookup`."""
        kept = self._commands.get(Command(room, actor, command_id))
        return answer_of(kept.event) if kept is not None else None

    async def room(self, room: RoomId) -> RoomRecord | None:
        """See `Store.room`."""
        projection = self._rooms.get(room)
        return projection.room if projection is not None else None

    async def standings(self, user: UserId, rooms: Collection[RoomId]) -> Mapping[RoomId, Standing]:
        """See `Store.standings`."""
        known = {room: self._rooms[room].standings for room in rooms if room in self._rooms}
        return {room: standings[user] for room, standings in known.items() if user in standings}

    async def page(self, room: RoomRecord, window: Window) -> list[Event]:
        """See `Store.page`."""
        events = [kept.event for kept in self._in_order(room.room)]
        found = [event for event in events if window.after < event.seq <= window.through]
        if window.messages:
            found = [event for event in found if isinstance(event, MessagePosted)]
        return found[-window.limit :] if window.newest else found[: window.limit]

    async def messages_through(self, room: RoomRecord, seq: int) -> int:
        """See `Store.messages_through`."""
        kept = self._events[room.room].get(Place(room.room, room.epoch, seq))
        return kept.messages if kept is not None else 0

    async def own_messages(self, room: RoomRecord, user: UserId, after: int, through: int) -> int:
        """See `Store.own_messages`."""
        posted = await self.page(room, Window(after, through, limit=through, messages=True))
        return sum(event.actor == user for event in posted)

    async def target(self, room: RoomId, seq: int, user: UserId) -> TargetFacts | None:
        """See `Store.target`."""
        found = [message for message in self._messages(room) if message.seq == seq]
        if not found:
            return None
        [message] = found
        kinds: dict[str, set[UserId]] = {}
        for kept in self._in_order(room):
            event = kept.event
            if isinstance(event, ReactionAdded) and event.target == seq:
                kinds.setdefault(event.emoji, set()).add(event.actor)
            elif isinstance(event, ReactionRemoved) and event.target == seq:
                kinds.get(event.emoji, set()).discard(event.actor)
        counts = tuple(ReactionCount(emoji=emoji, count=len(kinds[emoji])) for emoji in sorted(kinds) if kinds[emoji])
        deleted = any(
            isinstance(kept.event, MessageDeleted) and kept.event.target == seq for kept in self._in_order(room)
        )
        state = MessageState(
            seq=seq, author=message.actor, posted_at=message.at, deleted=deleted, reactions=() if deleted else counts
        )
        reacted = () if deleted else tuple(emoji for emoji in sorted(kinds) if user in kinds[emoji])
        return TargetFacts(state, reacted)

    async def message(self, room: RoomId, message_id: MessageId) -> MessagePosted | None:
        """See `Store.message`."""
        found = (message for message in self._messages(room) if message.message_id == message_id)
        return next(found, None)

    async def search(self, rooms: Collection[RoomId], words: str, limit: int) -> list[MessagePosted]:
        """See `Store.search`."""
        wanted = words_of(words)
        messages = [message for room in rooms for message in self._messages(room)]
        found = [message for message in messages if wanted and wanted <= words_of(message.text or "")]
        return sorted(found, key=lambda message: (message.at, message.message_id), reverse=True)[:limit]

    async def directory(self, offset: int, limit: int) -> RoomPage:
        """See `Store.directory`."""
        rooms = self._folded()
        return _listed(
            (room for room in rooms if room.visibility is Visibility.PUBLIC and not room.closed), offset, limit
        )

    async def rooms_of(self, user: UserId, offset: int, limit: int) -> RoomPage:
        """See `Store.rooms_of`."""
        rooms = self._folded()
        return _listed((room for room in rooms if is_member(self._rooms[room.room].standings.get(user))), offset, limit)

    async def members(self, room: RoomId, after: UserId | None, limit: int) -> list[MemberState]:
        """See `Store.members`."""
        standings = self._rooms[room].standings if room in self._rooms else {}
        users = sorted(user for user in standings if after is None or user > after)
        found = (standings[user].membership for user in users)
        return [member for member in found if member is not None][:limit]

    async def ping(self) -> None:
        """Always there."""

    async def close(self) -> None:
        """Nothing to let go of."""

    def _known(self, entries: Sequence[Event | Receipt]) -> Known:
        rooms = {entry.room for entry in entries}
        return Known(
            rooms={room: self._rooms[room] for room in rooms if room in self._rooms},
            fences={room: self._fences[room].latest for room in rooms if room in self._fences},
            kept={place: kept for room in rooms for place, kept in self._events.get(room, {}).items()},
            commands={command_of(entry) for entry in entries if entry.type == "event"} & self._commands.keys(),
        )

    def _carry_out(self, planned: Plan) -> None:
        for kept in planned.events.values():
            self._events.setdefault(kept.event.room, {})[place_of(kept.event)] = kept
            self._commands.setdefault(command_of(kept.event), kept)
            if isinstance(kept.event, RoomCreated):
                self._rooms[kept.event.room] = Projection()
        for room, begun in planned.begun.items():
            fence = self._fences.setdefault(room, _Fence())
            fence.latest, fence.expires_at = max(fence.latest, begun), None
        for (room, user), standing in planned.standings.items():
            self._rooms[room].standings[user] = standing
        for (room, invite), record in planned.invites.items():
            self._rooms[room].invites[invite] = record
        for room, folded in planned.rooms.items():
            self._rooms[room].room = folded

    def _forget_fences(self, now: datetime) -> None:
        for room, fence in list(self._fences.items()):
            if fence.expires_at is not None and fence.expires_at < now:
                del self._fences[room]

    def _messages(self, room: RoomId) -> list[MessagePosted]:
        return [kept.event for kept in self._in_order(room) if isinstance(kept.event, MessagePosted)]

    def _in_order(self, room: RoomId) -> list[Kept]:
        return sorted(self._events.get(room, {}).values(), key=lambda kept: kept.event.seq)

    def _folded(self) -> list[RoomRecord]:
        return [projection.room for projection in self._rooms.values() if projection.room is not None]


def _listed(rooms: Iterable[RoomRecord], offset: int, limit: int) -> RoomPage:
    found = sorted(rooms, key=lambda room: room.room)
    found.sort(key=lambda room: room.updated_at, reverse=True)
    return RoomPage(found[offset : offset + limit], len(found))
