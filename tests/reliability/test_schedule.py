"""A plan of faults follows from its seed alone, and leaves nothing out."""

import itertools

import pytest

from tests.reliability.checks.ordering import Operation
from tests.reliability.healing import Healing, healings
from tests.reliability.journal import Got
from tests.reliability.nemesis.nemesis import Done
from tests.reliability.nemesis.schedule import Fault, Kind, schedule

LONG_SECONDS = 3_600


def test_a_seed_makes_the_same_plan_every_time_and_another_seed_another():
    assert schedule(7, 600) == schedule(7, 600)
    assert schedule(7, 600) != schedule(8, 600)


@pytest.mark.parametrize("seed", range(20))
def test_every_fault_begins_in_order_and_is_over_in_time(seed):
    plan = schedule(seed, 300)
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert max(fault.end for fault in plan) <= 300


@pytest.mark.parametrize("seed", range(20))
def test_a_long_plan_has_every_kind_and_faults_that_overlap(seed):
    plan = schedule(seed, LONG_SECONDS)
    assert {fault.kind for fault in plan} == set(Kind)
    assert any(later.at < earlier.end for earlier, later in itertools.pairwise(plan))


def test_a_plan_of_some_kinds_has_no_other():
    assert {fault.kind for fault in schedule(1, 120, (Kind.POISON, Kind.ALARM))} == {Kind.POISON, Kind.ALARM}


def test_all_is_well_after_a_fault_when_somebody_was_accepted_and_every_follower_knows():
    fault = Fault(1.0, Kind.ALARM, 0, 2.0, 0.1)
    operations = [Operation("ann", "r", 5, 9.0, 9.5), Operation("ann", "r", 6, 9.6, 11.0)]
    followers = {
        "r": [[Got("r", "e", 5, "c5", at=9.7), Got("r", "e", 6, "c6", at=13.0)], [Got("r", "e", 7, "c7", at=12.0)]]
    }
    assert healings([Done(fault, 8.0, 10.0)], operations, followers) == [Healing(Kind.ALARM.value, 1, 3.0, 3.0)]


def test_where_nobody_writes_any_more_nothing_is_known():
    fault = Fault(1.0, Kind.ALARM, 0, 2.0, 0.1)
    assert healings([Done(fault, 8.0, 10.0)], [], {"r": []}) == []
