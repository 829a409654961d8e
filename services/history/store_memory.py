"""A store in memory, honest to the contract: for tests and for trying things out. It keeps nothing across a process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from schemas import limits
from schemas.answers import Accepted
from schemas.events import Event, Logged, MessagePosted, Receipt, RoomCreated
from schemas.ids import CommandId, InviteId, MessageId, RoomId, UserId
from schemas.roles import Visibility
from schemas.state import BanState, InviteState, MemberState
from services.history.fold import state_of
from services.history.intake import Command, Kept, Known, Outcome, Place, Plan, command_of, place_of, plan
from services.history.messages import MessageRecord, emptied, message_state, told
from services.history.pages import Window, applied_command, is_member
from services.history.records import (
    InviteRecord,
    Projection,
    Put,
    RoomRecord,
    Standing,
    touched_message,
    touched_reactions,
)
from services.history.retention import Dated, Emptied, due_through
from services.history.store import FENCE_LIFETIME, REMEMBERED_QUESTIONS, Loaded, RoomPage, TargetFacts
from services.history.words import wanted_words, words_of


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
        self._emptied: dict[RoomId, int] = {}

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
        return Accepted.of(kept.event) if kept is not None else None

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
        messages = {record.place: record.message for record in self._messages(room.room)}
        events = [told(kept.event, messages) for kept in self._in_order(room.room)]
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
        messages = (record.message for record in self._messages(room.room))
        return sum(message.actor == user and after < message.seq <= through for message in messages)

    async def target(self, room: RoomId, seq: int, user: UserId) -> TargetFacts | None:
        """See `Store.target`."""
        projection = self._rooms.get(room, Projection())
        record = projection.messages.get(seq)
        if record is None:
            return None
        reactions = projection.reactions.get(Put(seq, user))
        put = reactions.kinds if reactions is not None and not record.message.deleted else ()
        return TargetFacts(message_state(record.message), put)

    async def message(self, room: RoomId, message_id: MessageId) -> MessagePosted | None:
        """See `Store.message`."""
        messages = (record.message for record in self._messages(room))
        return next((message for message in messages if message.message_id == message_id), None)

    async def search(self, rooms: Collection[RoomId], words: str, limit: int) -> list[MessagePosted]:
        """See `Store.search`."""
        wanted = set(wanted_words(words))
        messages = [record.message for room in rooms for record in self._messages(room)]
        found = [message for message in messages if wanted and wanted <= set(words_of(message.text or ""))]
        return sorted(found, key=lambda message: message.message_id, reverse=True)[:limit]

    async def rooms_to_empty(self, after: RoomId | None, limit: int) -> list[RoomRecord]:
        """See `Store.rooms_to_empty`."""
        found = (room for room in self._folded() if room.retention_days is not None and room.room > (after or ""))
        return sorted(found, key=lambda room: room.room)[:limit]

    async def empty(self, room: RoomRecord, since: datetime, limit: int) -> Emptied:
        """See `Store.empty`."""
        mark, projection = self._emptied.get(room.room, 0), self._rooms[room.room]
        ahead = [kept.event for kept in self._in_order(room.room) if kept.event.seq > mark][:limit]
        through = due_through([Dated(event.seq, event.at) for event in ahead], since)
        if through is None:
            return Emptied(0, more=False)
        due = [record for place, record in projection.messages.items() if mark < place <= through]
        full = [record for record in due if not record.message.deleted]
        for record in full:
            self._leave(room.room, record.model_copy(update={"message": emptied(record.message)}))
        self._emptied[room.room] = through
        if projection.room is not None and projection.room.last_message_seq <= through:
            projection.room = projection.room.model_copy(update={"preview": ""})
        return Emptied(len(full), more=len(ahead) == limit and through == ahead[-1].seq)

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
        found = (standing.membership for standing in self._standings_behind(room, after))
        return [member for member in found if member is not None][:limit]

    async def bans(self, room: RoomId, after: UserId | None, limit: int) -> list[BanState]:
        """See `Store.bans`."""
        found = (standing.ban for standing in self._standings_behind(room, after))
        return [ban for ban in found if ban is not None][:limit]

    async def invites(self, room: RoomId) -> list[InviteState]:
        """See `Store.invites`."""
        records = self._rooms[room].invites if room in self._rooms else {}
        found = (records[invite].state for invite in sorted(records))
        return [invite for invite in found if invite is not None]

    async def invite(self, room: RoomId, invite: InviteId) -> InviteRecord | None:
        """See `Store.invite`."""
        return self._rooms[room].invites.get(invite) if room in self._rooms else None

    async def ping(self) -> None:
        """Always there."""

    async def close(self) -> None:
        """Nothing to let go of."""

    def _known(self, entries: Sequence[Event | Receipt]) -> Known:
        rooms = {entry.room for entry in entries}
        return Known(
            rooms={room: self._touched(room, entries) for room in rooms if room in self._rooms},
            fences={room: self._fences[room].latest for room in rooms if room in self._fences},
            kept={place: kept for room in rooms for place, kept in self._events.get(room, {}).items()},
            commands={command_of(entry) for entry in entries if entry.type == "event"} & self._commands.keys(),
        )

    def _touched(self, room: RoomId, entries: Sequence[Event | Receipt]) -> Projection:
        whole = self._rooms[room]
        places, puts = {*map(touched_message, entries)}, {*map(touched_reactions, entries)}
        messages = {place: record for place, record in whole.messages.items() if place in places}
        reactions = {put: record for put, record in whole.reactions.items() if put in puts}
        return Projection(whole.room, whole.standings, whole.invites, messages, reactions)

    def _carry_out(self, planned: Plan) -> None:
        for kept in planned.events.values():
            self._events.setdefault(kept.event.room, {})[place_of(kept.event)] = kept
            self._commands.setdefault(command_of(kept.event), kept)
            if isinstance(kept.event, RoomCreated):
                self._rooms[kept.event.room] = Projection()
            if isinstance(kept.event, MessagePosted):
                posted = MessageRecord(seq=kept.event.seq, message=kept.event)
                self._rooms[kept.event.room].messages[posted.place] = posted
        for room, begun in planned.begun.items():
            fence = self._fences.setdefault(room, _Fence())
            fence.latest, fence.expires_at = max(fence.latest, begun), None
        for (room, user), standing in planned.standings.items():
            self._rooms[room].standings[user] = standing
        for (room, invite), record in planned.invites.items():
            self._rooms[room].invites[invite] = record
        for (room, _), message in planned.messages.items():
            self._leave(room, message)
        for (room, put), reaction in planned.reactions.items():
            self._rooms[room].reactions[put] = reaction
        for room, folded in planned.rooms.items():
            self._rooms[room].room = folded

    def _forget_fences(self, now: datetime) -> None:
        for room, fence in list(self._fences.items()):
            if fence.expires_at is not None and fence.expires_at < now:
                del self._fences[room]

    def _standings_behind(self, room: RoomId, after: UserId | None) -> list[Standing]:
        standings = self._rooms[room].standings if room in self._rooms else {}
        return [standings[user] for user in sorted(standings) if after is None or user > after]

    def _messages(self, room: RoomId) -> Iterable[MessageRecord]:
        return self._rooms[room].messages.values() if room in self._rooms else ()

    def _leave(self, room: RoomId, record: MessageRecord) -> None:
        """A message is so from here on, wherever it is kept."""
        message = record.message
        self._rooms[room].messages[record.place] = record
        kept = self._events[room][place_of(message)]
        self._events[room][place_of(message)] = replace(kept, event=message)

    def _in_order(self, room: RoomId) -> list[Kept]:
        return sorted(self._events.get(room, {}).values(), key=lambda kept: kept.event.seq)

    def _folded(self) -> list[RoomRecord]:
        return [projection.room for projection in self._rooms.values() if projection.room is not None]


def _listed(rooms: Iterable[RoomRecord], offset: int, limit: int) -> RoomPage:
    found = sorted(rooms, key=lambda room: room.room)
    found.sort(key=lambda room: room.updated_at, reverse=True)
    return RoomPage(found[offset : offset + limit], len(found))
