"""What becomes of a command, as values in the order in which they must happen: log, fan-out and reply, ack."""

from __future__ import annotations

from dataclasses import dataclass

from schemas import routes
from schemas.answers import Accepted, Answer
from schemas.events import Event, Receipt, encode_logged, expulsion
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.fields import moment_text
from schemas.ids import ClientId, GateId, RoomId
from schemas.operations import Inspection
from services.room.model import Room
from services.room.orders import ReplyAddress


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One publish to the log."""

    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class FanOut:
    """One publish to the gates named (I6)."""

    headers: FanoutHeaders
    gates: tuple[GateId, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to whoever waits at an address."""

    to: ReplyAddress
    answer: Answer | Inspection


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that follows from one delivery, or from none (`tag` None). `word` tells the metrics how it ended.

    `effects` go out, in this order, only after `log` is confirmed (I5); the delivery is acked last.
    """

    room: RoomId | None = None
    tag: int | None = None
    log: LogEntry | None = None
    effects: tuple[FanOut | Reply, ...] = ()
    verb: str = ""
    word: str = ""


def log_entry(event: Event, frame: bytes, fence: int) -> LogEntry:
    """An event for the log, under its writer's term."""
    return LogEntry(routes.log_key(event.room, event.event), encode_logged(frame, fence))


def receipt_entry(receipt: Receipt, fence: int) -> LogEntry:
    """A record for the log, under its writer's term."""
    return LogEntry(routes.log_key(receipt.room, receipt.record), encode_logged(receipt.to_json(), fence))


def event_headers(event: Event, skip: ClientId | None, answer: Accepted) -> FanoutHeaders:
    """An event for the gates; for `skip` it is the `answer` to its own command."""
    gone = expulsion(event)
    return FanoutHeaders(
        FanoutKind.EVENT,
        event.room,
        event.epoch,
        event.seq,
        skip=skip,
        command_id=answer.command_id if skip else None,
        message_id=answer.message_id if skip else None,
        invite=answer.invite if skip else None,
        at=moment_text(answer.at) if skip else None,
        expel=gone.user if gone else None,
        expel_code=gone.code.value if gone else None,
    )


def plain_headers(kind: FanoutKind, room: Room) -> FanoutHeaders:
    """Anything else at a room's present position."""
    return FanoutHeaders(kind, room.room, room.epoch, room.seq)
