"""Whether workloads run small, as in the suite, or at full size."""

import os

FULL = "full"


def is_full() -> bool:
    """GATEHOUSE_SCALE=full"""
    return os.environ.get("GATEHOUSE_SCALE") == FULL
