"""Pushes of one tick: what goes to the same socket from several rooms is joined into one write. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from services.gateway.session import Effect, Outlet, Write


def take_writes(effects: deque[Effect]) -> list[Write]:
    """Take the writes in front of anything else."""
    writes = []
    while effects and isinstance(write := effects[0], Write):
        writes.append(write)
        effects.popleft()
    return writes


def writes_to_make(writes: Sequence[Write]) -> Iterator[Write]:
    """The same bytes for each socket, in the same order, in as few writes as pay.

    A write costs a call of the kernel, joining costs a look at each socket: it pays only when two crowds may overlap.
    """
    if sum(len(write.outlets) > 1 for write in writes) > 1:
        return _joined(writes)
    return iter(writes)


def _joined(writes: Sequence[Write]) -> Iterator[Write]:
    parts: dict[Outlet, list[Write]] = {}
    for write in writes:
        for outlet in write.outlets:
            parts.setdefault(outlet, []).append(write)
    for outlet, some in parts.items():
        yield Write((outlet,), b"".join([write.data for write in some]), sum(write.frames for write in some))
