"""When to come back after a lost connection, and whether to. Pure: the draw of the jitter is an argument."""

from __future__ import annotations

from typing import Final

FIRST_SECONDS: Final = 0.25
LONGEST_SECONDS: Final = 15.0
STEADY_SECONDS: Final = 5.0
"""A connection that lived this long after its welcome ends a row of failures."""

FINAL_CODES: Final = range(4500, 5000)
POLICY_VIOLATION: Final = 1008


def comes_back(code: int) -> bool:
    """Whether a client should return after this close code: the range says so (design §3.2)."""
    return code not in FINAL_CODES and code != POLICY_VIOLATION


def delay_seconds(failures: int, draw: float, retry_after_seconds: float | None = None) -> float:
    """How long to wait after that many failures in a row (1 = the first); `draw` is uniform in 0..1.

    Doubles up to a bound, then is spread over its upper half; never shorter than what the server asked for.
    """
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * float(1 << min(failures - 1, 16)))
    return max(ceiling * (0.5 + draw / 2), retry_after_seconds or 0.0)
