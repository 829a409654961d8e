"""Which messages a room has kept for long enough."""

from datetime import timedelta

from services.history.fold import change_of
from services.history.records import Projection
from services.history.retention import Dated, due_through, kept_since
from tests.contract.chronicle import BEGAN, Chronicle


def a_room(**fields):
    return change_of(Chronicle().created(**fields).entry, Projection()).room


def test_a_room_keeps_its_messages_for_its_days_and_without_a_number_for_ever():
    assert kept_since(a_room(retention_days=30), BEGAN) == BEGAN - timedelta(days=30)
    assert kept_since(a_room(), BEGAN) is None


def test_the_longest_retention_can_be_reckoned_with():
    assert kept_since(a_room(retention_days=36_500), BEGAN) == BEGAN - timedelta(days=36_500)


def test_due_is_what_happened_before_the_moment_and_not_at_it():
    events = [Dated(seq, BEGAN + timedelta(seconds=seq)) for seq in range(1, 6)]
    assert due_through(events, BEGAN) is None
    assert due_through(events, BEGAN + timedelta(seconds=1)) is None
    assert due_through(events, BEGAN + timedelta(seconds=3)) == 2
    assert due_through(events, BEGAN + timedelta(days=1)) == 5
    assert due_through([], BEGAN) is None
