"""One client attached to one room through this gate, and what the core wants done for it. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol

from schemas.answers import FrameNumber
from schemas.commands import Position, SaidStatus
from schemas.frames import Attached
from schemas.ids import ClientId, CommandId, Epoch, RoomId, UserId
from schemas.roles import Status
from services.gateway.ring import Numbered


class Outlet(Protocol):
    """The connection behind a session."""

    def write(self, data: bytes) -> None:
        """Put whole WebSocket frames on the socket; never waits, never raises."""

    def forget(self, session: Session) -> None:
        """The session is over."""


class Stage(Enum):
    """How far a session is."""

    WAITING = auto()
    REPLAYING = auto()
    LIVE = auto()
    ENDED = auto()


UNANSWERED: Final = (Stage.WAITING, Stage.REPLAYING)
"""The stages before a client's `attach` has its answer."""


@dataclass(slots=True, eq=False)
class Session:
    """A client that wants a room's events. `position` is where it wants to go on; `frame_id` names its wish.

    `attach_ref` grows with every session that begins at this gate; `status` is what its user last said of themselves in
    the room over this connection. `start` is where its events begin. While REPLAYING, `held` keeps what came live since
    then, and `told` the answers to its own commands among it. `attached` and `reset` are what it is told when it is
    LIVE.
    """

    room: RoomId
    client: ClientId
    user: UserId
    outlet: Outlet
    frame_id: FrameNumber | None = None
    position: Position | None = None
    echo: bool = False
    attach_ref: int = 0
    status: SaidStatus | None = None
    stage: Stage = Stage.WAITING
    start: int = 0
    attached: Attached | None = None
    reset: bool = False
    held: list[Numbered] = field(default_factory=list)
    held_bytes: int = 0
    told: list[bytes] = field(default_factory=list)

    @property
    def hidden(self) -> bool:
        """Its user said of themselves that they are offline."""
        return self.status is not None and self.status.state is Status.OFFLINE


class Own(NamedTuple):
    """The `accepted` that the sender of an event gets in its place."""

    client: ClientId
    outlet: Outlet
    frame: bytes


class LiveEvent(NamedTuple):
    """An event as the fan-out brought it, as WebSocket bytes."""

    epoch: Epoch
    seq: int
    frame: bytes
    own: Own | None = None
    expel: UserId | None = None


class Write(NamedTuple):
    """Put `data`, which is `frames` whole frames, on each of these sockets."""

    outlets: Sequence[Outlet]
    data: bytes
    frames: int = 1


class Ask(NamedTuple):
    """Ask the room to take these sessions; its answer names `command_id`."""

    room: RoomId
    command_id: CommandId
    sessions: tuple[Session, ...]


class Fill(NamedTuple):
    """Fetch the room's events `after` + 1 .. `through`, which this gate missed."""

    room: RoomId
    epoch: Epoch
    after: int
    through: int


class Replay(NamedTuple):
    """Fetch the events `after` + 1 .. `through` for one session."""

    session: Session
    epoch: Epoch
    after: int
    through: int


class Ended(NamedTuple):
    """A session is over; with `tell_room` the room has to hear of it."""

    session: Session
    tell_room: bool


Effect = Write | Ask | Fill | Replay | Ended
