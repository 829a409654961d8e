"""What the cores count; the gate adds it to the metrics from time to time."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum


class Count(StrEnum):
    """What is counted. The first three are where a replay came from: the ring, history, or nowhere (`reset`)."""

    RING = "ring"
    HISTORY = "history"
    RESET = "reset"
    GAP = "gap"
    LAG = "lag"


REPLAYS = (Count.RING, Count.HISTORY, Count.RESET)

Tally = Counter[Count]
