from __future__ import annotations

from schemas.ids import ClientId, RoomId, UserId
from services.gateway.detaches import Detaches, Gone

ROOM = RoomId("r")


def gone(name: str, attach_ref: int = 1) -> Gone:
    return Gone(ROOM, ClientId(f"g/{name}"), UserId(name), attach_ref)


def of(*names: str, limit: int = 10) -> Detaches:
    detaches = Detaches(limit=limit)
    for name in names:
        detaches.add(gone(name))
    return detaches


def test_what_was_not_posted_stays_to_be_posted_in_order() -> None:
    detaches = of("ann", "bob")
    assert detaches.to_post(10) == [gone("ann"), gone("bob")]
    detaches.posted(gone("ann"))
    assert detaches.to_post(10) == [gone("bob")]


def test_what_was_posted_and_not_confirmed_when_the_link_went_is_posted_again_first() -> None:
    detaches = of("ann", "bob", "cat")
    for name in ("ann", "bob"):
        detaches.posted(gone(name))
    detaches.confirmed(gone("ann"), taken=True)
    detaches.link_down()
    assert detaches.to_post(10) == [gone("bob"), gone("cat")]


def test_what_the_broker_would_not_take_is_posted_again_behind_the_others() -> None:
    detaches = of("ann", "bob")
    detaches.posted(gone("ann"))
    detaches.confirmed(gone("ann"), taken=False)
    assert detaches.to_post(10) == [gone("bob"), gone("ann")]


def test_a_confirm_that_comes_after_the_link_went_changes_nothing() -> None:
    detaches = of("ann")
    detaches.posted(gone("ann"))
    detaches.link_down()
    detaches.confirmed(gone("ann"), taken=True)
    assert detaches.to_post(10) == [gone("ann")]


def test_who_wants_the_room_again_is_not_reported_gone() -> None:
    detaches = of("ann", "bob")
    detaches.drop(ROOM, ClientId("g/ann"))
    detaches.drop(ROOM, ClientId("g/nobody"))
    assert detaches.to_post(10) == [gone("bob")]


def test_who_came_back_while_the_detach_was_on_its_way_is_not_reported_gone_once_more() -> None:
    detaches = of("ann")
    detaches.posted(gone("ann"))
    detaches.drop(ROOM, ClientId("g/ann"))
    detaches.confirmed(gone("ann"), taken=False)
    detaches.link_down()
    assert detaches.to_post(10) == []


def test_of_two_sessions_of_a_client_the_later_one_is_reported() -> None:
    detaches = of("ann")
    detaches.add(gone("ann", attach_ref=7))
    assert detaches.to_post(10) == [gone("ann", attach_ref=7)]


def test_the_confirm_of_an_earlier_detach_does_not_settle_a_later_one() -> None:
    detaches = of("ann")
    detaches.posted(gone("ann", 1))
    detaches.add(gone("ann", 2))
    detaches.posted(gone("ann", 2))
    detaches.confirmed(gone("ann", 1), taken=True)
    detaches.link_down()
    assert detaches.to_post(10) == [gone("ann", 2)]


def test_detaches_are_bounded_and_what_is_forgotten_unposted_is_counted() -> None:
    detaches = of("ann", "bob", limit=2)
    detaches.posted(gone("ann"))
    detaches.add(gone("cat"))
    assert detaches.forgotten == 0
    detaches.add(gone("dan"))
    assert detaches.forgotten == 1
    assert detaches.to_post(10) == [gone("cat"), gone("dan")]


def test_posting_is_cut_into_parts() -> None:
    assert of("ann", "bob", "cat").to_post(2) == [gone("ann"), gone("bob")]
