"""One room as this gate follows it: its position, its sessions, and what is held while a hole is filled (I3, I4).

A hole is closed in two steps. First the room is asked about all sessions again, because what was missed may have been
somebody's expulsion; then exactly the missing events are fetched. What comes meanwhile waits, and goes on in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, assert_never

from schemas import limits
from schemas.answers import AttachAnswer, Refused
from schemas.errors import Code
from schemas.frames import Attached, Detached, Reset
from schemas.ids import ClientId, CommandId, Epoch, RoomId, UserId
from schemas.model import Model
from services.gateway.merge import merge
from services.gateway.ring import Numbered, Ring
from services.gateway.session import (
    UNANSWERED,
    Ask,
    Effect,
    Ended,
    Fill,
    LiveEvent,
    Outlet,
    Own,
    Replay,
    Session,
    Stage,
    Write,
)
from services.gateway.wire import text_frame


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """Bounds of one room's memory at a gate.

    Attributes:
        ring_events, ring_bytes: recent events kept for resumes.
        held_events: deliveries that wait behind a hole; what comes beyond is fetched later.
        resume_events: the longest replay or hole; a longer one becomes `reset`.
        backlog_frames: live events that wait behind one session's replay.
    """

    ring_events: int = 256
    ring_bytes: int = 256 * 1024
    held_events: int = 1_000
    resume_events: int = 1_000
    backlog_frames: int = 256


class Standing(Enum):
    """UNKNOWN: the position is not known yet. LIVE: every event goes straight on. ASKING: something was missed, the
    room is asked about the sessions. FILLING: the missing events are being fetched."""

    UNKNOWN = auto()
    LIVE = auto()
    ASKING = auto()
    FILLING = auto()


class _Asked(NamedTuple):
    sessions: tuple[Session, ...]
    whole: bool


class _Join(NamedTuple):
    asked: _Asked
    answer: AttachAnswer


class _Top(NamedTuple):
    seq: int


_Held = LiveEvent | _Join | _Top


class Feed:
    """Follows one room. Effects go to `out`, in the order in which they must happen; `flush` ends a burst."""

    def __init__(
        self, room: RoomId, bounds: FeedLimits, out: list[Effect], new_command_id: Callable[[], CommandId]
    ) -> None:
        self.room = room
        self.epoch = Epoch("")
        self.top = 0
        self.standing = Standing.UNKNOWN
        self.sessions: dict[ClientId, Session] = {}
        self.gaps = 0
        self._bounds = bounds
        self._out = out
        self._new_command_id = new_command_id
        self._ring = Ring(bounds.ring_events, bounds.ring_bytes)
        self._asked: dict[CommandId, _Asked] = {}
        self._held: deque[_Held] = deque()
        self._seen = 0
        self._ask_again = False
        self._replaying: set[Session] = set()
        self._live: tuple[Outlet, ...] | None = ()
        self._run: list[bytes] = []
        self._own: dict[ClientId, dict[int, bytes]] = {}

    # Sessions come and go.

    def attach(self, session: Session) -> None:
        """A client wants the room; the room decides. A second wish of the same client replaces the first."""
        self.detach(session.client)
        self.sessions[session.client] = session
        self._ask((session,), whole=False)

    def detach(self, client: ClientId) -> Session | None:
        """The client wants the room no longer. Only a wish without an answer yet gets one; the room is not told."""
        session = self.sessions.get(client)
        if session is None:
            return None
        unanswered = session.stage in UNANSWERED
        self._remove(session)
        if unanswered:
            self._refuse(session, Code.NOT_ATTACHED, "detached, or attached anew, before the room had answered")
        return session

    def reattach(self) -> None:
        """Ask about all sessions again, because answers and events may have been lost."""
        self._asked.clear()
        self._ask_whole()

    def ask_again(self) -> None:
        """Repeat a question to the room that was not answered; called from time to time."""
        if self._ask_again:
            self._ask_again = False
            self._ask_whole()

    # What the fan-out brings.

    def receive_event(self, event: LiveEvent) -> None:
        """The next event, or an old one again, or one that shows that something was missed."""
        if self.standing is Standing.UNKNOWN:
            self._tell_own(event)
        elif event.epoch != self.epoch:
            self._tell_own(event)
            self._doubt()
        elif self.standing is Standing.LIVE:
            self._follow(event)
        else:
            self._hold(event)

    def receive_signal(self, frame: bytes) -> None:
        """An unnumbered fact: pushed as it comes, or dropped while somebody's expulsion may have been missed (I10)."""
        if self.standing is Standing.LIVE:
            self._run.append(frame)

    def receive_top(self, epoch: Epoch, seq: int) -> None:
        """How far the room is: a missing tail is noticed here."""
        if self.standing is Standing.UNKNOWN:
            return
        if epoch != self.epoch:
            self._doubt()
        elif self.standing is Standing.LIVE:
            self._follow(_Top(seq))
        else:
            self._seen = max(self._seen, seq)

    def receive_attached(self, answer: AttachAnswer) -> None:
        """The room's answer to one of our questions, in order with its events."""
        asked = self._asked.pop(answer.command_id, None)
        if asked is None:
            return
        self.flush()
        self._end_refused(asked, answer)
        join = _Join(asked, answer)
        if self.standing is Standing.UNKNOWN:
            self._begin(answer.epoch, answer.seq)
        elif answer.epoch != self.epoch:
            self._restart(answer.epoch, answer.seq)
        self._take_up(join)

    def receive_refusal(self, command_id: CommandId, refusal: Refused) -> None:
        """The room, or nobody, answered one of our questions with a refusal."""
        asked = self._asked.pop(command_id, None)
        if asked is None:
            return
        if refusal.retry and (asked.whole or any(session.stage is Stage.LIVE for session in asked.sessions)):
            self._ask_again = True
            return
        for session in self._current(asked):
            self._end(session, refusal.code, message=refusal.message, tell_room=refusal.retry)

    # What history brings.

    def receive_hole(self, after: int, through: int, events: Sequence[Numbered] | None) -> None:
        """The missing events, all of them, or None: they cannot be had, so everyone starts afresh behind them."""
        if self.standing is not Standing.FILLING or after != self.top:
            return
        if events is None:
            self._skip_to(through)
        else:
            for event in events:
                self._push(LiveEvent(self.epoch, event.seq, event.frame, expel=event.expel), tell_room=True)
        self._release()

    def receive_replay(self, session: Session, events: Sequence[Numbered] | None) -> None:
        """What a session missed, all of it, or None: it starts afresh."""
        if session not in self._replaying:
            return
        merged = None if events is None else merge(session.start, events, session.held)
        if merged is None or (merged[-1].seq if merged else session.start) != self.top:
            self._give_up_replay(session)
            return
        self.flush()
        self._go_live(session, [event.frame for event in merged])

    @property
    def empty(self) -> bool:
        """Nobody here wants the room any longer."""
        return not self.sessions

    def flush(self) -> None:
        """Write what this burst pushed: the same bytes to everyone, the sender's own answer in its event's place."""
        run, self._run = self._run, []
        own, self._own = self._own, {}
        if not run:
            return
        outlets = self._live_outlets()
        if own:
            outlets = tuple(s.outlet for s in self._in_stage(Stage.LIVE) if s.client not in own)
        if outlets:
            self._out.append(Write(outlets, b"".join(run), len(run)))
        for client, instead in own.items():
            mine = b"".join(instead.get(index, frame) for index, frame in enumerate(run))
            self._out.append(Write((self.sessions[client].outlet,), mine, len(run)))

    # Following.

    def _follow(self, item: _Held) -> None:
        match item:
            case LiveEvent(seq=seq) if seq == self.top + 1:
                self._push(item)
            case LiveEvent(seq=seq) if seq <= self.top:
                self._tell_own(item)
            case _Top(seq) if seq <= self.top:
                return
            case _Join():
                self._take_up(item)
            case LiveEvent() | _Top():
                self._held.appendleft(item)
                self._doubt()
            case _:
                assert_never(item)

    def _take_up(self, join: _Join) -> None:
        if self.standing is Standing.LIVE and join.answer.seq <= self.top:
            self._start(join)
            return
        if self.standing is Standing.LIVE:
            self._held.appendleft(join)
        else:
            self._held.append(join)
        if self.standing is Standing.FILLING:
            return
        if join.asked.whole:
            self._fill()
        else:
            self._doubt()

    def _push(self, event: LiveEvent, *, tell_room: bool = False) -> None:
        self.top = event.seq
        self._ring.append(Numbered(event.seq, event.frame))
        if event.own is not None:
            self._substitute(event.own, event.frame)
        self._run.append(event.frame)
        for session in tuple(self._replaying):
            self._hold_for(session, event)
        if event.expel is not None:
            self._expel(event.expel, tell_room=tell_room)

    def _expel(self, user: UserId, *, tell_room: bool) -> None:
        """End what the user has here. A wish without the room's answer stays: the room decides it, and was not asked
        before the expulsion. From a gap the room has to hear of it: it may have taken the session again meanwhile."""
        for session in [s for s in self.sessions.values() if s.user == user and s.stage is not Stage.WAITING]:
            self._end(session, Code.NOT_A_MEMBER, tell_room=tell_room)

    def _substitute(self, own: Own, frame: bytes) -> None:
        session = self.sessions.get(own.client)
        if session is not None and session.stage is Stage.LIVE:
            self._own.setdefault(own.client, {})[len(self._run)] = own.frame + frame if session.echo else own.frame
        elif session is None or session.stage is not Stage.REPLAYING:
            self._out.append(Write((own.outlet,), own.frame))

    def _hold_for(self, session: Session, event: LiveEvent) -> None:
        frame = event.frame
        if event.own is not None and event.own.client == session.client:
            session.told.append(event.own.frame)
            frame = event.own.frame + frame if session.echo else event.own.frame
        session.held.append(Numbered(event.seq, frame))
        if len(session.held) > self._bounds.backlog_frames:
            self._give_up_replay(session)

    def _tell_own(self, event: LiveEvent) -> None:
        if event.own is not None:
            self._out.append(Write((event.own.outlet,), event.own.frame))

    # Holes.

    def _hold(self, event: LiveEvent) -> None:
        self._seen = max(self._seen, event.seq)
        if len(self._held) < self._bounds.held_events:
            self._held.append(event)
        else:
            self._tell_own(event)

    def _doubt(self) -> None:
        self.standing = Standing.ASKING
        if not any(asked.whole for asked in self._asked.values()) and not self._ask_again:
            self._ask_whole()

    def _fill(self) -> None:
        through = _through(self._held[0])
        if through <= self.top:
            self._release()
            return
        self.gaps += 1
        if through - self.top > self._bounds.resume_events:
            self._skip_to(through)
            self._release()
        else:
            self.standing = Standing.FILLING
            self._out.append(Fill(self.room, self.epoch, self.top, through))

    def _release(self) -> None:
        self.standing = Standing.LIVE
        held = self._held
        while held and self.standing is Standing.LIVE:
            self._follow(held.popleft())
        if self.standing is Standing.LIVE and self._seen > self.top:
            self._follow(_Top(self._seen))

    def _skip_to(self, seq: int) -> None:
        self.flush()
        self.top = seq
        self._ring.clear()
        self._reset_everyone()

    def _begin(self, epoch: Epoch, seq: int) -> None:
        self.epoch, self.top, self._seen = epoch, seq, 0
        self.standing = Standing.LIVE

    def _restart(self, epoch: Epoch, seq: int) -> None:
        held, self._held = self._held, deque()
        self._ring.clear()
        self._begin(epoch, seq)
        self._reset_everyone()
        for item in held:
            if isinstance(item, LiveEvent):
                self._tell_own(item)
            elif isinstance(item, _Join):
                self._start(item)

    def _reset_everyone(self) -> None:
        if outlets := self._live_outlets():
            self._out.append(Write(outlets, self._reset_frame(self.top)))
        for session in tuple(self._replaying):
            self._give_up_replay(session)

    # One session.

    def _start(self, join: _Join) -> None:
        self.flush()
        for session in self._current(join.asked):
            if session.stage is Stage.WAITING:
                self._start_session(session, join.answer)

    def _start_session(self, session: Session, answer: AttachAnswer) -> None:
        seq = answer.seq if answer.epoch == self.epoch else self.top
        resumed = self._resume_point(session, seq)
        session.reset = resumed is None
        session.start = seq if resumed is None else resumed
        session.attached = _attached(session, answer)
        missed = [] if session.start == self.top else self._ring.since(session.start)
        if missed is not None:
            self._go_live(session, [event.frame for event in missed])
        else:
            session.stage = Stage.REPLAYING
            self._replaying.add(session)
            self._out.append(Replay(session, self.epoch, session.start, self.top))

    def _resume_point(self, session: Session, seq: int) -> int | None:
        position = session.position
        if position is None:
            return seq
        if position.epoch != self.epoch or not 0 <= seq - position.seq <= self._bounds.resume_events:
            return None
        return position.seq

    def _go_live(self, session: Session, frames: Iterable[bytes]) -> None:
        if session.attached is None:
            raise AssertionError("a session starts with the room's answer")
        told = session.attached.model_copy(update={"epoch": self.epoch, "seq": session.start})
        opening = [self._reset_frame(session.start)] if session.reset else []
        data = [*opening, _encoded(told), *frames]
        self._stage(session, Stage.LIVE)
        self._out.append(Write((session.outlet,), b"".join(data), len(data)))

    def _give_up_replay(self, session: Session) -> None:
        self.flush()
        session.start, session.reset = self.top, True
        self._go_live(session, session.told)

    def _end_refused(self, asked: _Asked, answer: AttachAnswer) -> None:
        codes = {refused.session.client: refused.code for refused in answer.refused}
        for session in self._current(asked):
            if session.client in codes:
                self._end(session, codes[session.client], tell_room=False)

    def _end(self, session: Session, code: Code, *, message: str | None = None, tell_room: bool) -> None:
        unanswered = session.stage in UNANSWERED
        self._remove(session)
        if unanswered:
            self._refuse(session, code, message)
        else:
            self._out.append(Write((session.outlet,), _encoded(Detached(room=self.room, code=code.value))))
        self._out.append(Ended(session, tell_room))

    def _refuse(self, session: Session, code: Code, message: str | None) -> None:
        refused = Refused.of(code, message, id=session.frame_id)
        self._out.append(Write((session.outlet,), _encoded(refused)))

    def _remove(self, session: Session) -> None:
        self.flush()
        if session.stage is Stage.REPLAYING:
            self._out.extend(Write((session.outlet,), frame) for frame in session.told)
        self._stage(session, Stage.ENDED)
        del self.sessions[session.client]

    def _stage(self, session: Session, stage: Stage) -> None:
        session.stage = stage
        session.held, session.told = [], []
        self._replaying.discard(session)
        self._live = None

    def _in_stage(self, stage: Stage) -> list[Session]:
        return [session for session in self.sessions.values() if session.stage is stage]

    def _live_outlets(self) -> tuple[Outlet, ...]:
        if self._live is None:
            self._live = tuple(session.outlet for session in self._in_stage(Stage.LIVE))
        return self._live

    def _current(self, asked: _Asked) -> list[Session]:
        return [session for session in asked.sessions if self.sessions.get(session.client) is session]

    # Questions.

    def _ask_whole(self) -> None:
        everyone = tuple(self.sessions.values())
        for start in range(0, len(everyone), limits.SESSIONS_PER_ATTACH):
            part = everyone[start : start + limits.SESSIONS_PER_ATTACH]
            self._ask(part, whole=start + len(part) == len(everyone))

    def _ask(self, sessions: tuple[Session, ...], *, whole: bool) -> None:
        command_id = self._new_command_id()
        self._asked[command_id] = _Asked(sessions, whole)
        self._out.append(Ask(self.room, command_id, sessions))

    def _reset_frame(self, seq: int) -> bytes:
        return _encoded(Reset(room=self.room, epoch=self.epoch, seq=seq))


def _through(item: _Held) -> int:
    match item:
        case LiveEvent(seq=seq):
            return seq - 1
        case _Join(_, answer):
            return answer.seq
        case _Top(seq):
            return seq
        case _:
            assert_never(item)


def _attached(session: Session, answer: AttachAnswer) -> Attached:
    roles = {member.user: member.role for member in answer.members}
    return Attached(
        id=session.frame_id,
        room=answer.room,
        epoch=answer.epoch,
        seq=session.start,
        title=answer.title,
        visibility=answer.visibility,
        closed=answer.closed,
        role=roles.get(session.user),
        member_count=answer.member_count,
        members=answer.members,
    )


def _encoded(frame: Model) -> bytes:
    return text_frame(frame.to_json())
