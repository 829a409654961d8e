"""One room as this gate follows it: what comes next, and how a gap is closed (I3, I4). Who hears it is the audience's.

The room is asked about one crowd after the other: wishes that come while a question is on its way are the next one.

A gap is closed in two steps. First the room is asked about all sessions again, because what was missed may have been
somebody's expulsion; then exactly the missing events are fetched. What comes meanwhile waits, and goes on in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Final, assert_never

from schemas import limits
from schemas.answers import AttachAnswer, Refused
from schemas.ids import ClientId, CommandId, Epoch, RoomId
from services.gateway.audience import Audience
from services.gateway.bounds import FeedLimits
from services.gateway.hold import Asked, Attachment, Held, Hold, Top
from services.gateway.ring import Numbered
from services.gateway.session import Ask, Effect, Fill, LiveEvent, Own, Session, Stage
from services.gateway.tally import Count, Tally

WISHES_AT_ONCE: Final = 1_000
"""How many sessions one question is about, so that the room's other commands do not wait long behind it."""


class FeedState(Enum):
    """UNKNOWN -- any answer of the room --> LIVE -- a missing seq, or another epoch --> ASKING -- the answer about all
    sessions --> FILLING -- the missing events, or a reset --> LIVE. An answer of another epoch makes any state LIVE.

    UNKNOWN: the position is not known yet. LIVE: every event goes straight on. ASKING: something was missed, the room
    is asked about the sessions. FILLING: the missing events are being fetched.
    """

    UNKNOWN = auto()
    LIVE = auto()
    ASKING = auto()
    FILLING = auto()


