"""How much traffic there is."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """`rooms`, `writers` and `listeners` are of each workload that has any; a writer pauses so long in the mean."""

    rooms: int = 4
    writers: int = 8
    listeners: int = 12
    pause_seconds: float = 0.4
