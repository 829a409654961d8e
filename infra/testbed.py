"""`python -m infra.testbed`: what the tests run on, `containers` or `local`; why, on standard error.

Does whatever it takes to have containers (an engine, images); GATEHOUSE_TEST_BED decides without trying. On either bed
it sees to the programs that the tests of the page want.
"""

import os
import sys
from enum import StrEnum

from infra.engine import EngineUnavailable, engine_answers, ensure_engine
from infra.images import ImageUnavailable, ensure_image, present_image
from infra.local.workers import PROJECT
from infra.packages import PackagesUnavailable
from infra.programs import BROWSER, NODE, ensure_program

VARIABLE = "GATEHOUSE_TEST_BED"
NEEDED = ("rabbitmq", "store", "gatehouse")


class Bed(StrEnum):
    CONTAINERS = "containers"
    LOCAL = "local"


def present_bed() -> Bed:
    """The bed named by the environment, else containers when everything for them is there already."""
    if named := os.environ.get(VARIABLE):
        return Bed(named)
    ready = engine_answers() and all(present_image(name) for name in ("rabbitmq", "store"))
    return Bed.CONTAINERS if ready else Bed.LOCAL


def made_bed() -> Bed:
    """The same, after trying to get an engine and the images."""
    if named := os.environ.get(VARIABLE):
        return Bed(named)
    try:
        _say(ensure_engine(PROJECT / ".run"))
        for name in NEEDED:
            _say(f"image for {name}: {ensure_image(name)}")
    except (EngineUnavailable, ImageUnavailable) as problem:
        _say(str(problem))
        return Bed.LOCAL
    return Bed.CONTAINERS


def provide_programs() -> None:
    """What the tests of the page want; what cannot be had is said, and those tests skip."""
    for program in (BROWSER, NODE):
        try:
            ensure_program(program, PROJECT / ".run" / "logs" / "packages.log")
        except PackagesUnavailable as problem:
            _say(f"{problem}; the tests that want {program.commands[0]} are skipped")


def main() -> int:
    provide_programs()
    bed = made_bed()
    _say(f"the tests run on {'containers' if bed is Bed.CONTAINERS else 'local processes'} ({VARIABLE}={bed})")
    sys.stdout.write(f"{bed}\n")
    return 0


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
