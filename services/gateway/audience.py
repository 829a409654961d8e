"""The sessions of one room at this gate: how far each is, what it is told, and what this burst pushes to all of them.

What comes next is the feed's to know (`feed.py`); here everything is in order already. A session whose connection has
no place for more falls behind by itself: nobody waits for it, and nothing is kept for it but where it stopped (I9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.answers import AttachAnswer, Refused
from schemas.errors import Code
from schemas.events import Expulsion
from schemas.frames import Detached, Lagged, Reset
from schemas.ids import ClientId, Epoch, RoomId
from schemas.model import Model
from services.gateway.bounds import FeedLimits
from services.gateway.burst import Burst, in_place
from services.gateway.live import Live
from services.gateway.merge import merge
from services.gateway.portrait import Portrait
from services.gateway.ring import Numbered, Ring
from services.gateway.session import (
    Effect,
    Ended,
    FellBehind,
    LiveEvent,
    Outlet,
    Own,
    Replay,
    Session,
    Stage,
    Write,
)
from services.gateway.tally import Count, Tally
from services.gateway.wire import text_frame


class Audience:
    """Everything up to `top` of `epoch` was pushed. Effects go to `out`, in order; `flush` ends a burst."""

    def __init__(self, room: RoomId, bounds: FeedLimits, out: list[Effect], tally: Tally) -> None:
        self.epoch = Epoch("")
        self.top = 0
        self.sessions: dict[ClientId, Session] = {}
        self._room = room
        self._bounds = bounds
        self._out = out
        self._tally = tally
        self._ring = Ring(bounds.ring_events, bounds.ring_bytes)
        self._replaying: set[Session] = set()
        self._live: Live | None = None
        self._burst = Burst()
        self._stale: list[Session] = []

    # Where the room is.

    def begin(self, epoch: Epoch, seq: int) -> None:
        """The first thing known of the room."""
        self.epoch, self.top = epoch, seq

    def restart(self, epoch: Epoch, seq: int) -> None:
        """The room is numbered anew: everyone starts afresh there."""
        self.flush()
        self._ring.clear()
        self.begin(epoch, seq)
        self._reset_everyone()

    def skip_to(self, seq: int) -> None:
        """What lies between cannot be had: everyone starts afresh behind it."""
        self.flush()
        self.top = seq
        self._ring.clear()
        self._reset_everyone()

    # Sessions.

    def add(self, session: Session) -> None:
        """A client wants the room. A second wish of the same client replaces the first."""
        self.remove(session.client)
        self.sessions[session.client] = session

    def remove(self, client: ClientId) -> Session | None:
        """The client wants the room no longer. Only a wish without an answer yet gets one; the room is not told."""
        session = self.sessions.get(client)
        if session is None:
            return None
        unanswered = session.unanswered
        self._remove(session)
        if unanswered:
            self._refuse(session, Code.NOT_ATTACHED, "detached, or attached anew, before the room had answered")
        return session

    def start(self, sessions: Iterable[Session], answer: AttachAnswer) -> None:
        """The room took these sessions, at a position that has been pushed: those that wait for it begin, and those
        that were reset are told what the room is."""
        self.flush()
        portrait = Portrait(answer)
        behind: dict[int, list[Outlet]] = {}
        for session in self.current(sessions):
            if session.stage is Stage.WAITING:
                if self._start(session, answer, portrait):
                    behind.setdefault(session.start, []).append(session.outlet)
            elif session.stage is Stage.LIVE and session.stale:
                session.stale = False
                session.start, session.frame_id = self.top, None
                self._out.append(Write((session.outlet,), self._attached_frame(session, portrait)))
        for seq, outlets in behind.items():
            self._push_missed(seq, outlets)

    def _push_missed(self, seq: int, outlets: Sequence[Outlet]) -> None:
        """Whoever stopped at the same place gets the same bytes."""
        missed = self._ring.since(seq)
        if missed is None:
            raise AssertionError("nothing leaves the ring while an answer is taken up")
        self._out.append(Write(outlets, b"".join(event.frame for event in missed), len(missed)))

    def take_stale(self) -> list[Session]:
        """The sessions that were reset and for which the room has yet to be asked what it is now."""
        stale, self._stale = self._stale, []
        return [session for session in self.current(stale) if session.stale]

    def catch_up(self, session: Session) -> None:
        """The client took what waited for it: what it missed comes now, all of it, or it starts afresh."""
        if session.stage is not Stage.LAGGING:
            return
        self.flush()
        if self.top - session.start > self._bounds.resume_events:
            self._start_afresh(session)
            return
        lagged = _encoded(Lagged(room=self._room, from_seq=session.start, to_seq=self.top))
        missed = self._ring.since(session.start)
        if missed is not None:
            self._tally[Count.RING] += 1
            self._go_on(session, [lagged, *in_place(session, missed)])
        else:
            self._out.append(Write((session.outlet,), lagged))
            self._replay(session)

    def receive_replay(self, session: Session, events: Sequence[Numbered] | None) -> None:
        """What a session missed, all of it, or None: it starts afresh. Others that missed the same find it in the
        ring."""
        if session not in self._replaying:
            return
        if events is not None:
            self._ring.prepend(events, self.top)
        self._receive_missed(session, events, Count.HISTORY)

    def replay_from_ring(self, session: Session) -> bool:
        """Whether nothing has to be fetched for a session any more: it waits no longer, or the ring has it by now."""
        if session not in self._replaying:
            return True
        missed = self._ring.since(session.start)
        if missed is None:
            return False
        self._receive_missed(session, missed, Count.RING)
        return True

    def _receive_missed(self, session: Session, events: Sequence[Numbered] | None, source: Count) -> None:
        merged = None if events is None else merge(session.start, events, session.held or ())
        if merged is None or (merged[-1].seq if merged else session.start) != self.top:
            self._give_up_replay(session)
            return
        self._tally[source] += 1
        self.flush()
        if session.outlet.backlog.paused:
            self._begin_lagging(session)
        elif session.attached is None:
            self._go_on(session, in_place(session, merged))
        else:
            self._go_live(session, session.attached, in_place(session, merged))

    def end_refused(self, sessions: Iterable[Session], answer: AttachAnswer) -> None:
        """End those of these sessions that the room did not take."""
        self.flush()
        codes = {refused.session.client: refused.code for refused in answer.refused}
        for session in self.current(sessions):
            if session.client in codes:
                self.end(session, codes[session.client], tell_room=False)

    def end(self, session: Session, code: Code, *, message: str | None = None, tell_room: bool) -> None:
        """A session is over, by no wish of its client."""
        unanswered = session.unanswered
        self._remove(session)
        if unanswered:
            self._refuse(session, code, message)
        else:
            self._out.append(Write((session.outlet,), _encoded(Detached(room=self._room, code=code.value))))
        self._out.append(Ended(session, tell_room))

    def current(self, sessions: Iterable[Session]) -> list[Session]:
        """Those of these sessions that are not over."""
        return [session for session in sessions if self.sessions.get(session.client) is session]

    # Pushing.

    def push(self, event: LiveEvent, *, tell_room: bool = False) -> None:
        """The event at `top` + 1. With `tell_room` the room hears of the sessions that end with it."""
        self.top = event.seq
        self._ring.append(Numbered(event.seq, event.frame))
        if event.own is not None:
            self._place_own(event.own, event)
        self._burst.add_event(event.seq, event.frame)
        for session in tuple(self._replaying):
            self._hold_for(session, event)
        if event.expel is not None:
            self._expel(event.expel, tell_room=tell_room)

    def push_signal(self, frame: bytes) -> None:
        """An unnumbered fact."""
        self._burst.add_signal(frame)

    def tell_own(self, event: LiveEvent) -> None:
        """The sender's answer alone, for an event that is not pushed now."""
        if event.own is not None:
            self.tell(event.own)

    def tell(self, own: Own) -> None:
        """The sender's answer alone."""
        self._out.append(Write((own.outlet,), own.frame))

    def flush(self) -> None:
        """Write what this burst pushed: the same bytes to everyone but senders and those who do not keep up."""
        if not self._burst:
            return
        burst, self._burst = self._burst, Burst()
        live = self._live_now()
        apart = live.apart(burst.senders)
        outlets = live.outlets_without(apart)
        if outlets:
            self._out.append(Write(outlets, burst.data, len(burst)))
        for session in apart:
            self._push_apart(session, burst)

    def _push_apart(self, session: Session, burst: Burst) -> None:
        backlog = session.outlet.backlog
        frames = burst.frames_for(session, crowded=backlog.paused)
        data = b"".join(frames)
        if backlog.take(len(frames), len(data)):
            if frames:
                self._out.append(Write((session.outlet,), data, len(frames)))
            return
        session.start, session.told = burst.before, burst.answers_of(session.client)
        self._begin_lagging(session)

    def _begin_lagging(self, session: Session) -> None:
        """Nothing goes on to this session, and nothing is kept for it but its own answers. One that waits for its
        `attached` gets that first."""
        told = session.told
        if session.attached is not None:
            self._go_live(session, session.attached, ())
        self._tally[Count.LAG] += 1
        self._stage(session, Stage.LAGGING)
        session.told = told
        self._out.append(FellBehind(session))

    def _place_own(self, own: Own, event: LiveEvent) -> None:
        """The sender's answer stands in the event's place, also where that place is yet to come for its session."""
        session = self.sessions.get(own.client)
        if session is None or session.stage is Stage.WAITING:
            self.tell(own)
        elif session.stage is Stage.LIVE:
            self._burst.add_answer(own, event.seq)
        else:
            session.told = {**(session.told or {}), event.seq: own.frame}

    def _hold_for(self, session: Session, event: LiveEvent) -> None:
        held = session.held = [] if session.held is None else session.held
        held.append(Numbered(event.seq, event.frame))
        session.held_bytes += len(event.frame)
        bounds = self._bounds
        if len(held) > bounds.replay_held_events or session.held_bytes > bounds.replay_held_bytes:
            self._give_up_replay(session)

    def _expel(self, gone: Expulsion, *, tell_room: bool) -> None:
        """End what the user has here. A wish without the room's answer stays: the room decides it, and was not asked
        before the expulsion. From a gap the room has to hear of it: it may have taken the session again meanwhile."""
        for session in [s for s in self.sessions.values() if s.user == gone.user and s.stage is not Stage.WAITING]:
            self.end(session, gone.code, tell_room=tell_room)

    # One session.

    def _start(self, session: Session, answer: AttachAnswer, portrait: Portrait) -> bool:
        """Whether the session is LIVE and the ring has what it missed: that comes next."""
        seq = answer.seq if answer.epoch == self.epoch else self.top
        resumed = self._resume_point(session, seq)
        session.reset = resumed is None
        session.start = seq if resumed is None else resumed
        session.attached = portrait
        is_behind = session.start != self.top
        if is_behind and not self._ring.reaches(session.start):
            self._replay(session)
            return False
        if is_behind and session.outlet.backlog.paused:
            self._begin_lagging(session)
            return False
        if session.position is not None:
            self._tally[Count.RESET if session.reset else Count.RING] += 1
        self._go_live(session, portrait, ())
        return is_behind

    def _resume_point(self, session: Session, seq: int) -> int | None:
        position = session.position
        if position is None:
            return seq
        if position.epoch != self.epoch or not 0 <= seq - position.seq <= self._bounds.resume_events:
            return None
        return position.seq

    def _replay(self, session: Session) -> None:
        session.stage = Stage.REPLAYING
        self._replaying.add(session)
        self._out.append(Replay(session, self.epoch, session.start, self.top))

    def _go_live(self, session: Session, portrait: Portrait, frames: Iterable[bytes]) -> None:
        opening = [self._reset_frame(session.start)] if session.reset else []
        data = [*opening, self._attached_frame(session, portrait), *frames]
        session.attached, session.reset = None, False
        self._stage(session, Stage.LIVE)
        self._out.append(Write((session.outlet,), b"".join(data), len(data)))

    def _go_on(self, session: Session, frames: Sequence[bytes]) -> None:
        """Behind what it missed the session is as every other."""
        self._stage(session, Stage.LIVE)
        if session.stale:
            self._stale.append(session)
        self._out.append(Write((session.outlet,), b"".join(frames), len(frames)))

    def _give_up_replay(self, session: Session) -> None:
        self.flush()
        if session.attached is None:
            self._start_afresh(session)
            return
        self._tally[Count.RESET] += 1
        session.start, session.reset = self.top, True
        self._go_live(session, session.attached, list((session.told or {}).values()))

    def _start_afresh(self, *sessions: Session) -> None:
        """What these missed cannot be had. They go on from here, and hear what the room is when the room says."""
        self._tally[Count.RESET] += len(sessions)
        for session in sessions:
            self._tell_told(session)
            self._stage(session, Stage.LIVE)
            session.stale = True
        self._stale += sessions
        if sessions:
            self._out.append(Write([session.outlet for session in sessions], self._reset_frame(self.top)))

    def _tell_told(self, session: Session) -> None:
        self._out.extend(Write((session.outlet,), frame) for frame in (session.told or {}).values())

    def _reset_everyone(self) -> None:
        begun = [s for s in self.sessions.values() if not s.unanswered]
        for session in [s for s in self._replaying if s.unanswered]:
            self._give_up_replay(session)
        self._start_afresh(*begun)

    def _refuse(self, session: Session, code: Code, message: str | None) -> None:
        refused = Refused.of(code, message, id=session.frame_id)
        self._out.append(Write((session.outlet,), _encoded(refused)))

    def _remove(self, session: Session) -> None:
        self.flush()
        self._tell_told(session)
        self._stage(session, Stage.ENDED)
        del self.sessions[session.client]

    def _stage(self, session: Session, stage: Stage) -> None:
        session.stage = stage
        session.held, session.told, session.held_bytes = None, None, 0
        self._replaying.discard(session)
        self._live = None

    def _in_stage(self, stage: Stage) -> list[Session]:
        return [session for session in self.sessions.values() if session.stage is stage]

    def _live_now(self) -> Live:
        if self._live is None:
            self._live = Live(self._in_stage(Stage.LIVE))
        return self._live

    def _attached_frame(self, session: Session, portrait: Portrait) -> bytes:
        return portrait.frame(session.frame_id, session.user, self.epoch, session.start)

    def _reset_frame(self, seq: int) -> bytes:
        return _encoded(Reset(room=self._room, epoch=self.epoch, seq=seq))


def _encoded(frame: Model) -> bytes:
    return text_frame(frame.to_json())
