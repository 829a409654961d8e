"""How big each workload is: small in the suite, full with GATEHOUSE_SCALE=full. One table."""

from __future__ import annotations

from typing import NamedTuple

from tests.bed.scale import is_full
from tests.reliability.fleet import Size


class Sizes(NamedTuple):
    """A workload twice."""

    small: Size
    full: Size


SIZES = {
    "resume storm": Sizes(
        small=Size(clients=40, rooms=5, rooms_each=2, writers=8, rate=60, seconds=6),
        full=Size(clients=200, rooms=20, rooms_each=2, writers=20, rate=200, seconds=60),
    ),
    "broker restart": Sizes(
        small=Size(clients=30, rooms=4, rooms_each=2, writers=6, rate=40, seconds=2),
        full=Size(clients=200, rooms=20, rooms_each=2, writers=20, rate=200, seconds=20),
    ),
    "gate drain": Sizes(
        small=Size(clients=60, rooms=6, rooms_each=1, writers=12, rate=60, seconds=2),
        full=Size(clients=2_000, rooms=100, rooms_each=1, writers=100, rate=100, seconds=15),
    ),
    "soak": Sizes(
        small=Size(clients=100, rooms=5, rooms_each=1, writers=20, rate=50, seconds=15),
        full=Size(clients=2_000, rooms=50, rooms_each=1, writers=100, rate=100, seconds=600),
    ),
    "slow reader": Sizes(
        small=Size(clients=20, rooms=2, rooms_each=1, writers=10, rate=120, seconds=2, text_bytes=15_000),
        full=Size(clients=500, rooms=10, rooms_each=1, writers=20, rate=200, seconds=60, text_bytes=1_000),
    ),
}


def size_of(workload: str) -> Size:
    """How big it is now."""
    sizes = SIZES[workload]
    return sizes.full if is_full() else sizes.small
