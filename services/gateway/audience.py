"""The sessions of one room at this gate: how far each is, what it is told, and what this burst pushes to all of them.

What comes next is the feed's to know (`feed.py`); here everything is in order already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.answers import AttachAnswer, Refused
from schemas.errors import Code
from schemas.frames import Attached, Detached, Reset
from schemas.ids import ClientId, Epoch, RoomId, UserId
from schemas.model import Model
from services.gateway.bounds import FeedLimits
from services.gateway.merge import merge
from services.gateway.ring import Numbered, Ring
from services.gateway.session import (
    UNANSWERED,
    Effect,
    Ended,
    LiveEvent,
    Outlet,
    Own,
    Replay,
    Session,
    Stage,
    Write,
)
from services.gateway.wire import text_frame


class Audience:
    """Everything up to `top` of `epoch` was pushed. Effects go to `out`, in order; `flush` ends a burst."""

    def __init__(self, room: RoomId, bounds: FeedLimits, out: list[Effect]) -> None:
        self.epoch = Epoch("")
        self.top = 0
        self.sessions: dict[ClientId, Session] = {}
        self._room = room
        self._bounds = bounds
        self._out = out
        self._ring = Ring(bounds.ring_events, bounds.ring_bytes)
        self._replaying: set[Session] = set()
        self._live: tuple[Outlet, ...] | None = ()
        self._run: list[bytes] = []
        self._own: dict[ClientId, dict[int, bytes]] = {}

    # Where the room is.

    def begin(self, epoch: Epoch, seq: int) -> None:
        """The first thing known of the room."""
        self.epoch, self.top = epoch, seq

    def restart(self, epoch: Epoch, seq: int) -> None:
        """The room is numbered anew: everyone starts afresh there."""
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
        unanswered = session.stage in UNANSWERED
        self._remove(session)
        if unanswered:
            self._refuse(session, Code.NOT_ATTACHED, "detached, or attached anew, before the room had answered")
        return session

    def start(self, sessions: Iterable[Session], answer: AttachAnswer) -> None:
        """The room took these sessions, at a position that has been pushed: those that wait for it begin."""
        self.flush()
        for session in self.current(sessions):
            if session.stage is Stage.WAITING:
                self._start(session, answer)

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

    def end_refused(self, sessions: Iterable[Session], answer: AttachAnswer) -> None:
        """End those of these sessions that the room did not take."""
        self.flush()
        codes = {refused.session.client: refused.code for refused in answer.refused}
        for session in self.current(sessions):
            if session.client in codes:
                self.end(session, codes[session.client], tell_room=False)

    def end(self, session: Session, code: Code, *, message: str | None = None, tell_room: bool) -> None:
        """A session is over, by no wish of its client."""
        unanswered = session.stage in UNANSWERED
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
            self._substitute(event.own, event.frame)
        self._run.append(event.frame)
        for session in tuple(self._replaying):
            self._hold_for(session, event)
        if event.expel is not None:
            self._expel(event.expel, tell_room=tell_room)

    def push_signal(self, frame: bytes) -> None:
        """An unnumbered fact."""
        self._run.append(frame)

    def tell_own(self, event: LiveEvent) -> None:
        """The sender's answer alone, for an event that is not pushed now."""
        if event.own is not None:
            self._out.append(Write((event.own.outlet,), event.own.frame))

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
        session.held_bytes += len(frame)
        bounds = self._bounds
        if len(session.held) > bounds.replay_held_events or session.held_bytes > bounds.replay_held_bytes:
            self._give_up_replay(session)

    def _expel(self, user: UserId, *, tell_room: bool) -> None:
        """End what the user has here. A wish without the room's answer stays: the room decides it, and was not asked
        before the expulsion. From a gap the room has to hear of it: it may have taken the session again meanwhile."""
        for session in [s for s in self.sessions.values() if s.user == user and s.stage is not Stage.WAITING]:
            self.end(session, Code.NOT_A_MEMBER, tell_room=tell_room)

    # One session.

    def _start(self, session: Session, answer: AttachAnswer) -> None:
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

    def _reset_everyone(self) -> None:
        if outlets := self._live_outlets():
            self._out.append(Write(outlets, self._reset_frame(self.top)))
        for session in tuple(self._replaying):
            self._give_up_replay(session)

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
        session.held, session.told, session.held_bytes = [], [], 0
        self._replaying.discard(session)
        self._live = None

    def _in_stage(self, stage: Stage) -> list[Session]:
        return [session for session in self.sessions.values() if session.stage is stage]

    def _live_outlets(self) -> tuple[Outlet, ...]:
        if self._live is None:
            self._live = tuple(session.outlet for session in self._in_stage(Stage.LIVE))
        return self._live

    def _reset_frame(self, seq: int) -> bytes:
        return _encoded(Reset(room=self._room, epoch=self.epoch, seq=seq))


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
