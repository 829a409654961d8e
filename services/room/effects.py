"""What becomes of a command, as values in the order in which they must happen: log, fan-out and reply, ack."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import to_jsonable_python

from schemas import routes
from schemas.answers import Accepted, Answer
from schemas.events import Event, InviteCreated, MemberBanned, MemberLeft, MessagePosted, Receipt, encode_logged
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.ids import ClientId, GateId, InviteId, MessageId, RoomId, UserId
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


def accepted(event: Event) -> Accepted:
    """The answer to the command that made an event."""
    return Accepted(
        command_id=event.command_id,
        room=event.room,
        epoch=event.epoch,
        seq=event.seq,
        message_id=_message_id(event),
        invite=_invite(event),
        at=event.at,
    )


def log_entry(event: Event, frame: bytes, fence: int) -> LogEntry:
    """An event for the log, under its writer's term."""
    return LogEntry(routes.log_key(event.room, event.event), encode_logged(frame, fence))


def receipt_entry(receipt: Receipt, fence: int) -> LogEntry:
    """A record for the log, under its writer's term."""
    return LogEntry(routes.log_key(receipt.room, receipt.record), encode_logged(receipt.to_json(), fence))


def event_headers(event: Event, skip: ClientId | None) -> FanoutHeaders:
    """An event for the gates; for `skip` it is the answer to its own command."""
    return FanoutHeaders(
        FanoutKind.EVENT,
        event.room,
        event.epoch,
        event.seq,
        skip=skip,
        command_id=event.command_id if skip else None,
        message_id=_message_id(event) if skip else None,
        invite=_invite(event) if skip else None,
        at=str(to_jsonable_python(event.at)) if skip else None,
        expel=expelled(event),
    )


def plain_headers(kind: FanoutKind, room: Room) -> FanoutHeaders:
    """Anything else at a room's present position."""
    return FanoutHeaders(kind, room.room, room.epoch, room.seq)


def expelled(event: Event) -> UserId | None:
    """Whose sessions in the room end behind an event."""
    return event.user if isinstance(event, MemberLeft | MemberBanned) else None


def _message_id(event: Event) -> MessageId | None:
    return event.message_id if isinstance(event, MessagePosted) else None


def _invite(event: Event) -> InviteId | None:
    return event.invite if isinstance(event, InviteCreated) else None
