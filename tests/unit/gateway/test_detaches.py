from __future__ import annotations

from schemas.ids import ClientId, RoomId, UserId
from services.gateway.detaches import Detaches, Gone

ROOM = RoomId("r")


def gone(name: str) -> Gone:
    return Gone(ROOM, ClientId(f"g/{name}"), UserId(name))


def of(*names: str, limit: int = 10) -> Detaches:
    detaches = Detaches(limit=limit, keep_seconds=10)
    for name in names:
        detaches.add(gone(name))
    return detaches


def test_what_was_not_posted_stays_to_be_posted_in_order() -> None:
    detaches = of("ann", "bob")
    assert detaches.to_post(10) == [gone("ann"), gone("bob")]
    detaches.posted(gone("ann"), 0)
    assert detaches.to_post(10) == [gone("bob")]
    detaches.sweep(1_000)
    assert detaches.to_post(10) == [gone("bob")]


def test_what_was_posted_just_before_the_link_went_is_posted_again() -> None:
    detaches = of("ann", "bob")
    detaches.posted(gone("ann"), 0)
    detaches.posted(gone("bob"), 5)
    detaches.sweep(11)
    detaches.link_down()
    assert detaches.to_post(10) == [gone("bob")]


def test_who_wants_the_room_again_is_not_reported_gone() -> None:
    detaches = of("ann", "bob")
    detaches.drop(gone("ann"))
    detaches.drop(gone("nobody"))
    assert detaches.to_post(10) == [gone("bob")]


def test_detaches_are_bounded_and_what_is_forgotten_unposted_is_counted() -> None:
    detaches = of("ann", "bob", limit=2)
    detaches.posted(gone("ann"), 0)
    detaches.add(gone("cat"))
    assert detaches.forgotten == 0
    detaches.add(gone("dan"))
    assert detaches.forgotten == 1
    assert detaches.to_post(10) == [gone("cat"), gone("dan")]


def test_posting_is_cut_into_parts() -> None:
    assert of("ann", "bob", "cat").to_post(2) == [gone("ann"), gone("bob")]


def test_what_was_posted_is_bounded_too() -> None:
    detaches = of(limit=1)
    for name in ("ann", "bob"):
        detaches.posted(gone(name), 0)
    detaches.link_down()
    assert detaches.to_post(10) == [gone("bob")]
