"""`python -m tests.reliability.planted.worker room|gateway|history`: a worker as it is, with what a test plants in it.

`GATEHOUSE_TEST_CLOCK` names a file that says by how many seconds the worker's clock is wrong, at every moment.
`GATEHOUSE_TEST_BUGS` are names of `bugs.BUGS`, with commas.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

from tests.reliability.planted.bugs import BUGS
from tests.reliability.planted.clock import Offset, wind, wind_modules

COMMAND = (sys.executable, "-P", "-m", "tests.reliability.planted.worker")


def main(kind: str) -> None:
    """Plant, then run as `python -m services` does."""
    clock = os.environ.get("GATEHOUSE_TEST_CLOCK")
    offset = Offset(Path(clock)) if clock else None
    if offset is not None:
        wind(offset)  # before anybody keeps `time.time` as it is
    app = import_module(f"services.{kind}.app")
    for name in filter(None, os.environ.get("GATEHOUSE_TEST_BUGS", "").split(",")):
        bug = BUGS[name]
        if kind in bug.kinds:
            bug.plant()
    if offset is not None:
        wind_modules(offset)
    app.main()


if __name__ == "__main__":
    main(sys.argv[1])
