"""A client that does not keep up: what it is told, what it gets later, and that nobody else notices (I9)."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.answers import Refused
from schemas.errors import Code
from services.gateway.backlog import Backlog
from services.gateway.bounds import FeedLimits
from services.gateway.session import Ended, Fill, Replay, Session, Stage
from services.gateway.tally import Count
from services.gateway.wire import text_frame
from tests.unit.gateway.rooms import EPOCH, ROOM, Gate, event, missed, own


def crowd(session: Session, *, frames: int = 0) -> None:
    """The session's socket takes no more but so many frames."""
    session.outlet.backlog.frames_limit = frames
    session.outlet.backlog.pause()


def drain(gate: Gate, session: Session) -> list[Any]:
    session.outlet.backlog.resume()
    gate.hub.catch_up(session)
    return gate.settle()


def kinds(session: Session) -> list[tuple[str, Any]]:
    return [(frame["type"], frame.get("seq", frame.get("to"))) for frame in session.outlet.frames[1:]]


def test_a_backlog_counts_only_while_its_transport_is_full() -> None:
    backlog = Backlog(frames_limit=2, bytes_limit=100)
    assert all(backlog.take(10, 1_000) for _ in range(10))
    backlog.pause()
    assert backlog.take(1, 60)
    assert not backlog.take(1, 41)
    assert backlog.take(1, 40)
    assert not backlog.take(1, 0)
    backlog.resume()
    backlog.pause()
    assert backlog.take(2, 100)


def test_a_crowded_client_gets_what_still_has_a_place_and_is_not_told_of_anything() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    crowd(ann, frames=2)
    gate.push(event(1), event(2))
    assert drain(gate, ann) == []
    gate.push(event(3))
    assert kinds(ann) == [("event", 1), ("event", 2), ("event", 3)]


def test_i9_who_falls_behind_is_told_and_gets_the_rest_from_the_ring_when_it_reads_again() -> None:
    gate = Gate()
    ann, bob = gate.attach("ann", at=0), gate.attach("bob", at=0)
    crowd(ann, frames=1)
    gate.push(event(1))
    gate.push(event(2), event(3))
    gate.push(event(4))
    assert (ann.stage, ann.outlet.behind) == (Stage.LAGGING, [ann])
    assert kinds(ann) == [("event", 1)]
    assert bob.outlet.seqs == [1, 2, 3, 4]
    drain(gate, ann)
    gate.push(event(5))
    assert ann.outlet.frames[2] == {"type": "lagged", "room": ROOM, "from": 1, "to": 4}
    assert ann.outlet.seqs == [1, 2, 3, 4, 5]
    assert (gate.hub.tally[Count.LAG], gate.hub.tally[Count.RING]) == (1, 1)


def test_a_session_that_fell_behind_keeps_no_events() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(*(event(seq) for seq in range(1, 1_001)))
    assert not ann.held
    assert not ann.told
    assert ann.outlet.seqs == []


def test_signals_are_the_first_to_go() -> None:
    gate = Gate()
    ann, bob = gate.attach("ann", at=0), gate.attach("bob", at=0)
    crowd(ann, frames=5)
    gate.hub.receive_signal(ROOM, text_frame(b'{"type":"signal"}'))
    gate.push(event(1))
    assert kinds(ann) == [("event", 1)]
    assert kinds(bob) == [("signal", None), ("event", 1)]


def test_what_the_ring_has_no_longer_comes_from_history_and_what_comes_meanwhile_behind_it() -> None:
    gate = Gate(FeedLimits(ring_events=2))
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(*(event(seq) for seq in range(1, 6)))
    assert drain(gate, ann) == [Replay(ann, EPOCH, 0, 5)]
    gate.push(event(6))
    gate.hub.receive_replay(ann, missed(1, 5))
    gate.settle()
    gate.push(event(7))
    assert kinds(ann) == [("lagged", 5), *(("event", seq) for seq in range(1, 8))]
    assert gate.hub.tally[Count.HISTORY] == 1


def test_a_replay_that_comes_when_the_socket_is_full_again_is_fetched_again_later() -> None:
    gate = Gate(FeedLimits(ring_events=1))
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1), event(2))
    drain(gate, ann)
    crowd(ann)
    gate.push(event(3))
    gate.hub.receive_replay(ann, missed(1, 2))
    gate.settle()
    assert (ann.stage, bool(ann.held), ann.outlet.behind) == (Stage.LAGGING, False, [ann, ann])
    assert drain(gate, ann) == [Replay(ann, EPOCH, 0, 3)]
    gate.hub.receive_replay(ann, missed(1, 3))
    gate.settle()
    assert ann.outlet.seqs == [1, 2, 3]


