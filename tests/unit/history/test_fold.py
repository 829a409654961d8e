"""What each event changes in a room's records."""

from datetime import timedelta

import pytest

from schemas.events import EVENTS, ReactionCount
from schemas.state import BanState, FormerState, InviteState
from services.history.fold import change_of, fold, preview, projection_of, state_of
from services.history.records import Projection, touched_invites, touched_message, touched_reactions, touched_users
from tests.contract.chronicle import BEGAN, Chronicle, whole_story

LATER = BEGAN + timedelta(days=1)


def after(*told, members=("alice", "bob")):
    """The projection behind a new room and some more entries."""
    story = Chronicle()
    story.created(members=members)
    for tell in told:
        tell(story)
    projection = Projection()
    for logged in story.log:
        if logged.entry.type == "record":
            projection.mark(logged.entry)
        else:
            projection.apply(change_of(logged.entry, projection))
    return projection


def event(name, **fields):
    return lambda story: story.event(name, **fields)


def member(projection, user):
    return projection.standings[user].membership


def test_a_room_begins_with_its_first_members():
    projection = after(members=("alice", "bob", "carol"))
    assert (projection.room.seq, projection.room.members, projection.room.messages) == (1, 3, 0)
    assert member(projection, "alice").role == "owner"
    assert (member(projection, "bob").joined_seq, member(projection, "bob").read) == (1, 0)


def test_an_update_changes_what_it_names_and_nothing_else():
    room = after(event("room_updated", title="New", topic="")).room
    assert (room.title, room.topic, room.capacity, room.seq) == ("New", "", 100, 2)


def test_every_event_moves_the_position_and_the_moment_of_the_room():
    story = whole_story(Chronicle())
    state = None
    for logged in story.log:
        before, state = state, fold(state, logged.entry)
        if logged.entry.type == "event":
            assert (state.seq, state.updated_at) == (logged.entry.seq, logged.entry.at)
        else:
            assert (state.seq, state.updated_at) == (before.seq, before.updated_at)


def test_a_closed_room_stays_where_it_is():
    assert after(event("room_closed")).room.closed


def test_a_member_who_joins_with_an_invite_uses_it():
    created = event("invite_created", invite="invite-0001", role="member", expires_at=LATER, max_uses=2)
    projection = after(created, lambda story: story.joined("carol", invite="invite-0001", role="reader"))
    assert projection.invites["invite-0001"].state.uses == 1
    assert (member(projection, "carol").role, projection.room.members) == ("reader", 3)


def test_an_invite_nobody_knows_changes_only_the_membership():
    projection = after(lambda story: story.joined("carol", invite="invite-0009"))
    assert (projection.room.members, projection.invites) == (3, {})


def test_who_leaves_stays_behind_as_a_tombstone():
    projection = after(lambda story: story.left("bob"))
    assert (member(projection, "bob"), projection.standings["bob"].seq, projection.room.members) == (None, 2, 1)


def test_the_successor_of_the_last_owner_becomes_owner():
    projection = after(lambda story: story.left("alice", successor="bob"))
    assert member(projection, "bob").role == "owner"


def test_a_successor_who_is_no_member_stays_none():
    projection = after(lambda story: story.left("alice", successor="nobody"))
    assert (member(projection, "nobody"), projection.room.members) == (None, 1)


def test_a_ban_ends_the_membership_and_is_kept():
    projection = after(event("member_banned", user="bob", text="spam", until=LATER))
    assert projection.standings["bob"].ban == BanState(user="bob", text="spam", until=LATER)
    assert (member(projection, "bob"), projection.room.members) == (None, 1)


def test_a_ban_of_somebody_who_is_no_member_changes_no_count():
    assert after(event("member_banned", user="mallory")).room.members == 2


def test_bans_that_are_swept_are_gone_with_the_one_that_is_made():
    projection = after(
        event("member_banned", user="mallory", until=LATER),
        event("member_banned", user="trudy"),
        event("member_banned", user="bob", swept=("mallory", "bob")),
    )
    assert [ban.user for ban in state_of(projection).bans] == ["bob", "trudy"]
    assert projection.room.members == 1


def test_of_a_former_member_is_kept_what_they_may_not_do_until_they_are_a_member_again():
    story = (
        event("member_changed", user="bob", role="reader", muted=True, until=LATER),
        event("member_left", user="bob", reason="left", kept=True),
    )
    former = FormerState(user="bob", reader=True, muted=True, muted_until=LATER)
    assert state_of(after(*story)).formers == (former,)
    assert after(*story, event("member_banned", user="bob")).standings["bob"].former == former
    back = after(*story, event("member_joined", user="bob", role="reader", muted=True, until=LATER))
    assert back.standings["bob"].former is None
    assert (member(back, "bob").muted, member(back, "bob").muted_until) == (True, LATER)


