"""The event that every contender pushes: the JSON of a `message_posted` whose size does not depend on its seq."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from benchmarks.crowd import STAMP, STAMP_DIGITS
from schemas.events import MessagePosted
from schemas.ids import CommandId, Epoch, MessageId, RoomId, UserId

TEXT_BYTES = 200


def message(room: str, epoch: str, seq: int, text: str) -> MessagePosted:
    """One message, as the room service would tell it."""
    return MessagePosted(
        room=RoomId(room),
        epoch=Epoch(epoch),
        seq=seq,
        at=datetime.now(UTC).replace(microsecond=1),
        actor=UserId("owner"),
        command_id=CommandId("bench"),
        message_id=MessageId("msg_1700000000000000042"),
        text=text,
    )


def stamped_text(size: int = TEXT_BYTES) -> str:
    """A text of so many bytes that says when it was made."""
    return f"{STAMP.decode()}{time.monotonic_ns():0{STAMP_DIGITS}d}".ljust(size, "x")


def event_json(room: str, epoch: str, seq: int) -> bytes:
    """The event's JSON; all are of one size."""
    return message(room, epoch, seq, stamped_text(TEXT_BYTES + 8 - len(str(seq)))).to_json()
