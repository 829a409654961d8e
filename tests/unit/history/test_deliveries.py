"""A delivery read as what it is."""

import pytest

from schemas import routes
from schemas.errors import ParkReason
from schemas.events import encode_logged
from schemas.queries import HoleQuery, SnapshotQuery
from services.history.deliveries import Asked, Entry, Garbage, read_delivery
from tests.contract.chronicle import Chronicle

STORY = Chronicle(fence=3)
CREATED = STORY.created()
RECEIPT = STORY.receipt("alice", read=1)
QUERY = SnapshotQuery(room="general", worker="w")


def body(logged):
    return encode_logged(logged.entry.to_json(), logged.fence)


def read(key, content, reply_to="me", correlation_id="7"):
    return read_delivery(key, content, reply_to, correlation_id)


def test_an_event_and_a_record_are_entries():
    assert read(routes.log_key("general", "room_created"), body(CREATED)) == Entry(CREATED)
    assert read(routes.log_key("general", "receipt"), body(RECEIPT)) == Entry(RECEIPT)


def test_a_query_is_named_by_where_its_answer_goes_and_which_it_is():
    assert read(routes.query_key("general"), QUERY.to_json()) == Asked(QUERY, "me 7")
    hole = HoleQuery(room="general", after=3)
    assert read(routes.query_key("general"), hole.to_json(), "you", "8") == Asked(hole, "you 8")


@pytest.mark.parametrize(
    ("key", "content"),
    [
        (routes.log_key("general", "message_posted"), body(CREATED)),
        (routes.log_key("another", "room_created"), body(CREATED)),
        ("room.00.general.room_created", body(CREATED)),
        ("anything", body(CREATED)),
        (routes.query_key("another"), QUERY.to_json()),
        ("query.99.general", QUERY.to_json()),
    ],
)
def test_a_key_that_is_not_the_bodys_is_misrouted(key, content):
    assert read(key, content).reason is ParkReason.MISROUTED


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b'{"type":"event"}', CREATED.entry.to_json(), b"\xff\xfe"])
def test_garbage_is_malformed(content):
    assert read(routes.log_key("general", "room_created"), content).reason is ParkReason.MALFORMED
    assert read(routes.query_key("general"), content).reason is ParkReason.MALFORMED


@pytest.mark.parametrize(("reply_to", "correlation_id"), [(None, "7"), ("", "7"), ("me", None), ("me", "")])
def test_a_query_nobody_waits_for_raises_no_fence(reply_to, correlation_id):
    assert isinstance(read(routes.query_key("general"), QUERY.to_json(), reply_to, correlation_id), Garbage)


def test_what_is_said_of_garbage_does_not_repeat_it():
    garbage = body(CREATED).replace(b'"General"', b'["open sesame"]')
    said = read(routes.log_key("general", "room_created"), garbage)
    assert said == Garbage(ParkReason.MALFORMED, "room_created.title: Input should be a valid string")
