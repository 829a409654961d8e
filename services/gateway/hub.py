"""Which rooms this gate follows, and who speaks to which: deliveries go in, effects come out, in order. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from schemas.answers import AttachAnswer, Refused
from schemas.ids import ClientId, CommandId, Epoch, RoomId, UserId
from schemas.routes import shard_of
from services.gateway.bounds import FeedLimits
from services.gateway.feed import Feed
from services.gateway.ring import Numbered
from services.gateway.session import Effect, LiveEvent, Own, Session, Stage
from services.gateway.tally import Tally


class Hub:
    """All feeds of a gate. Call any number of `receive_*`, `attach`, `detach`, then `take` the effects."""

    def __init__(self, bounds: FeedLimits) -> None:
        self._bounds = bounds
        self._feeds: dict[RoomId, Feed] = {}
        self._touched: set[Feed] = set()
        self._effects: list[Effect] = []
        self._questions = 0
        self._attaches = 0
        self.tally = Tally()

    @property
    def session_count(self) -> int:
        """Sessions of all rooms."""
        return sum(len(feed.audience.sessions) for feed in self._feeds.values())

    @property
    def room_count(self) -> int:
        """Rooms with a session."""
        return len(self._feeds)

    def users_of(self, room: RoomId) -> frozenset[UserId]:
        """Who has a session in the room, and does not hide it."""
        feed = self._feeds.get(room)
        sessions = feed.audience.sessions.values() if feed is not None else ()
        return frozenset(each.user for each in sessions if each.stage is Stage.LIVE and not each.hidden)

    def attach(self, session: Session) -> None:
        """A client wants a room. Its session is numbered here."""
        self._attaches += 1
        session.attach_ref = self._attaches
        feed = self._feeds.get(session.room)
        if feed is None:
            feed = Feed(session.room, self._bounds, self._effects, self.tally, self._new_command_id)
            self._feeds[session.room] = feed
        self._touched.add(feed)
        feed.attach(session)

    def detach(self, room: RoomId, client: ClientId) -> Session | None:
        """A client wants a room no longer; its session, when there was one."""
        feed = self._touch(room)
        return feed.detach(client) if feed is not None else None

    def has(self, room: RoomId, client: ClientId) -> bool:
        """Whether the client has, or awaits, a session in the room."""
        feed = self._feeds.get(room)
        return feed is not None and client in feed.audience.sessions

    def receive_event(self, room: RoomId, event: LiveEvent) -> bool:
        """A numbered event; False when the room is not followed here (its own answer, if any, is the caller's)."""
        feed = self._touch(room)
        if feed is None:
            return False
        feed.receive_event(event)
        return True

    def receive_signal(self, room: RoomId, frame: bytes) -> None:
        """An unnumbered fact."""
        if (feed := self._touch(room)) is not None:
            feed.receive_signal(frame)

    def receive_top(self, room: RoomId, epoch: Epoch, seq: int) -> None:
        """How far a room is."""
        if (feed := self._touch(room)) is not None:
            feed.receive_top(epoch, seq)

    def receive_attached(self, answer: AttachAnswer) -> None:
        """A room's answer to one of our questions."""
        if (feed := self._touch(answer.room)) is not None:
            feed.receive_attached(answer)

    def receive_refusal(self, room: RoomId, command_id: CommandId, refusal: Refused) -> None:
        """A question was refused, or nobody answered it."""
        if (feed := self._touch(room)) is not None:
            feed.receive_refusal(command_id, refusal)

    def receive_gap(
        self,
        room: RoomId,
        after: int,
        through: int,
        events: Sequence[Numbered] | None,
        owns: Mapping[int, Own] = MappingProxyType({}),
    ) -> bool:
        """The missing events of a room, or None when they cannot be had; `owns` are the answers that stand in the place
        of some. False when the room is not followed here any more (the answers are the caller's then)."""
        feed = self._touch(room)
        if feed is not None:
            feed.receive_gap(after, through, events, owns)
        return feed is not None

    def receive_replay(self, session: Session, events: Sequence[Numbered] | None) -> None:
        """The events one session missed, or None when they cannot be had."""
        if (feed := self._touch(session.room)) is not None:
            feed.receive_replay(session, events)

    def replay_from_ring(self, session: Session) -> bool:
        """Whether nothing has to be fetched for a session whose `Replay` waited: what it missed was fetched meanwhile
        for another, or it is over."""
        feed = self._touch(session.room)
        return feed is None or feed.replay_from_ring(session)

    def catch_up(self, session: Session) -> None:
        """The client behind a session that fell behind took what waited for it."""
        if (feed := self._touch(session.room)) is not None:
            feed.catch_up(session)

    def reattach(self) -> None:
        """Deliveries may have been lost: ask every room about all its sessions, once each."""
        for feed in self._feeds.values():
            self._touched.add(feed)
            feed.reattach()

    def reattach_shard(self, shard: int, shards: int) -> None:
        """The same for the rooms of one shard, whose worker is new."""
        for room, feed in self._feeds.items():
            if shard_of(room, shards) == shard:
                self._touched.add(feed)
                feed.reattach()

    def ask_again(self) -> None:
        """Repeat questions that were not answered."""
        for feed in self._feeds.values():
            self._touched.add(feed)
            feed.ask_again()

    def take(self) -> list[Effect]:
        """What is to be done, in order. Rooms without a session are forgotten."""
        for feed in self._touched:
            feed.flush()
            if feed.empty:
                self._feeds.pop(feed.room, None)
        self._touched.clear()
        effects = self._effects.copy()
        self._effects.clear()
        return effects

    def _touch(self, room: RoomId) -> Feed | None:
        feed = self._feeds.get(room)
        if feed is not None:
            self._touched.add(feed)
        return feed

    def _new_command_id(self) -> CommandId:
        self._questions += 1
        return CommandId(f"attach-{self._questions}")
