"""How much of one room a gate keeps in memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """Bounds of one room's memory at a gate.

    Attributes:
        ring_events, ring_bytes: recent events kept for resumes.
        held_events, held_bytes: events that wait behind a gap; what comes beyond is fetched later.
        resume_events: the longest replay or gap; a longer one becomes `reset`.
        replay_held_events, replay_held_bytes: live events that wait behind one session's replay; beyond, it is reset.
    """

    ring_events: int = 256
    ring_bytes: int = 256 * 1024
    held_events: int = 1_000
    held_bytes: int = 1024 * 1024
    resume_events: int = 1_000
    replay_held_events: int = 256
    replay_held_bytes: int = 1024 * 1024
