from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.merge import merge
from services.gateway.ring import Numbered, Ring


def numbered(*seqs: int, mark: bytes = b"x") -> list[Numbered]:
    return [Numbered(seq, mark) for seq in seqs]


def seqs(events: list[Numbered] | None) -> list[int] | None:
    return None if events is None else [event.seq for event in events]


def filled(first: int, last: int, *, events_limit: int = 100, bytes_limit: int = 1_000) -> Ring:
    ring = Ring(events_limit, bytes_limit)
    for event in numbered(*range(first, last + 1)):
        ring.append(event)
    return ring


def test_a_ring_gives_everything_behind_a_seq() -> None:
    assert seqs(filled(5, 9).since(6)) == [7, 8, 9]


def test_a_ring_gives_all_from_just_before_its_first() -> None:
    assert seqs(filled(5, 9).since(4)) == [5, 6, 7, 8, 9]


def test_a_ring_that_begins_later_gives_nothing_instead_of_a_part() -> None:
    assert filled(5, 9).since(3) is None


def test_what_was_fetched_stands_before_what_a_ring_has() -> None:
    ring = filled(5, 9)
    ring.prepend(numbered(2, 3, 4, 5, 6), top=9)
    assert seqs(ring.since(1)) == list(range(2, 10))


def test_an_empty_ring_takes_what_reaches_to_the_top() -> None:
    ring = Ring(10, 10)
    ring.prepend(numbered(2, 3), top=4)
    assert ring.since(1) is None
    ring.prepend(numbered(2, 3, 4), top=4)
    ring.append(*numbered(5))
    assert seqs(ring.since(1)) == [2, 3, 4, 5]


def test_what_leaves_a_hole_is_not_taken() -> None:
    ring = filled(5, 9)
    ring.prepend(numbered(1, 2, 3), top=9)
    ring.prepend([], top=9)
    assert ring.since(3) is None
    assert seqs(ring.since(4)) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("bounds", [{"events_limit": 7}, {"bytes_limit": 7}])
def test_only_the_latest_of_what_was_fetched_find_a_place(bounds: dict[str, int]) -> None:
    ring = filled(5, 9, **bounds)
    ring.prepend(numbered(1, 2, 3, 4), top=9)
    assert ring.since(1) is None
    assert seqs(ring.since(2)) == [3, 4, 5, 6, 7, 8, 9]


def test_an_empty_ring_knows_nothing() -> None:
    assert Ring(10, 10).since(0) is None


def test_a_ring_is_bounded_in_number() -> None:
    ring = filled(1, 50, events_limit=10)
    assert ring.since(39) is None
    assert seqs(ring.since(40)) == list(range(41, 51))


def test_a_ring_is_bounded_in_bytes() -> None:
    ring = filled(1, 50, bytes_limit=5)
    assert ring.since(44) is None
    assert seqs(ring.since(45)) == [46, 47, 48, 49, 50]


def test_a_hole_in_a_ring_is_a_bug() -> None:
    ring = filled(1, 3)
    with pytest.raises(AssertionError):
        ring.append(Numbered(5, b"x"))


def test_a_cleared_ring_starts_anywhere() -> None:
    ring = filled(1, 3)
    ring.clear()
    ring.append(Numbered(9, b"x"))
    assert seqs(ring.since(8)) == [9]


def test_what_overlaps_is_merged_once_and_the_live_copy_wins() -> None:
    merged = merge(2, numbered(1, 2, 3, 4), numbered(4, 5, mark=b"live"))
    assert seqs(merged) == [3, 4, 5]
    assert merged is not None
    assert merged[1].frame == b"live"


def test_a_hole_anywhere_makes_no_merge() -> None:
    assert merge(2, numbered(4), numbered(5)) is None
    assert merge(2, numbered(3), numbered(5)) is None
    assert merge(2, [], numbered(4)) is None


def test_nothing_missed_is_an_empty_merge() -> None:
    assert merge(2, [], []) == []
    assert merge(2, numbered(1, 2), []) == []


@given(st.integers(0, 20), st.lists(st.integers(1, 30)), st.lists(st.integers(1, 30)))
def test_a_merge_is_gapless_or_none(after: int, replayed: list[int], live: list[int]) -> None:
    merged = seqs(merge(after, numbered(*replayed), numbered(*live)))
    wanted = sorted({seq for seq in replayed + live if seq > after})
    assert merged == (wanted if wanted == list(range(after + 1, after + 1 + len(wanted))) else None)
