"""Builders for room tests: given(events), when(command), and the moments they happen at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.commands import COMMAND, Command
from schemas.errors import Code
from schemas.events import EVENT, Event
from schemas.ids import direct_room_id
from schemas.state import Snapshot
from services.room.decide import decide
from services.room.decisions import Circumstances, Decision, Refusal
from services.room.model import Room, epoch_at, evolve
from services.room.targets import Target

ROOM = "general"
START = datetime(2026, 11, 20, 10, 0, 0, 1, tzinfo=UTC)
NOW = START + timedelta(hours=1)
PUBLIC = ({"user": "olga", "role": "owner"}, {"user": "adam", "role": "admin"}, {"user": "mona", "role": "moderator"})
EVERYONE = (*PUBLIC, {"user": "mia", "role": "member"}, {"user": "rita", "role": "reader"})
DIRECT = direct_room_id("olga", "otto")
TOKEN = "a-secret-nobody-guesses"
MESSAGE = Target(author="mia", posted_at=START)
"""What mia said in the room's first second."""


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


def room_with(*facts: tuple[str, dict[str, Any]], **fields: Any) -> Room:
    """A room to which these things happened, in this order."""
    return room_after(created(**fields), *(event(name, 2 + n, **what) for n, (name, what) in enumerate(facts)))


def direct_room(**fields: Any) -> Room:
    """The room in which olga and otto talk alone."""
    owners = [{"user": user, "role": "owner"} for user in ("olga", "otto")]
    return room(room=DIRECT, visibility="direct", capacity=2, members=owners, **fields)


def command(verb: str, actor: str = "mia", **fields: Any) -> Command:
    """A command for the room."""
    body = {"type": verb, "room": ROOM, "actor": actor, "command_id": "k1", **fields}
    return COMMAND.validate_python(body)


def decided(held: Room | None, wish: Command, now: datetime = NOW, target: Target | None = MESSAGE) -> Decision:
    """What the room makes of a wish; where it is about a message, about the one given."""
    return decide(held, wish, Circumstances(now, target, TOKEN))


def refused(held: Room | None, wish: Command, now: datetime = NOW, target: Target | None = MESSAGE) -> Code:
    """The code with which the room refuses a wish."""
    decision = decided(held, wish, now, target)
    assert isinstance(decision, Refusal), decision
    return decision.code


def snapshot(held: Room | None, fence: int = 7) -> Snapshot:
    """What history answers for a room."""
    return Snapshot(room=ROOM, fence=fence, state=held.to_state() if held else None)
