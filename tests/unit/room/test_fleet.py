"""Who is blamed for silence: nobody, while this worker does not hear even itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.control import WorkerHeartbeat
from services.room.fleet import Fleet
from services.room.gates import Gates
from tests.unit.room.unplugged import SETTINGS

ME, OTHER = "room-me", "room-other"
INTERVAL = SETTINGS.heartbeat_seconds


class SilentOutlet:
    async def send_census(self, _shard, _shards):
        pass


async def tell_nobody(_):
    return True


@pytest.fixture
def fleet():
    return Fleet(ME, SETTINGS, tell_nobody, [], SilentOutlet())


def heartbeat(worker, interval=INTERVAL):
    return WorkerHeartbeat(worker=worker, interval_seconds=interval, shards=(0,), ready=True)


def test_a_worker_is_deaf_from_one_and_a_half_intervals_without_itself(fleet):
    fleet.hear(heartbeat(ME), 100.0)
    assert not fleet.is_deaf(100.0 + 1.5 * INTERVAL)
    assert fleet.is_deaf(100.1 + 1.5 * INTERVAL)
    fleet.hear(heartbeat(OTHER), 101.0 + 1.5 * INTERVAL)
    assert fleet.is_deaf(101.0 + 1.5 * INTERVAL)
    fleet.hear(heartbeat(ME), 102.0 + 1.5 * INTERVAL)
    assert not fleet.is_deaf(102.0 + 1.5 * INTERVAL)


def test_a_worker_that_has_not_heard_itself_yet_is_deaf(fleet):
    assert fleet.is_deaf(100.0)


@pytest.mark.parametrize("interval", [INTERVAL, INTERVAL / 10])
@pytest.mark.parametrize("heard_before", [0.0, 0.5, 0.9])
async def test_no_worker_is_lost_to_one_that_hears_nothing(fleet, interval, heard_before):
    fleet.hear(heartbeat(OTHER, interval), 100.0 - heard_before * INTERVAL)
    fleet.hear(heartbeat(ME), 100.0)
    for second in range(101, 140):
        await fleet.tick(float(second))
    assert fleet.is_deaf(139.0)
    assert OTHER in fleet._peers._peers


async def test_a_worker_that_fell_silent_is_lost_to_one_that_hears_itself(fleet):
    fleet.hear(heartbeat(OTHER), 100.0)
    for second in range(100, 120):
        fleet.hear(heartbeat(ME), float(second))
        await fleet.tick(float(second))
    assert OTHER not in fleet._peers._peers


@given(st.floats(0, INTERVAL), st.floats(0.01, 5))
def test_deafness_is_noticed_before_the_lease_of_any_gate_can_end(before, step):
    fleet, gates = Fleet(ME, SETTINGS, tell_nobody, [], SilentOutlet()), Gates()
    gates.receive_heartbeat("g1", INTERVAL, 100.0 - before)
    fleet.hear(heartbeat(ME), 100.0)
    now = 100.0
    while not fleet.is_deaf(now):
        assert gates.expire(now) == []
        now += step
