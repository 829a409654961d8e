from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.deadlines import Deadlines

TICK = 0.25


def wheel(**deadlines: float) -> Deadlines[str]:
    made: Deadlines[str] = Deadlines(TICK)
    for key, at in deadlines.items():
        made.set(key, at)
    return made


def test_deadlines_come_due_in_order_and_once() -> None:
    deadlines = wheel(late=9.0, early=1.0)
    assert deadlines.take_due(0.5) == []
    assert deadlines.take_due(9.0) == ["early", "late"]
    assert deadlines.take_due(99.0) == []


def test_setting_a_deadline_again_replaces_it() -> None:
    deadlines = wheel(a=1.0)
    deadlines.set("a", 5.0)
    assert deadlines.take_due(2.0) == []
    assert deadlines.take_due(5.0) == ["a"]


def test_a_dropped_deadline_never_comes() -> None:
    deadlines = wheel(a=1.0)
    deadlines.drop("a")
    deadlines.drop("nobody")
    assert deadlines.take_due(2.0) == []
    assert len(deadlines) == 0


def test_a_deadline_in_the_past_comes_with_the_next_turn() -> None:
    deadlines = wheel()
    assert deadlines.take_due(100.0) == []
    deadlines.set("a", 3.0)
    assert deadlines.take_due(100.0) == []
    assert deadlines.take_due(100.0 + TICK) == ["a"]


def test_setting_a_deadline_ever_anew_leaves_nothing_behind() -> None:
    deadlines = wheel()
    for number in range(10_000):
        deadlines.set("a", 30.0 + number)
    assert len(deadlines._slots) == len(deadlines) == 1


@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0, 60)), max_size=40),
    st.lists(st.floats(0, 70), max_size=20),
)
def test_nothing_comes_early_nor_more_than_a_tick_late(settings: list[tuple[int, float]], looks: list[float]) -> None:
    deadlines: Deadlines[int] = Deadlines(TICK)
    wanted: dict[int, float] = {}
    for key, at in settings:
        deadlines.set(key, at)
        wanted[key] = at
    for now in sorted(looks):
        due = deadlines.take_due(now)
        assert all(wanted.pop(key) <= now for key in due)
        assert all(at > now - TICK for at in wanted.values())
    assert len(deadlines) == len(wanted)