def test_an_attach_on_a_full_socket_is_answered_and_its_replay_waits() -> None:
    gate = Gate()
    gate.attach("bob", at=0)
    gate.push(event(1), event(2))
    ann = gate.want("ann", position=(EPOCH, 0))
    crowd(ann)
    gate.answer(gate.asked(), 2)
    assert [(frame["type"], frame["seq"]) for frame in ann.outlet.frames] == [("attached", 0)]
    drain(gate, ann)
    assert kinds(ann) == [("lagged", 2), ("event", 1), ("event", 2)]


def test_the_answer_to_ones_own_command_stands_in_its_place_however_late_that_is() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1), event(2, own=own(ann, 2)), event(3))
    gate.push(event(4, own=own(ann, 4)))
    assert kinds(ann) == []
    drain(gate, ann)
    assert kinds(ann) == [("lagged", 4), ("event", 1), ("accepted", 2), ("event", 3), ("accepted", 4)]


def test_with_echo_both_stand_there() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0, echo=True)
    crowd(ann)
    gate.push(event(1, own=own(ann, 1)))
    drain(gate, ann)
    assert kinds(ann) == [("lagged", 1), ("accepted", 1), ("event", 1)]


def test_who_fell_too_far_behind_is_reset_and_told_what_the_room_is_now() -> None:
    gate = Gate(FeedLimits(resume_events=3))
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1), event(2), event(3, own=own(ann, 3)), event(4))
    drain(gate, ann)
    ask = gate.asked()
    assert ask.sessions == (ann,)
    gate.push(event(5))
    gate.answer(ask, 5)
    gate.push(event(6))
    assert kinds(ann) == [("accepted", 3), ("reset", 4), ("event", 5), ("attached", 5), ("event", 6)]
    assert gate.hub.tally[Count.RESET] == 1


def test_without_history_who_fell_behind_is_reset() -> None:
    gate = Gate(FeedLimits(ring_events=1))
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1), event(2))
    drain(gate, ann)
    gate.hub.receive_replay(ann, None)
    gate.settle()
    gate.answer(gate.asked(), 2)
    gate.push(event(3))
    assert kinds(ann) == [("lagged", 2), ("reset", 2), ("attached", 2), ("event", 3)]


def test_a_room_that_does_not_say_what_it_is_is_asked_again() -> None:
    gate = Gate(FeedLimits(resume_events=1))
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1), event(2))
    drain(gate, ann)
    gate.hub.receive_refusal(ROOM, gate.asked().command_id, Refused.of(Code.OVERLOADED))
    gate.settle()
    gate.hub.ask_again()
    gate.settle()
    gate.answer(gate.asked(), 2)
    assert kinds(ann) == [("reset", 2), ("attached", 2)]


def test_i10_who_is_put_out_while_behind_gets_nothing_more_of_the_room() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1))
    assert gate.push(event(2, expel="ann")) == [Ended(ann, tell_room=False)]
    assert drain(gate, ann) == []
    assert kinds(ann) == [("detached", None)]
    assert ann.outlet.frames[-1]["code"] == Code.NOT_A_MEMBER


def test_who_detaches_while_behind_hears_of_its_commands_and_nothing_else() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1, own=own(ann, 1)))
    gate.hub.detach(ROOM, ann.client)
    gate.settle()
    assert drain(gate, ann) == []
    assert kinds(ann) == [("accepted", 1)]


def test_a_room_numbered_anew_resets_who_is_behind_at_once() -> None:
    gate = Gate()
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1))
    gate.push(event(1, epoch="e2"))
    gate.answer(gate.asked(), 1, epoch="e2")
    assert kinds(ann) == [("reset", 1), ("attached", 1)]
    assert drain(gate, ann) == []


