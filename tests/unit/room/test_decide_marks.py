"""What members tell each other without an event: marks, typing, status."""

from datetime import timedelta

import pytest

from schemas.commands import SaidStatus
from schemas.errors import Code
from schemas.events import Receipt
from schemas.roles import Status
from services.room.decisions import Marked, Signalled, StatusSaid, Unchanged
from services.room.model import evolve, marked
from tests.unit.room.given import NOW, START, command, created, decided, event, refused, room, room_after, room_with


def long_room(read=0, delivered=0):
    """Nine events, and how far mia got."""
    events = [event("message_posted", seq, message_id=f"msg_{seq}", text="hi") for seq in range(2, 10)]
    held = room_after(created(), *events)
    return marked(held, receipt(held, read, delivered)) if delivered else held


def receipt(held, read, delivered, user="mia", at=NOW):
    return Receipt(room=held.room, epoch=held.epoch, user=user, read=read, delivered=delivered, at=at)


class TestMarks:
    @pytest.mark.parametrize(
        ("verb", "seq", "read", "delivered"),
        [
            ("mark_read", 6, 6, 6),
            ("mark_read", 4, 4, 5),
            ("mark_read", 9, 9, 9),
            ("mark_delivered", 6, 3, 6),
            ("mark_delivered", 9, 3, 9),
        ],
    )
    def test_a_higher_mark_is_told_with_the_other_one(self, verb, seq, read, delivered):
        held = long_room(read=3, delivered=5)
        assert decided(held, command(verb, seq=seq)) == Marked(receipt(held, read, delivered))

    @pytest.mark.parametrize(
        ("verb", "seq"), [("mark_read", 3), ("mark_read", 0), ("mark_delivered", 5), ("mark_delivered", 1)]
    )
    def test_a_mark_that_is_not_higher_changes_nothing(self, verb, seq):
        assert decided(long_room(read=3, delivered=5), command(verb, seq=seq)) == Unchanged()

    def test_what_reaches_a_device_for_the_first_time_is_not_read_by_that(self):
        assert decided(long_room(), command("mark_delivered", seq=2)) == Marked(receipt(long_room(), 0, 2))

    @pytest.mark.parametrize("verb", ["mark_read", "mark_delivered"])
    def test_nobody_reads_what_was_not_said_yet(self, verb):
        assert refused(long_room(), command(verb, seq=10)) is Code.MESSAGE_NOT_FOUND

    def test_a_receipt_is_never_older_than_the_membership_even_when_the_clock_goes_back(self):
        held = evolve(room(), event("member_joined", 2, user="bob", role="reader"))
        decision = decided(held, command("mark_read", "bob", seq=2), now=START - timedelta(days=1))
        assert isinstance(decision, Marked)
        assert decision.receipt.at == held.members["bob"].joined_at
        assert marked(held, decision.receipt).members["bob"].read == 2


@pytest.mark.parametrize("active", [True, False])
def test_typing_is_a_signal_that_expires(active):
    decision = decided(room(), command("typing", active=active))
    assert isinstance(decision, Signalled)
    assert (decision.signal.user, decision.signal.active, decision.signal.expires_seconds) == ("mia", active, 6)


def test_a_status_is_said_by_anybody_who_is_there():
    decision = decided(room(), command("set_status", "rita", state="dnd", mood="🎧", text="deep in work"))
    assert decision == StatusSaid(SaidStatus(state=Status.DND, mood="🎧", text="deep in work"))


def test_a_muted_member_says_how_available_they_are_and_nothing_else():
    muted = room_with(("member_changed", {"user": "mia", "muted": True}))
    assert decided(muted, command("set_status", state="dnd")) == StatusSaid(SaidStatus(state=Status.DND))
    for words in ({"mood": "🎧"}, {"text": "you cannot mute me"}):
        assert refused(muted, command("set_status", state="dnd", **words)) is Code.MUTED
