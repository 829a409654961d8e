"""Coming back."""

import pytest

from clients.cli.backoff import FIRST_SECONDS, LONGEST_SECONDS, comes_back, delay_seconds
from schemas.errors import ERRORS


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 4000, 4001, 4499])
def test_a_client_comes_back_after(code):
    assert comes_back(code)


@pytest.mark.parametrize("code", [1008, 4500, 4501, 4999])
def test_a_client_stays_away_after(code):
    assert not comes_back(code)


@pytest.mark.parametrize("spec", [spec for spec in ERRORS.values() if spec.close])
def test_the_range_agrees_with_the_registry(spec):
    assert comes_back(spec.close) == spec.retry


def test_delays_grow_to_a_bound_and_are_spread_over_their_upper_half():
    assert delay_seconds(1, 0.0) == FIRST_SECONDS / 2
    assert delay_seconds(2, 1.0) == FIRST_SECONDS * 2
    assert delay_seconds(10_000, 1.0) == LONGEST_SECONDS


def test_the_server_may_ask_for_longer_but_not_for_shorter():
    assert delay_seconds(1, 0.0, retry_after_seconds=7.0) == 7.0
    assert delay_seconds(9, 1.0, retry_after_seconds=0.1) == LONGEST_SECONDS
