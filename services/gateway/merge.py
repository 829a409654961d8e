"""Join what was replayed from storage with what came live meanwhile: in order, each once, no gap."""

from __future__ import annotations

from collections.abc import Iterable

from services.gateway.ring import Numbered


def merge(after: int, replayed: Iterable[Numbered], live: Iterable[Numbered]) -> list[Numbered] | None:
    """Events `after` + 1, `after` + 2 ... of both, a live one before its replayed copy; None when one is missing."""
    known = {event.seq: event for event in replayed if event.seq > after}
    known.update((event.seq, event) for event in live if event.seq > after)
    merged = [known[seq] for seq in sorted(known)]
    expected = range(after + 1, after + 1 + len(merged))
    return merged if [event.seq for event in merged] == list(expected) else None
