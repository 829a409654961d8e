"""Which messages of a room have been kept for long enough. Pure.

Retention empties, it does not cut (docs/decisions/0013): rows and seqs stay. It goes through a room once, oldest first,
behind a mark that only grows; moments only grow within a room, so all before the mark is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.history.records import RoomRecord


class Dated(NamedTuple):
    """Where and when an event happened."""

    seq: int
    at: datetime


class Emptied(NamedTuple):
    """How many messages were emptied; `more`: others of the room are due."""

    messages: int
    more: bool


def kept_since(room: RoomRecord, now: datetime) -> datetime | None:
    """The moment before which the room's messages are to be emptied; None: it keeps them for ever."""
    return now - timedelta(days=room.retention_days) if room.retention_days is not None else None


def due_through(events: Sequence[Dated], since: datetime) -> int | None:
    """The seq of the last of some events, oldest first, that happened before `since`; None: not one of them."""
    due = [event.seq for event in events if event.at < since]
    return due[-1] if due else None
