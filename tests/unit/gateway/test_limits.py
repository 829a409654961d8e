from __future__ import annotations

import pytest

from services.gateway.limits import Bucket


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    bucket = Bucket(rate=20, burst=40)
    assert [bucket.take(0.0) for _ in range(40)] == [0.0] * 40
    assert bucket.take(0.0) == pytest.approx(0.05)
    assert bucket.take(0.05) == 0.0
    assert bucket.take(0.05) > 0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = Bucket(rate=20, burst=2)
    assert bucket.take(0.0) == 0.0
    assert [bucket.take(1_000.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(0.05)]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(rate=1, burst=1)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(5.0) == pytest.approx(1.0)