class Feed:
    """Follows one room. Effects go to `out`, in the order in which they must happen; `flush` ends a burst."""

    def __init__(
        self, room: RoomId, bounds: FeedLimits, out: list[Effect], tally: Tally, new_command_id: Callable[[], CommandId]
    ) -> None:
        self.room = room
        self.state = FeedState.UNKNOWN
        self.audience = Audience(room, bounds, out, tally)
        self._tally = tally
        self._bounds = bounds
        self._out = out
        self._new_command_id = new_command_id
        self._asked: dict[CommandId, Asked] = {}
        self._wishes: list[Session] = []
        self._hold = Hold(bounds.held_events, bounds.held_bytes)
        self._late: dict[int, Own] = {}
        self._seen = 0
        self._ask_again = False

    # Sessions come and go.

    def attach(self, session: Session) -> None:
        """A client wants the room; the room decides. It is asked by the next `flush`, unless a question is on its way.
        A second wish of the same client replaces the first."""
        self.audience.add(session)
        self._wishes.append(session)

    def detach(self, client: ClientId) -> Session | None:
        """The client wants the room no longer."""
        return self.audience.remove(client)

    def reattach(self) -> None:
        """Ask about all sessions again, because answers and events may have been lost."""
        self._asked.clear()
        self._ask_whole()

    def ask_again(self) -> None:
        """Repeat a question to the room that was not answered; called from time to time. No wish waits longer than that
        behind the question of another."""
        if self._ask_again:
            self._ask_again = False
            self._ask_whole()
        self._ask_wishes()

    # What the fan-out brings.

    def receive_event(self, event: LiveEvent) -> None:
        """The next event, or an old one again, or one that shows that something was missed."""
        if self.state is FeedState.UNKNOWN:
            self.audience.tell_own(event)
        elif event.epoch != self.audience.epoch:
            self.audience.tell_own(event)
            self._doubt()
        elif self.state is FeedState.LIVE:
            self._follow(event)
        else:
            self._wait(event)

    def receive_signal(self, frame: bytes) -> None:
        """An unnumbered fact: pushed as it comes, or dropped while somebody's expulsion may have been missed (I10)."""
        if self.state is FeedState.LIVE:
            self.audience.push_signal(frame)

    def receive_top(self, epoch: Epoch, seq: int) -> None:
        """How far the room is: a missing tail is noticed here."""
        if self.state is FeedState.UNKNOWN:
            return
        if epoch != self.audience.epoch:
            self._doubt()
        elif self.state is FeedState.LIVE:
            self._follow(Top(seq))
        else:
            self._seen = max(self._seen, seq)

    def receive_attached(self, answer: AttachAnswer) -> None:
        """The room's answer to one of our questions, in order with its events."""
        asked = self._asked.pop(answer.command_id, None)
        if asked is None:
            return
        self.audience.end_refused(asked.sessions, answer)
        if self.state is FeedState.UNKNOWN:
            self._begin(answer.epoch, answer.seq)
        elif answer.epoch != self.audience.epoch:
            self._restart(answer.epoch, answer.seq)
        self._take_up(Attachment(asked, answer))

    def receive_refusal(self, command_id: CommandId, refusal: Refused) -> None:
        """The room, or nobody, answered one of our questions with a refusal."""
        asked = self._asked.pop(command_id, None)
        if asked is None:
            return
        if refusal.retry and (asked.whole or any(session.stage is Stage.LIVE for session in asked.sessions)):
            self._ask_again = True
            return
        for session in self.audience.current(asked.sessions):
            self.audience.end(session, refusal.code, message=refusal.message, tell_room=refusal.retry)

    # What history brings.

    def receive_gap(self, after: int, through: int, events: Sequence[Numbered] | None, owns: Mapping[int, Own]) -> None:
        """The missing events, all of them, or None: they cannot be had, so everyone starts afresh behind them. `owns`
        are the answers to the commands that made some of them."""
        self._late |= {seq: own for seq, own in owns.items() if seq > self.audience.top}
        for seq in owns.keys() - self._late.keys():
            self.audience.tell(owns[seq])
        if self.state is not FeedState.FILLING or after != self.audience.top:
            return
        if events is None:
            self._skip_to(through)
        else:
            for seq, frame, expel in events:
                event = LiveEvent(self.audience.epoch, seq, frame, self._late.pop(seq, None), expel)
                self.audience.push(event, tell_room=True)
        self._release()

    def receive_replay(self, session: Session, events: Sequence[Numbered] | None) -> None:
        """What one session missed, or None."""
        self.audience.receive_replay(session, events)

    def replay_from_ring(self, session: Session) -> bool:
        """Whether nothing has to be fetched for the session any more."""
        return self.audience.replay_from_ring(session)

    @property
    def empty(self) -> bool:
        """Nobody here wants the room any longer."""
        return not self.audience.sessions

    def catch_up(self, session: Session) -> None:
        """A session that fell behind goes on. While a gap is open, it goes on to the gap."""
        self.audience.catch_up(session)

    def flush(self) -> None:
        """Write what this burst pushed, and ask about those who wish for the room; also what it is for those that were
        reset, unless all are asked for already."""
        self.audience.flush()
        if self.empty:
            self._tell_waiting()
        stale = self.audience.take_stale()
        if stale and not self._ask_again and not any(asked.whole for asked in self._asked.values()):
            self._ask(tuple(stale), whole=False)
        if all(asked.whole for asked in self._asked.values()):
            self._ask_wishes()

    # Following.

    def _follow(self, item: Held) -> None:
        match item:
            case LiveEvent(seq=seq) if seq == self.audience.top + 1:
                self.audience.push(item)
            case LiveEvent(seq=seq) if seq <= self.audience.top:
                self.audience.tell_own(item)
            case Top(seq) if seq <= self.audience.top:
                return
            case Attachment():
                self._take_up(item)
            case LiveEvent() | Top():
                self._hold.put_back(item)
                self._doubt()
            case _:
                assert_never(item)

    def _take_up(self, attachment: Attachment) -> None:
        if self.state is FeedState.LIVE and attachment.through <= self.audience.top:
            self.audience.start(attachment.asked.sessions, attachment.answer)
            return
        if self.state is FeedState.LIVE:
            self._hold.put_back(attachment)
        else:
            self._hold.append_answer(attachment)
        if self.state is FeedState.FILLING:
            return
        if attachment.asked.whole:
            self._fill()
        else:
            self._doubt()

    # Gaps.

    def _wait(self, event: LiveEvent) -> None:
        """What finds no place is fetched later; the sender's answer is kept for its place, so that whoever takes it for
        a position has all that stands before."""
        self._seen = max(self._seen, event.seq)
        if not self._hold.append(event) and event.own is not None:
            self._late[event.seq] = event.own

    def _doubt(self) -> None:
        self.state = FeedState.ASKING
        if not any(asked.whole for asked in self._asked.values()) and not self._ask_again:
            self._ask_whole()

    def _fill(self) -> None:
        first = self._hold.first
        through = first.seq - 1 if isinstance(first, LiveEvent) else first.through
        if through <= self.audience.top:
            self._release()
            return
        self._tally[Count.GAP] += 1
        if through - self.audience.top > self._bounds.resume_events:
            self._skip_to(through)
            self._release()
        else:
            self.state = FeedState.FILLING
            self._out.append(Fill(self.room, self.audience.epoch, self.audience.top, through))

    def _release(self) -> None:
        self.state = FeedState.LIVE
        while self._hold and self.state is FeedState.LIVE:
            self._follow(self._hold.take())
        if self.state is FeedState.LIVE and self._seen > self.audience.top:
            self._follow(Top(self._seen))

    def _skip_to(self, seq: int) -> None:
        for late in [late for late in self._late if late <= seq]:
            self.audience.tell(self._late.pop(late))
        self.audience.skip_to(seq)

    def _tell_waiting(self) -> None:
        """Nobody is here any more; who waits for an answer still gets it."""
        for item in self._hold.clear():
            if isinstance(item, LiveEvent):
                self.audience.tell_own(item)
        for own in self._late.values():
            self.audience.tell(own)
        self._late.clear()

    def _begin(self, epoch: Epoch, seq: int) -> None:
        self._seen = 0
        self.audience.begin(epoch, seq)
        self.state = FeedState.LIVE

    def _restart(self, epoch: Epoch, seq: int) -> None:
        self._seen, self.state = 0, FeedState.LIVE
        for own in self._late.values():
            self.audience.tell(own)
        self._late.clear()
        self.audience.restart(epoch, seq)
        for item in self._hold.clear():
            if isinstance(item, LiveEvent):
                self.audience.tell_own(item)
            elif isinstance(item, Attachment):
                self.audience.start(item.asked.sessions, item.answer)

    # Questions.

    def _ask_wishes(self) -> None:
        """As many as one question takes; the others wait for its answer."""
        wishes = self.audience.current(self._wishes)
        now, self._wishes = wishes[:WISHES_AT_ONCE], wishes[WISHES_AT_ONCE:]
        if now:
            self._ask(tuple(now), whole=False)

    def _ask_whole(self) -> None:
        self._wishes.clear()
        everyone = tuple(self.audience.sessions.values())
        for start in range(0, len(everyone), limits.SESSIONS_PER_ATTACH):
            part = everyone[start : start + limits.SESSIONS_PER_ATTACH]
            self._ask(part, whole=start + len(part) == len(everyone))

    def _ask(self, sessions: tuple[Session, ...], *, whole: bool) -> None:
        command_id = self._new_command_id()
        self._asked[command_id] = Asked(sessions, whole)
        self._out.append(Ask(self.room, command_id, sessions))
