"""Leases of gates."""

from services.room.gates import Gates


def test_three_missed_heartbeats_and_a_gate_is_gone():
    gates = Gates()
    assert gates.receive_heartbeat("g1", 5, now=100)
    assert not gates.receive_heartbeat("g1", 5, now=105)
    assert gates.expire(now=119.9) == []
    assert gates.alive() == ["g1"]
    assert gates.expire(now=120) == ["g1"]
    assert gates.alive() == []


def test_when_nothing_can_be_heard_nobody_is_gone():
    gates = Gates()
    gates.receive_heartbeat("g1", 5, now=100)
    gates.receive_silence(now=200)
    assert gates.expire(now=214) == []
    assert gates.expire(now=215) == ["g1"]


def test_a_gate_that_says_good_bye_is_gone_at_once_and_news_when_it_returns():
    gates = Gates()
    gates.receive_heartbeat("g1", 5, now=100)
    assert gates.receive_gone("g1")
    assert not gates.receive_gone("g1")
    assert gates.receive_heartbeat("g1", 5, now=101)
