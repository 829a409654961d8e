"""The times of one connection: who is ended when, and why."""

from __future__ import annotations

import pytest

from schemas.errors import Code
from services.gateway.bounds import Patience
from services.gateway.watch import Watch

PATIENCE = Patience(
    hello_seconds=10, ping_seconds=25, pong_seconds=10, lag_seconds=30, idle_seconds=600, close_seconds=5
)


def begin(*, known: bool = True, expires_in: float = 3600.0) -> Watch:
    watch = Watch.begin(PATIENCE, 0.0)
    if known:
        watch.receive_identity(0.0, expires_in)
    return watch


def test_who_does_not_say_who_it_is_is_ended_after_hello_seconds() -> None:
    watch = begin(known=False)
    assert watch.next_due(0.0) == 10
    assert watch.verdict(9.9, busy=False) is None
    assert watch.verdict(10.0, busy=False) is Code.UNAUTHENTICATED


def test_an_identity_holds_until_it_expires_and_its_renewal_longer() -> None:
    watch = begin(expires_in=100.0)
    assert watch.verdict(100.0, busy=True) is Code.TOKEN_EXPIRED
    watch.receive_identity(90.0, 100.0)
    assert watch.verdict(100.0, busy=True) is None
    assert watch.expiry_due == 190


def test_a_ping_is_due_every_ping_seconds_and_its_pong_within_pong_seconds() -> None:
    watch = begin()
    assert not watch.is_ping_due(24.9, catches_up=False)
    assert watch.is_ping_due(25.0, catches_up=False)
    assert (watch.ping_due, watch.pong_due) == (50, 35)
    watch.receive_pong()
    assert watch.is_ping_due(50.0, catches_up=False)
    assert watch.verdict(60.0, busy=True) is Code.HEARTBEAT_MISSED


def test_a_later_ping_does_not_put_off_the_pong_of_an_earlier_one() -> None:
    patience = Patience(10, 5, 20, 30, 600, 5)
    watch = Watch.begin(patience, 0.0)
    watch.receive_identity(0.0, 3600)
    for moment in (5.0, 10.0, 15.0, 20.0):
        assert watch.is_ping_due(moment, catches_up=False)
    assert watch.pong_due == 25


def test_who_still_takes_what_waits_is_given_another_pong_seconds() -> None:
    watch = begin()
    watch.is_ping_due(25.0, catches_up=False)
    assert not watch.is_ping_due(35.0, catches_up=True)
    assert watch.verdict(35.0, busy=True) is None
    assert watch.pong_due == 45


def test_who_lags_for_lag_seconds_is_ended_counted_from_the_first_session_that_does() -> None:
    watch = begin()
    watch.begin_lagging(5.0)
    watch.begin_lagging(30.0)
    watch.receive_pong()
    assert watch.verdict(34.9, busy=True) is None
    assert watch.verdict(35.0, busy=True) is Code.SLOW_CONSUMER


def test_who_catches_up_lags_no_longer() -> None:
    watch = begin()
    watch.begin_lagging(5.0)
    watch.end_lagging()
    assert watch.verdict(36.0, busy=True) is None


@pytest.mark.parametrize("busy", [True, False])
def test_only_who_has_no_room_and_waits_for_nothing_is_idle(busy: bool) -> None:
    watch = begin()
    assert watch.verdict(600.0, busy=busy) is (None if busy else Code.IDLE_EVICTED)


def test_any_frame_ends_the_idling() -> None:
    watch = begin()
    watch.receive_frame(500.0)
    assert watch.verdict(1_000.0, busy=False) is None
    assert watch.verdict(1_100.0, busy=False) is Code.IDLE_EVICTED


def test_one_that_left_its_last_room_begins_to_idle_then() -> None:
    watch = begin()
    assert watch.verdict(590.0, busy=True) is None
    assert watch.verdict(700.0, busy=False) is None
    assert watch.verdict(1_190.0, busy=False) is Code.IDLE_EVICTED


def test_a_closing_connection_is_looked_at_when_it_is_cut_and_every_second_until_it_is_gone() -> None:
    watch = begin()
    watch.begin_closing(7.0)
    watch.begin_closing(9.0)
    assert watch.next_due(7.0) == 12
    assert watch.next_due(12.0) == 13


def test_the_next_look_is_at_the_earliest_of_all_times() -> None:
    watch = begin()
    assert watch.next_due(0.0) == 25
    watch.begin_lagging(-10.0)
    assert watch.next_due(0.0) == 20
