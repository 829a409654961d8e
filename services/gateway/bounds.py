"""How much of one room a gate keeps in memory, and how long it waits for a client."""

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


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds.

    Attributes:
        hello_seconds: to say who it is.
        ping_seconds, pong_seconds: between two pings, and from a ping to its pong.
        lag_seconds: to take what waits for it, once no more is put behind that.
        idle_seconds: without a room and without a frame.
        close_seconds: to answer a close.
    """

    hello_seconds: float
    ping_seconds: float
    pong_seconds: float
    lag_seconds: float
    idle_seconds: float
    close_seconds: float
