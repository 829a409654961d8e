"""The people of a room."""

from datetime import UTC, datetime

from clients.cli.company import Company
from schemas.answers import MemberView
from schemas.commands import SaidStatus
from schemas.events import MemberBanned, MemberChanged
from schemas.frames import Attached
from schemas.roles import Role, Status, Visibility
from schemas.signals import PresenceChange, PresenceSignal, ReceiptSignal

AT = datetime(2026, 11, 20, 10, 42, tzinfo=UTC)
EVENT = {"room": "general", "epoch": "e1", "seq": 5, "at": AT, "actor": "alice", "command_id": "c"}


def company(*views, count=None):
    made = Company()
    members = views or (
        MemberView(user="alice", role=Role.OWNER, online=True),
        MemberView(user="bob", role=Role.MEMBER),
    )
    made.meet(
        Attached(
            room="general",
            epoch="e1",
            seq=1,
            title="General",
            visibility=Visibility.PUBLIC,
            member_count=count or len(members),
            members=members,
        )
    )
    return made


def change(user, state, **said):
    return PresenceChange(user=user, state=state, **said)


def receive(made, *changes, online_count=1, anew=False):
    signal = PresenceSignal(room="general", online_count=online_count, changes=changes, anew=anew)
    return [line.text for line in made.receive_presence(signal, "alice")]


def test_several_changes_of_one_signal_are_told_one_by_one():
    made = company()
    assert receive(made, change("bob", Status.ONLINE), change("carol", Status.AWAY, mood="🌴", text="at the sea")) == [
        "bob is here",
        "carol is here: away 🌴 at the sea",
    ]
    assert made.line().text == "here: alice (owner), bob, carol (away 🌴 at the sea)"


def test_what_one_who_is_here_says_of_themselves_is_told_and_its_end_too():
    made = company()
    receive(made, change("bob", Status.ONLINE))
    assert receive(made, change("bob", Status.DND)) == ["bob is not to be disturbed"]
    assert receive(made, change("bob", Status.DND)) == []
    assert receive(made, change("bob", Status.ONLINE)) == ["bob is back"]
    assert receive(made, change("bob", Status.OFFLINE, reason="gate_lost")) == ["bob went away (gate lost)"]


def test_one_who_was_met_with_a_status_has_it():
    said = SaidStatus(state=Status.AWAY, text="lunch")
    made = company(MemberView(user="bob", role=Role.MEMBER, online=True, status=said))
    assert made.line().text == "here: bob (away lunch)"


def test_where_too_many_are_there_only_the_count_changes():
    made = company(count=900)
    assert receive(made, online_count=700) == []
    assert made.line().text == "here: alice (owner) and 699 more; away: bob; and 898 more"


def test_presence_that_begins_anew_tells_only_what_is_new():
    made = company()
    receive(made, change("bob", Status.ONLINE))
    assert receive(made, change("alice", Status.ONLINE), change("carol", Status.ONLINE), anew=True) == ["carol is here"]
    assert made.line().text == "here: alice (owner), carol; away: bob"


def test_a_role_changes_and_a_banned_member_is_none():
    made = company()
    made.receive_event(MemberChanged(**EVENT, user="bob", role=Role.ADMIN))
    assert made.line().text == "here: alice (owner); away: bob (admin)"
    made.receive_event(MemberBanned(**EVENT, user="bob"))
    assert (made.line().text, made.count) == ("here: alice (owner)", 1)


def test_among_many_nobody_hears_who_has_read_what():
    receipt = ReceiptSignal(room="general", user="bob", read=9, delivered=9)
    few, many = company(), company(count=6)
    for made in (few, many):
        made.receive_own(9)
    assert [line.text for line in few.receive_receipt(receipt, "alice")] == ["bob has read #9"]
    assert many.receive_receipt(receipt, "alice") == []
