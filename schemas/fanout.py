"""The fan-out delivery: headers for the gate, a body for the client. The gate reads the headers and never the body
of an event or signal (design §6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from schemas.errors import Code
from schemas.events import Expulsion
from schemas.ids import (
    ClientId,
    CommandId,
    Epoch,
    EpochField,
    GateId,
    InviteId,
    MessageId,
    RoomId,
    RoomIdField,
    Seq,
    UserId,
)
from schemas.model import Model

GATES_PER_PUBLISH: Final = 1_000
"""All headers of a delivery must fit one AMQP frame: above this many gates a fan-out is split (stack.md)."""


NO_ROOM: Final = "-"
TOPS_PER_MESSAGE: Final = 1_000

OPTIONAL: Final = ("skip", "command_id", "message_id", "invite", "at", "expel", "expel_code")


class FanoutKind(StrEnum):
    """What the body is."""

    EVENT = "event"
    SIGNAL = "signal"
    ATTACHED = "attached"
    TOPS = "tops"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class FanoutHeaders:
    """What a gate needs to know to put a body on sockets.

    Attributes:
        kind: `event` is numbered and pushed in order; `signal` is pushed as it comes; `attached` answers this gate's
            own `attach` and its body is an `AttachAnswer`; `tops` is a `RoomTops`, so that a gate which missed a last
            event notices; `probe` comes from the gate itself.
        room, epoch, seq: the position after this delivery; `tops` and `probe` are of no room (`NO_ROOM`).
        skip: the client whose command made the event. It gets `accepted` in place of the event.
        command_id, message_id, invite, at: what that `accepted` says.
        expel, expel_code: this user's sessions in the room end behind this event, and are told this code.
    """

    kind: FanoutKind
    room: RoomId
    epoch: Epoch
    seq: int
    skip: ClientId | None = None
    command_id: CommandId | None = None
    message_id: MessageId | None = None
    invite: InviteId | None = None
    at: str | None = None
    expel: UserId | None = None
    expel_code: str | None = None

    @property
    def expulsion(self) -> Expulsion | None:
        """Who is no member any more behind this event.

        Raises:
            ValueError: the code is none of ours.
        """
        return None if self.expel is None else Expulsion(self.expel, Code(self.expel_code or Code.NOT_A_MEMBER))

    def to_headers(self, gates: list[str]) -> dict[str, Any]:  # Any: an AMQP field table
        """The AMQP header table of one publish to `gates` (routing keys, at most `GATES_PER_PUBLISH`)."""
        table: dict[str, Any] = {
            "kind": self.kind.value,
            "room": self.room,
            "epoch": self.epoch,
            "seq": self.seq,
        }
        for name in OPTIONAL:
            if (value := getattr(self, name)) is not None:
                table[name] = value
        if gates:
            table["BCC"] = gates
        return table

    @classmethod
    def from_headers(cls, table: dict[str, Any]) -> FanoutHeaders:  # Any: an AMQP field table
        """Read a header table.

        Raises:
            ValueError: a field is missing or of another type.
        """
        room, epoch, seq = table.get("room"), table.get("epoch"), table.get("seq")
        if not isinstance(room, str) or not isinstance(epoch, str) or not isinstance(seq, int):
            raise ValueError("a fan-out delivery names its room, epoch and seq")  # noqa: TRY004 - one error for bad input
        optional = {name: table.get(name) for name in OPTIONAL}
        if any(not isinstance(value, str | None) for value in optional.values()):
            raise ValueError("a fan-out header is not text")
        return cls(FanoutKind(str(table.get("kind"))), RoomId(room), Epoch(epoch), seq, **optional)


def roomless_headers(kind: FanoutKind) -> FanoutHeaders:
    """Those of a delivery that is of no room, or of many."""
    return FanoutHeaders(kind, RoomId(NO_ROOM), Epoch(NO_ROOM), 0)


class RoomTop(Model):
    """How far a room is."""

    room: RoomIdField
    epoch: EpochField
    seq: Seq


class RoomTops(Model):
    """How far some rooms are in which nothing has happened for a moment."""

    type: Literal["tops"] = "tops"
    tops: Annotated[tuple[RoomTop, ...], Field(max_length=TOPS_PER_MESSAGE)]


def fanout_batches(gates: list[GateId]) -> list[list[GateId]]:
    """The gates of one fan-out, cut so that each part fits one publish."""
    return [gates[start : start + GATES_PER_PUBLISH] for start in range(0, len(gates), GATES_PER_PUBLISH)]
