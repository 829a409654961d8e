"""A gate's queue is full: the broker drops events, and the gate notices and fetches what it did not get (I3)."""

import pytest

from tests.reliability.chaos import Bounds, Chaos
from tests.reliability.gates import summed
from tests.reliability.nemesis.schedule import Fault, Kind
from tests.reliability.workloads.size import Size

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack, pytest.mark.timeout(240)]

SMALL = Size(rooms=3, writers=8, listeners=4, pause_seconds=0.3)


async def test_what_a_full_queue_drops_is_missed_and_comes_from_history(start_breakable, report):
    places = await start_breakable()
    plan = [Fault(2.0, Kind.FULL_GATE, 0, 4.0, 0.0)]
    outcome = await Chaos(places, SMALL, seed=1, bounds=Bounds()).run(plan, seconds=8.0)
    gaps = sum((await summed(places.stack.gates[:1], "gateway_gaps_total")).values())
    report(gaps=gaps, pushes=outcome.pushes, resets=outcome.resets)
    assert outcome.findings == []
    assert gaps > 0
