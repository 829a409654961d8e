"""Everything breaks, one thing after another and at the same time, from a seed; nothing that was accepted is lost,
repeated or reordered, and nobody sees what they may not (I1-I5, I8, I10). I9 has `test_slow_reader.py`.

`GATEHOUSE_CHAOS_SEED`, `GATEHOUSE_CHAOS_MINUTES`, `GATEHOUSE_CHAOS_FAULTS` make another run of it: `make chaos SEED=...
MINUTES=... FAULTS=...`.
"""

import json
import os

import pytest

from tests.reliability.chaos import Bounds, Chaos
from tests.reliability.nemesis.schedule import Kind, schedule
from tests.reliability.telling import figures_of, report_of
from tests.reliability.workloads.size import Size

SEED = int(os.environ.get("GATEHOUSE_CHAOS_SEED", "1"))
MINUTES = float(os.environ.get("GATEHOUSE_CHAOS_MINUTES", "3"))
FAULTS = os.environ.get("GATEHOUSE_CHAOS_FAULTS", "")
"""Some kinds of fault, by their names, with commas; without it all."""
BEHIND_SECONDS = 600
"""For the stack, for what comes to its end after the last fault, and for the verdict."""

pytestmark = [
    pytest.mark.broker,
    pytest.mark.store,
    pytest.mark.stack,
    pytest.mark.timeout(MINUTES * 60 + BEHIND_SECONDS),
]


@pytest.mark.parametrize("seed", [SEED])
async def test_nothing_accepted_is_lost_repeated_or_reordered_while_everything_breaks(
    start_breakable, report, tell, tmp_path, seed
):
    places = await start_breakable()
    chaos = Chaos(places, Size(), seed=seed, bounds=Bounds())
    kinds = [Kind(name.strip()) for name in FAULTS.split(",")] if FAULTS else list(Kind)
    journals = tmp_path / "journals.jsonl"
    try:
        outcome = await chaos.run(schedule(seed, MINUTES * 60, kinds), seconds=MINUTES * 60)
    except BaseException:
        keep(chaos, journals)
        raise
    told = report_of(outcome, seed=seed)
    report(**figures_of(outcome, seed=seed))
    tell(told)
    if outcome.findings:
        keep(chaos, journals)
    assert outcome.findings == [], f"the journals: {journals}\n{told}"


def keep(chaos, path):
    """For whoever looks for the cause."""
    path.write_text("\n".join(json.dumps(entry, default=sorted) for entry in chaos.journals()))