def test_nothing_is_kept_of_one_who_was_no_member():
    assert state_of(after(event("member_left", user="nobody", reason="left", kept=True))).formers == ()


def test_an_unban_leaves_nothing_but_a_tombstone():
    projection = after(event("member_banned", user="bob"), event("member_unbanned", user="bob"))
    assert (projection.standings["bob"].ban, member(projection, "bob")) == (None, None)


def test_invites_that_are_swept_are_gone_with_the_one_that_is_made():
    made = {"role": "member", "expires_at": LATER}
    projection = after(
        event("invite_created", invite="invite-0001", **made),
        event("invite_created", invite="invite-0002", **made),
        event("invite_created", invite="invite-0003", **made, swept=("invite-0001", "invite-0009")),
    )
    assert [invite.invite for invite in state_of(projection).invites] == ["invite-0002", "invite-0003"]
    assert projection.invites["invite-0001"].seq == 4


def test_a_role_changes_without_the_voice_and_a_voice_without_the_role():
    muted = event("member_changed", user="bob", muted=True, until=LATER)
    bob = member(after(muted, event("member_changed", user="bob", role="admin")), "bob")
    assert (bob.role, bob.muted, bob.muted_until) == ("admin", True, LATER)
    bob = member(after(muted, event("member_changed", user="bob", muted=False)), "bob")
    assert (bob.role, bob.muted, bob.muted_until) == ("member", False, None)


def test_a_change_of_somebody_who_is_no_member_makes_no_member():
    assert member(after(event("member_changed", user="nobody", role="admin")), "nobody") is None


def test_an_invite_is_there_until_it_is_revoked():
    created = event("invite_created", invite="invite-0001", role="member", expires_at=LATER)
    state = InviteState(invite="invite-0001", role="member", expires_at=LATER)
    assert after(created).invites["invite-0001"].state == state
    assert after(created, event("invite_revoked", invite="invite-0001")).invites["invite-0001"].state is None


def test_messages_are_counted_and_the_last_one_is_shown_in_short():
    room = after(lambda story: story.said("first"), lambda story: story.said("x" * 500)).room
    assert (room.messages, room.last_message_seq, room.preview) == (2, 3, "x" * 120)


def test_a_message_without_text_shows_none():
    assert preview(None) == ""


def test_the_preview_follows_an_edit_of_the_last_message_only():
    said = [lambda story: story.said("one"), lambda story: story.said("two")]
    assert after(*said, event("message_edited", target=3, text="better")).room.preview == "better"
    assert after(*said, event("message_edited", target=2, text="better")).room.preview == "two"


def test_a_deleted_message_leaves_no_preview():
    assert after(lambda story: story.said("secret"), event("message_deleted", target=2)).room.preview == ""


@pytest.mark.parametrize("name", ["reaction_added", "reaction_removed"])
def test_a_reaction_moves_of_the_room_the_position_only(name):
    room = after(lambda story: story.said("one"), event(name, target=2, emoji="👍")).room
    assert (room.seq, room.messages, room.preview) == (3, 1, "one")


def message(projection, place=2):
    return projection.messages[place].message


def one(story):
    story.said("one", metadata={"a": 1})


def test_a_message_is_there_as_its_latest_event_left_it():
    better, best = (event("message_edited", target=2, text=text) for text in ("better", "best"))
    projection = after(one, better, best, event("reaction_added", target=2, emoji="👍", actor="bob"))
    assert (message(projection).text, message(projection).edited_seq, projection.messages[2].seq) == ("best", 4, 5)
    assert message(projection).reactions == (ReactionCount(emoji="👍", count=1),)
    assert projection.reactions[2, "bob"].kinds == ("👍",)


def test_a_deleted_message_is_empty_and_nothing_fills_it_again():
    later = (
        event("message_edited", target=2, text="back"),
        event("reaction_added", target=2, emoji="👍"),
        event("reaction_removed", target=2, emoji="👍"),
        event("message_deleted", target=2),
    )
    projection = after(one, event("message_deleted", target=2), *later)
    assert (message(projection).deleted, message(projection).text, message(projection).metadata) == (True, None, {})
    assert (projection.reactions, projection.room.preview, projection.room.messages) == ({}, "", 1)


@pytest.mark.parametrize(
    "about",
    [
        event("message_edited", target=1, text="x"),
        event("message_deleted", target=9),
        event("reaction_added", target=1, emoji="👍"),
        event("reaction_removed", target=1, emoji="👍"),
    ],
)
def test_what_is_about_no_message_moves_the_position_only(about):
    projection = after(one, about)
    assert (projection.room.seq, [*projection.messages], projection.reactions) == (3, [2], {})
    assert message(projection).text == "one"


