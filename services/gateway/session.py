"""One client attached to one room through this gate, and what the core wants done for it. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

from schemas.answers import FrameNumber
from schemas.commands import Position, SaidStatus
from schemas.events import Expulsion
from schemas.ids import ClientId, CommandId, Epoch, RoomId, UserId
from schemas.roles import Status
from services.gateway.backlog import Backlog
from services.gateway.portrait import Portrait
from services.gateway.ring import Numbered


class Outlet(Protocol):
    """The connection behind a session."""

    @property
    def backlog(self) -> Backlog:
        """What waits there."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """Puts whole WebSocket frames on the socket; never waits, never raises. Another function at another time."""

    def forget(self, session: Session) -> None:
        """The session is over."""

    def fall_behind(self, session: Session) -> None:
        """The session gets nothing any more until the connection asks for it to catch up."""


class Stage(Enum):
    """WAITING -- the room's answer --> LIVE, or first REPLAYING where something was missed that the ring has no longer.
    LIVE, or a replay that comes -- the connection's backlog has no place --> LAGGING -- the client took what waited -->
    LIVE, or first REPLAYING. Any stage --> ENDED.

    WAITING: the room was asked and has not answered. REPLAYING: history is asked for what was missed; what comes live
    is held. LIVE: every event goes straight on. LAGGING: nothing goes on, and `start` says from where. ENDED: it is
    over.
    """

    WAITING = auto()
    REPLAYING = auto()
    LIVE = auto()
    LAGGING = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Session:
    """A client that wants a room's events. `position` is where it wants to go on; `frame_id` names its wish.

    `attach_ref` grows with every session that begins at this gate; `status` is what its user last said of themselves in
    the room over this connection. `start` is where its events go on. While REPLAYING, `held` keeps what came live since
    then; while REPLAYING or LAGGING, `told` keeps the answers to its own commands, by the seq of the event in whose
    place they stand; None for either, as with nearly every session: nothing. `attached` and `reset` are what it is told
    when it is LIVE, until it has been. `stale`: it was reset, and what the room is now has yet to be told.
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
    attached: Portrait | None = None
    reset: bool = False
    stale: bool = False
    held: list[Numbered] | None = None
    held_bytes: int = 0
    told: dict[int, bytes] | None = None

    @property
    def unanswered(self) -> bool:
        """Its client's `attach` has no answer yet."""
        return self.stage is Stage.WAITING or self.attached is not None

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
    expel: Expulsion | None = None


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


class FellBehind(NamedTuple):
    """A session is LAGGING: its connection must ask for it to catch up."""

    session: Session


Deed = Ask | Fill | Replay | Ended | FellBehind
Effect = Write | Deed
