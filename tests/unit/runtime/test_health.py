"""Readiness is a judgement over beats and the clock, nothing else."""

from services.runtime.observe import Health


def test_a_process_is_not_ready_before_every_expected_part_has_shown_life():
    health = Health(stale_seconds=10)
    health.expect("broker")
    health.expect("store")
    health.beat("broker", now=100.0)
    assert not health.ready(now=100.0)
    assert health.checks(now=100.0) == {"broker": "ok", "store": "missing"}


def test_a_part_that_was_silent_for_too_long_is_stale():
    health = Health(stale_seconds=10)
    health.beat("broker", now=100.0)
    assert health.ready(now=110.0)
    assert not health.ready(now=110.1)
    assert health.checks(now=110.1) == {"broker": "stale"}


def test_a_part_known_to_be_away_is_missing_until_its_next_beat():
    health = Health(stale_seconds=10)
    health.beat("broker", now=100.0)
    health.fail("broker")
    assert health.checks(now=100.0) == {"broker": "missing"}
    health.beat("broker", now=101.0)
    assert health.ready(now=101.0)


def test_expecting_a_part_again_keeps_its_life():
    health = Health(stale_seconds=10)
    health.beat("broker", now=100.0)
    health.expect("broker")
    assert health.ready(now=100.0)


def test_a_draining_process_is_not_ready_however_healthy():
    health = Health(stale_seconds=10)
    health.beat("broker", now=100.0)
    health.draining = True
    assert not health.ready(now=100.0)