def test_an_edit_delivered_again_does_not_undo_what_is_newer():
    projection = after(one, event("message_edited", target=2, text="better"))
    ahead = after(one, event("message_edited", target=2, text="better"), event("message_deleted", target=2))
    again = Chronicle()
    again.seq = 2
    old = again.event("message_edited", target=2, text="better").entry
    projection.messages = dict(ahead.messages)
    projection.apply(change_of(old, projection))
    assert projection.messages == ahead.messages


def test_marks_only_grow():
    bob = member(
        after(
            lambda story: story.receipt("bob", read=3, delivered=1),
            lambda story: story.receipt("bob", read=2, delivered=4),
        ),
        "bob",
    )
    assert (bob.read, bob.delivered) == (3, 4)


@pytest.mark.parametrize("user", ["stranger", "carol"])
def test_a_receipt_of_somebody_who_is_no_member_says_nothing(user):
    told = (lambda story: story.joined("carol"), lambda story: story.left("carol"))
    projection = after(*told, lambda story: story.receipt(user, read=2))
    assert state_of(projection) == state_of(after(*told))


def test_a_receipt_from_before_a_membership_says_nothing_of_it():
    story = Chronicle()
    story.created(members=("alice", "bob"))
    old = story.receipt("bob", read=1).entry
    state = None
    for logged in [*story.log, story.left("bob"), story.joined("bob")]:
        state = fold(state, logged.entry)
    assert fold(state, old) == state


def test_a_record_as_new_as_the_event_stays():
    projection = after(lambda story: story.left("bob"))
    ahead = projection.standings["bob"]
    story = Chronicle()
    story.created(members=("alice", "bob"))
    projection.apply(change_of(story.event("member_changed", user="bob", role="admin").entry, projection))
    assert projection.standings["bob"] is ahead


def test_a_state_becomes_records_and_a_state_again():
    state = None
    for logged in whole_story(Chronicle()).log:
        state = fold(state, logged.entry)
        assert state_of(projection_of(state)) == state


def test_lists_of_a_state_are_ordered_by_id():
    state = state_of(after(lambda story: story.joined("zoë"), lambda story: story.joined("aaron")))
    assert [member.user for member in state.members] == ["aaron", "alice", "bob", "zoë"]


def test_every_event_names_whom_it_touches():
    named = {}
    for logged in whole_story(Chronicle()).log:
        kind = logged.entry.event if logged.entry.type == "event" else "receipt"
        named[kind] = (touched_users(logged.entry), touched_invites(logged.entry))
    assert set(named) == {*EVENTS, "receipt"}
    assert {kind for kind, (users, _) in named.items() if users} == {
        "room_created",
        "member_joined",
        "member_left",
        "member_banned",
        "member_unbanned",
        "member_changed",
        "receipt",
    }
    assert {kind for kind, (_, invites) in named.items() if invites} == {"invite_created", "invite_revoked"}
    made = {"invite": "invite-0002", "role": "member", "expires_at": LATER, "swept": ("invite-0001",)}
    assert touched_invites(Chronicle().event("invite_created", **made).entry) == {"invite-0001", "invite-0002"}
    assert touched_invites(Chronicle().joined("a", invite="invite-0001").entry) == {"invite-0001"}
    assert touched_users(Chronicle().left("a", successor="b").entry) == {"a", "b"}
    assert touched_users(Chronicle().event("member_banned", user="a", swept=("b", "c")).entry) == {"a", "b", "c"}


def test_what_is_about_a_message_names_it_and_reactions_whose_they_are():
    about = {
        name: Chronicle().event(name, target=7, actor="bob", **fields).entry
        for name, fields in {
            "message_edited": {"text": "x"},
            "message_deleted": {},
            "reaction_added": {"emoji": "👍"},
            "reaction_removed": {"emoji": "👍"},
        }.items()
    }
    assert {touched_message(entry) for entry in about.values()} == {7}
    assert {name for name, entry in about.items() if touched_reactions(entry) == (7, "bob")} == {
        "reaction_added",
        "reaction_removed",
    }
    others = [logged.entry for logged in whole_story(Chronicle()).log]
    others = [entry for entry in others if entry.type == "record" or entry.event not in about]
    assert {(touched_message(entry), touched_reactions(entry)) for entry in others} == {(None, None)}


def test_an_event_without_its_room_is_a_bug():
    with pytest.raises(AssertionError, match="only room_created"):
        change_of(Chronicle().said().entry, Projection())
    with pytest.raises(AssertionError, match="never created"):
        state_of(Projection())
