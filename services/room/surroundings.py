"""What the terms of all shards of a worker have around them, and share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.control import RosterRequest
from schemas.ids import RoomId
from services.room.gates import Gates
from services.room.metrics import RoomMetrics
from services.room.outlet import Outlet
from services.room.settings import RoomSettings
from services.room.suspects import Suspects


@dataclass(slots=True)
class Surroundings:
    """What all terms of a worker share.

    Attributes:
        gates_known_at: by then (monotonic seconds) every gate that lives has been heard of.
        ask_roster: asks one gate, or all, for the sessions of a shard; returns at once.
        new_term: a name for a term, which no other one of any worker has.
        note_change: what this worker does is not what it said last; returns at once.
        suspects, doubts: what outlives terms and connections: deliveries that broke their handling, and by shard the
            room of an event or a query that the log did not confirm.
    """

    worker: str
    settings: RoomSettings
    outlet: Outlet
    metrics: RoomMetrics
    gates: Gates
    gates_known_at: float
    ask_roster: Callable[[RosterRequest], None]
    new_term: Callable[[], str]
    note_change: Callable[[], None]
    suspects: Suspects
    doubts: dict[int, RoomId]
