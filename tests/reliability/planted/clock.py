"""A wall clock that is wrong by what a file says, now; monotonic time is not touched, as no jump of a clock does."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

READ_EVERY_SECONDS = 0.2
TELLING_TIME = ("services.", "schemas.", "jwt.")
"""Packages whose modules ask for the time."""


class Offset:
    """What the file says, looked up from time to time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds = 0.0
        self._until = 0.0

    def __call__(self) -> float:
        if time.monotonic() >= self._until:
            self._seconds = float(self._file.read_text() or 0)
            self._until = time.monotonic() + READ_EVERY_SECONDS
        return self._seconds


def wind(offset: Offset) -> None:
    """Have all that is imported from now on, and asks `time.time`, go by the wrong clock."""
    right_time = time.time
    time.time = lambda: right_time() + offset()


def wind_modules(offset: Offset) -> None:
    """The same for the `datetime` of all that is imported by now. Not sooner: what is made of the type itself, as
    models are, wants the right one."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=offset())

    for name, module in list(sys.modules.items()):
        if name.startswith(TELLING_TIME) and getattr(module, "datetime", None) is datetime:
            module.datetime = Wrong
