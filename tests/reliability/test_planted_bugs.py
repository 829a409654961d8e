"""The checks are worth something: every bug that is planted into a worker is found by a run of the nemesis.

In the suite several bugs share a run, where each shows in another way; at full size (`make chaos-bugs`) each is alone.
"""

import itertools

import pytest

from tests.bed.scale import is_full
from tests.reliability.chaos import Bounds, Chaos
from tests.reliability.nemesis.schedule import Fault
from tests.reliability.planted.bugs import BUGS
from tests.reliability.workloads.size import Size

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack, pytest.mark.timeout(240)]

SEED = 1
SECONDS = 8.0
FIRST_SECONDS, STEP_SECONDS, LAST_SECONDS = 2.0, 4.0, 1.5
"""When the first fault begins, how long after it the next does, how long each lasts."""
SMALL = Size(rooms=3, writers=8, listeners=8, pause_seconds=0.3)
IMPATIENT = Bounds(settle=15.0, level=10.0, counts=15.0)
HELD_OFF = ("writes stale",)
SHARED = (
    ("delivers twice", "changes texts", "keeps who left", "miscounts", "swallows commands", "skips gaps"),
    ("skips the retry lookup", "delivers out of order", "keeps ghosts", "shows everybody"),
    ("loses events",),
    ("acks before the confirm",),
    ("ignores the fence",),
    ("ignores the fence later",),
    HELD_OFF,
)
RUNS = [(name,) for name in BUGS] if is_full() else SHARED


def test_every_bug_has_its_run():
    assert sorted(itertools.chain(*SHARED)) == sorted(BUGS)


@pytest.mark.parametrize("names", RUNS, ids=", ".join)
async def test_planted_bugs_are_found(start_breakable, report, names):
    bugs = [BUGS[name] for name in names]
    faults = itertools.chain(*(bug.faults for bug in bugs))
    plan = [
        Fault(FIRST_SECONDS + number * STEP_SECONDS, kind, 0, LAST_SECONDS, 0.2) for number, kind in enumerate(faults)
    ]
    places = await start_breakable(workers=1, bugs=names)
    bounds = Bounds() if names == HELD_OFF else IMPATIENT
    outcome = await Chaos(places, SMALL, seed=SEED, bounds=bounds).run(plan, seconds=SECONDS)
    found = {finding.anomaly for finding in outcome.findings}
    report(
        found_as=", ".join(sorted(anomaly.name for anomaly in found)) or "nothing",
        seed=SEED,
        seconds=outcome.seconds,
        accepted=outcome.commands["accepted"],
    )
    missed = [name for name, bug in zip(names, bugs, strict=True) if bug.shows_as and not bug.shows_as & found]
    assert missed == [], outcome.findings[:20]
    if names == HELD_OFF:
        assert outcome.findings == []
        assert outcome.parked["stale_fence"], "the stale writer did write"
