"""What one burst pushes to a room: frames that go out together, and which of them answers whose command. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from schemas.ids import ClientId
from services.gateway.ring import Numbered
from services.gateway.session import Own, Session


class Pushed(NamedTuple):
    """One frame of a burst; a signal has no `seq`."""

    frame: bytes
    seq: int | None = None


class Burst:
    """Frames in order. The sender of an event gets its answer in the event's place, everybody else the same bytes."""

    __slots__ = ("_own", "_pushed")

    def __init__(self) -> None:
        self._pushed: list[Pushed] = []
        self._own: dict[ClientId, dict[int, bytes]] = {}

    def __len__(self) -> int:
        return len(self._pushed)

    @property
    def senders(self) -> AbstractSet[ClientId]:
        """Those who do not get the same bytes as everybody."""
        return self._own.keys()

    @property
    def before(self) -> int:
        """The room's position before the burst, which has an event."""
        return next(pushed.seq for pushed in self._pushed if pushed.seq is not None) - 1

    @property
    def data(self) -> bytes:
        """All of it, for everybody else."""
        return b"".join(pushed.frame for pushed in self._pushed)

    def add_signal(self, frame: bytes) -> None:
        """An unnumbered fact."""
        self._pushed.append(Pushed(frame))

    def add_event(self, seq: int, frame: bytes) -> None:
        """The next event."""
        self._pushed.append(Pushed(frame, seq))

    def add_answer(self, own: Own, seq: int) -> None:
        """What the sender of an event of this burst gets in its place."""
        self._own.setdefault(own.client, {})[seq] = own.frame

    def answers_of(self, client: ClientId) -> dict[int, bytes]:
        """The client's own answers, by the seq of the events in whose places they stand."""
        return self._own.get(client, {})

    def frames_for(self, session: Session, *, crowded: bool) -> list[bytes]:
        """What one session gets of it; a crowded socket no signals."""
        own = self.answers_of(session.client)
        return [
            _answered(session, own[seq], frame) if seq in own else frame
            for frame, seq in self._pushed
            if seq is not None or not crowded
        ]


def in_place(session: Session, events: Iterable[Numbered]) -> list[bytes]:
    """The frames of events that a session missed, the answers to its own commands in their places."""
    told = session.told or {}
    return [_answered(session, told[seq], frame) if seq in told else frame for seq, frame, _ in events]


def _answered(session: Session, answer: bytes, frame: bytes) -> bytes:
    return answer + frame if session.echo else answer