class Lives(RuleBasedStateMachine):
    """Two sessions of one room, sockets that fill and drain at any moment, a ring of two, history that comes, late or
    never, and events lost on the way. Whatever happens: in order, each once, no hole without a `reset`; and an answer
    out of its place only where a `reset` follows."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate(FeedLimits(ring_events=2, resume_events=8, replay_held_events=4))
        self.sessions = [self.gate.attach(name, at=0) for name in ("ann", "bob")]
        self.seq = 0
        self.replays: list[Replay] = []
        self.fills: list[Fill] = []
        self.asks: list[Any] = []

    def note(self, effects: list[Any]) -> None:
        self.replays += [effect for effect in effects if isinstance(effect, Replay)]
        self.fills += [effect for effect in effects if isinstance(effect, Fill)]
        self.asks += [effect for effect in effects if not isinstance(effect, Replay | Fill | Ended)]

    @rule(who=st.integers(0, 1), frames=st.integers(0, 2))
    def fill(self, who: int, frames: int) -> None:
        crowd(self.sessions[who], frames=frames)

    @rule(who=st.integers(0, 1))
    def take(self, who: int) -> None:
        self.note(drain(self.gate, self.sessions[who]))

    @rule(count=st.integers(1, 4), lost=st.booleans(), sender=st.integers(0, 3))
    def push(self, count: int, lost: bool, sender: int) -> None:
        first = self.seq + 1
        self.seq += count
        mine = own(self.sessions[sender], self.seq) if sender < 2 and not lost else None
        events = [event(seq, own=mine if seq == self.seq else None) for seq in range(first, self.seq + 1)]
        self.note(self.gate.push(*([] if lost else events)))

    @precondition(lambda self: self.replays)
    @rule(found=st.booleans())
    def answer_replay(self, found: bool) -> None:
        replay = self.replays.pop(0)
        self.gate.hub.receive_replay(replay.session, missed(replay.after + 1, replay.through) if found else None)
        self.note(self.gate.settle())

    @precondition(lambda self: self.fills)
    @rule(found=st.booleans())
    def answer_fill(self, found: bool) -> None:
        fill = self.fills.pop(0)
        events = missed(fill.after + 1, fill.through) if found else None
        self.gate.hub.receive_gap(ROOM, fill.after, fill.through, events)
        self.note(self.gate.settle())

    @precondition(lambda self: self.asks)
    @rule()
    def answer_ask(self) -> None:
        self.note(self.gate.answer(self.asks.pop(0), self.seq))

    @invariant()
    def in_order_and_without_a_hole(self) -> None:
        for session in self.sessions:
            at, early = 0, False
            for frame in session.outlet.frames[1:]:
                if frame["type"] == "reset":
                    assert frame["seq"] >= at
                    at, early = frame["seq"], False
                elif frame["type"] == "accepted" and frame["seq"] != at + 1:
                    early = True
                elif frame["type"] in ("event", "accepted"):
                    assert (frame["seq"], early) == (at + 1, False)
                    at = frame["seq"]

    def teardown(self) -> None:
        """Everything that is out comes in, and both are where the room is."""
        self.gate.hub.receive_top(ROOM, EPOCH, self.seq)
        self.note(self.gate.settle())
        for _ in range(50):
            while self.asks:
                self.answer_ask()
            while self.fills:
                self.answer_fill(found=True)
            for session in self.sessions:
                self.note(drain(self.gate, session))
            while self.replays:
                self.answer_replay(found=True)
        for session in self.sessions:
            assert session.stage is Stage.LIVE
            assert not session.stale
            last = [frame["seq"] for frame in session.outlet.frames if frame["type"] in ("event", "accepted", "reset")]
            assert (last or [0])[-1] == self.seq


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=200, stateful_step_count=40)


def test_a_session_that_was_reset_is_reset_again_where_the_room_is_numbered_anew() -> None:
    gate = Gate(FeedLimits(resume_events=1))
    ann = gate.attach("ann", at=0)
    crowd(ann)
    gate.push(event(1), event(2))
    drain(gate, ann)
    gate.push(event(1, epoch="e2"))
    gate.answer(gate.asked(), 1, epoch="e2")
    assert kinds(ann) == [("reset", 2), ("reset", 1), ("attached", 1)]


def test_an_answer_that_waits_in_a_replay_waits_on_where_the_socket_is_full_when_the_replay_comes() -> None:
    gate = Gate(FeedLimits(ring_events=1))
    gate.attach("bob", at=0)
    gate.push(event(1), event(2))
    ann = gate.want("ann", position=(EPOCH, 0))
    gate.answer(gate.asked(), 2)
    gate.push(event(3, own=own(ann, 3)))
    crowd(ann)
    gate.hub.receive_replay(ann, missed(1, 2))
    gate.settle()
    gate.hub.receive_replay(drain(gate, ann)[0].session, missed(1, 3))
    gate.settle()
    assert [(frame["type"], frame.get("seq", frame.get("to"))) for frame in ann.outlet.frames] == [
        ("attached", 0),
        ("lagged", 3),
        ("event", 1),
        ("event", 2),
        ("accepted", 3),
    ]
