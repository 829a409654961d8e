"""Waiting for a condition with a deadline: the only place of the tests that sleeps."""

import asyncio
import inspect
import time

STEP_SECONDS = 0.02


async def eventually(condition, within_seconds=10.0, what=None):
    """Poll `condition` (plain or async, no arguments) until it returns something true, and return that.

    An AssertionError inside it means "not yet"; the last one is part of the failure's text.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        value, doubt = await _asked(condition)
        if value:
            return value
        if time.monotonic() > deadline:
            told = what or getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"{told}: not within {within_seconds} seconds (last answer: {doubt or value!r})")
        await asyncio.sleep(STEP_SECONDS)


async def _asked(condition):
    try:
        value = condition()
        return (await value if inspect.isawaitable(value) else value), None
    except AssertionError as doubt:
        return None, doubt
