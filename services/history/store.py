"""The storage port: what history asks of a database. One contract suite runs over every adapter (tests/contract)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from schemas.answers import Accepted
from schemas.events import Event, Logged, MessagePosted
from schemas.ids import CommandId, InviteId, MessageId, RoomId, UserId
from schemas.state import AppliedCommand, BanState, InviteState, MemberState, MessageState, RoomState
from services.history.intake import Outcome
from services.history.pages import Window
from services.history.records import InviteRecord, RoomRecord, Standing
from services.history.retention import Emptied

FENCE_LIFETIME: Final = timedelta(days=7)
"""How long the fence of a room that never came to be is kept."""

REMEMBERED_QUESTIONS: Final = 32
"""How many of a room's latest fence raises are remembered by the question that asked for them."""


class StoreUnavailable(Exception):
    """The store cannot be reached, or cannot promise that a write is kept. What was asked may or may not have been
    done; asking again is safe."""


class Loaded(NamedTuple):
    """A room for a new writer: its state, and its latest applied commands, oldest first."""

    state: RoomState
    recent: tuple[AppliedCommand, ...]


class RoomPage(NamedTuple):
    """Some rooms of a list, and how many it has in all."""

    rooms: list[RoomRecord]
    total: int


class TargetFacts(NamedTuple):
    """A message for who decides about it, and the kinds of reaction that the user who asked has put to it (in code
    point order; none to a deleted one)."""

    message: MessageState
    reacted: tuple[str, ...]


class Store(Protocol):
    """Events, and the records folded from them, of every room.

    Ownership: one writer at a time calls `append` and `raise_fence` for a room, in the order of its log. A former
    writer that was stopped in the middle may go on at any moment with what it had in hand: everything it can still
    write, its successor has written or will write the same, and no write here undoes a newer one. Reads may run
    beside anything.

    Durability: what returned is kept by a majority and in the journal.

    Errors: every method raises `StoreUnavailable` and no driver's exception.
    """

    async def prepare(self) -> None:
        """Make the indexes the contract rests on. Safe to repeat."""
        ...

    async def append(self, batch: Sequence[Logged]) -> list[Outcome]:
        """Keep a batch and fold it, and say what came of each entry, in order. What an edit replaced or a delete took
        away is nowhere any more when it returns.

        Not atomic, but idempotent: after a crash or `StoreUnavailable` at any point the same entries, batched in any
        way, lead to the same end. An event is kept once per place; the same event again is `Repeated`, another one in
        its place, a hole in the seqs or another epoch is a `Conflict`, and neither changes anything. An event at its
        right place is always kept, also when its command made another one before (docs/decisions/0012). Readers see
        an event only when it and all before it are folded.
        """
        ...

    async def raise_fence(self, room: RoomId, question: str, now: datetime) -> int:
        """The fence for the writer that asks: one above the last. The same `question` asked again, even after later
        ones, gets the fence it got, so that a redelivered question cannot turn its asker into a former writer.

        A room that does not exist has a fence as well; it is forgotten `FENCE_LIFETIME` after it was last raised.
        """
        ...

    async def snapshot(self, room: RoomId) -> Loaded | None:
        """The room as folded, with its `limits.RECENT_COMMANDS` latest commands; None: there is no such room."""
        ...

    async def lookup(self, room: RoomId, actor: UserId, command_id: CommandId) -> Accepted | None:
        """The answer a command got first, however long ago; None: it was never applied."""
        ...

    async def room(self, room: RoomId) -> RoomRecord | None:
        """One room as folded."""
        ...

    async def standings(self, user: UserId, rooms: Collection[RoomId]) -> Mapping[RoomId, Standing]:
        """What a user is to each of some rooms; rooms that know nothing of the user are left out."""
        ...

    async def page(self, room: RoomRecord, window: Window) -> list[Event]:
        """Events of the window, oldest first: messages as their later events left them, an edit with its text only
        while it is the newest of a message that is not empty."""
        ...

    async def messages_through(self, room: RoomRecord, seq: int) -> int:
        """How many messages the room had right behind the event at `seq`; 0 for seq 0."""
        ...

    async def own_messages(self, room: RoomRecord, user: UserId, after: int, through: int) -> int:
        """How many messages the user posted with `after < seq <= through`, deleted ones among them. It may look at
        every event between the two: the caller bounds how many there are."""
        ...

    async def target(self, room: RoomId, seq: int, user: UserId) -> TargetFacts | None:
        """The message at `seq` as its later events left it, and what `user` has put to it; None: no message stands
        there. Holds everything appended before."""
        ...

    async def message(self, room: RoomId, message_id: MessageId) -> MessagePosted | None:
        """One folded message as its later events left it, a deleted one too; None: the room has none of this id."""
        ...

    async def search(self, rooms: Collection[RoomId], words: str, limit: int) -> list[MessagePosted]:
        """The newest messages of some rooms that hold every word of `words` (see `services.history.words`), newest
        first, at most `limit`; only folded ones, and never deleted ones.

        Never raises for what `words` holds; no word in it finds nothing.
        """
        ...

    async def rooms_to_empty(self, after: RoomId | None, limit: int) -> list[RoomRecord]:
        """Rooms that keep their messages for so many days only, by room id, behind `after`."""
        ...

    async def empty(self, room: RoomRecord, since: datetime, limit: int) -> Emptied:
        """Empty the room's messages that were posted before `since`, going through its next `limit` events, folded
        ones, behind the mark of the last call.

        Not atomic, but idempotent, and safe beside `append`, whoever calls it and how many at once: what is emptied
        stays so, whatever a writer that knew it full still writes.
        """
        ...

    async def directory(self, offset: int, limit: int) -> RoomPage:
        """Public rooms that are open, newest activity first."""
        ...

    async def rooms_of(self, user: UserId, offset: int, limit: int) -> RoomPage:
        """The rooms a user is a member of, newest activity first."""
        ...

    async def members(self, room: RoomId, after: UserId | None, limit: int) -> list[MemberState]:
        """Members of a room by user id (code point order), behind `after`."""
        ...

    async def bans(self, room: RoomId, after: UserId | None, limit: int) -> list[BanState]:
        """Who is kept out of a room, or was until their ban ended, by user id (code point order), behind `after`."""
        ...

    async def invites(self, room: RoomId) -> list[InviteState]:
        """The invites of a room by id, those revoked or swept left out. There are at most `limits.INVITES`."""
        ...

    async def invite(self, room: RoomId, invite: InviteId) -> InviteRecord | None:
        """What is known of one invite, a revoked or swept one too; None: the room never made it."""
        ...

    async def ping(self) -> None:
        """Return when the store answers."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...
