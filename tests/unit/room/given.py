"""Builders for room tests: given(events), when(command), and the moments they happen at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.commands import COMMAND, Command
from schemas.events import EVENT, Event
from schemas.state import Snapshot
from services.room.model import Room, epoch_at, evolve

ROOM = "general"
START = datetime(2026, 11, 20, 10, 0, 0, 1, tzinfo=UTC)
NOW = START + timedelta(hours=1)
PUBLIC = ({"user": "olga", "role": "owner"}, {"user": "adam", "role": "admin"}, {"user": "mona", "role": "moderator"})
EVERYONE = (*PUBLIC, {"user": "mia", "role": "member"}, {"user": "rita", "role": "reader"})


def event(name: str, seq: int, **fields: Any) -> Event:
    """An event of the room at a seq; `at` follows the seq."""
    head = {"room": ROOM, "epoch": epoch_at(START), "seq": seq, "at": START + timedelta(seconds=seq - 1)}
    return EVENT.validate_python({"event": name, **head, "actor": "olga", "command_id": f"c{seq}", **fields})


def created(**fields: Any) -> Event:
    """The first event: a public room with one member of each role."""
    wanted = {"title": "General", "visibility": "public", "capacity": 10, "members": EVERYONE, **fields}
    return event("room_created", 1, **wanted)


def room_after(*events: Event) -> Room:
    """The room that events make."""
    room = None
    for each in events:
        room = evolve(room, each)
    assert room is not None
    return room


def room(**fields: Any) -> Room:
    """A room of one event."""
    return room_after(created(**fields))


def command(verb: str, actor: str = "mia", **fields: Any) -> Command:
    """A command for the room."""
    body = {"type": verb, "room": ROOM, "actor": actor, "command_id": "k1", **fields}
    return COMMAND.validate_python(body)


def snapshot(held: Room | None, fence: int = 7) -> Snapshot:
    """What history answers for a room."""
    return Snapshot(room=ROOM, fence=fence, state=held.to_state() if held else None)
