"""evolve, for every event type; snapshots; and what hypothesis finds when commands come as they please."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import EVENT, EVENTS, Event
from schemas.roles import Role
from schemas.state import RoomState
from services.room.decide import Refusal, Signalled, decide
from services.room.model import Room, evolve, microseconds
from tests.unit.room.given import NOW, START, command, created, event, room, room_after

INVITE = {"invite": "invite-1", "role": "member", "expires_at": NOW}
STORIES: dict[str, list[Event]] = {
    "room_created": [created()],
    "room_updated": [created(), event("room_updated", 2, title="New", capacity=3, metadata={"a": [1]})],
    "room_closed": [created(), event("room_closed", 2)],
    "member_joined": [
        created(),
        event("invite_created", 2, **INVITE),
        event("member_joined", 3, user="bob", role="member", invite="invite-1"),
        event("member_joined", 4, user="eve", role="reader"),
    ],
    "member_left": [created(), event("member_left", 2, user="olga", reason="left", successor="mia")],
    "member_banned": [created(), event("member_banned", 2, user="mia", text="spam", until=NOW)],
    "member_unbanned": [
        created(),
        event("member_banned", 2, user="mia"),
        event("member_unbanned", 3, user="mia"),
    ],
    "member_changed": [
        created(),
        event("member_changed", 2, user="mia", role="admin"),
        event("member_changed", 3, user="rita", muted=True, until=NOW),
        event("member_changed", 4, user="rita", role="member"),
    ],
    "invite_created": [created(), event("invite_created", 2, max_uses=2, **INVITE)],
    "invite_revoked": [created(), event("invite_created", 2, **INVITE), event("invite_revoked", 3, invite="invite-1")],
    "message_posted": [created(), event("message_posted", 2, message_id="msg_1", text="hi")],
    "message_edited": [created(), event("message_edited", 2, target=1, text="hi")],
    "message_deleted": [created(), event("message_deleted", 2, target=1)],
    "reaction_added": [created(), event("reaction_added", 2, target=1, emoji="+")],
    "reaction_removed": [created(), event("reaction_removed", 2, target=1, emoji="+")],
}


def test_every_event_type_has_its_story():
    assert set(STORIES) == set(EVENTS)
    assert all(story[-1].event == name or name == "member_changed" for name, story in STORIES.items())


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_i7_a_snapshot_and_the_events_behind_it_make_the_same_room_as_all_events(story):
    whole = room_after(*story)
    for cut in range(1, len(story) + 1):
        state = RoomState.model_validate_json(room_after(*story[:cut]).to_state().to_json())
        folded = Room.from_state(state)
        for each in story[cut:]:
            folded = evolve(folded, EVENT.validate_json(each.to_json()))
        assert folded.to_state() == whole.to_state()


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_every_event_moves_the_position_and_the_moment_of_the_room(story):
    after = room_after(*story)
    assert (after.seq, after.updated_at) == (len(story), story[-1].at)
    assert after.created_at == START


def test_an_update_leaves_what_it_does_not_name():
    after = room_after(*STORIES["room_updated"])
    assert (after.title, after.capacity, after.metadata, after.topic) == ("New", 3, {"a": [1]}, "")


def test_joining_counts_the_use_of_an_invite_and_remembers_when():
    after = room_after(*STORIES["member_joined"])
    assert after.invites["invite-1"].uses == 1
    assert (after.members["bob"].joined_seq, after.members["eve"].role) == (3, Role.READER)


def test_a_ban_ends_the_membership_and_lifting_it_does_not_bring_it_back():
    banned, free = room_after(*STORIES["member_banned"]), room_after(*STORIES["member_unbanned"])
    assert "mia" not in banned.members
    assert banned.is_banned("mia", START)
    assert not banned.is_banned("mia", NOW)
    assert "mia" not in free.members
    assert not free.is_banned("mia", START)


def test_a_changed_role_leaves_the_voice_and_unmuting_leaves_the_role():
    after = room_after(*STORIES["member_changed"])
    assert after.members["mia"].role is Role.ADMIN
    assert after.is_muted("rita", START)
    assert after.members["rita"].role is Role.MEMBER
    unmuted = evolve(after, event("member_changed", 5, user="rita", muted=False))
    assert (unmuted.members["rita"].muted, unmuted.members["rita"].muted_until) == (False, None)


@pytest.mark.parametrize(
    ("held", "wrong"),
    [
        (None, event("room_closed", 2)),
        (room(), created()),
        (None, event("room_created", 2, title="T", visibility="public", capacity=1, members=[])),
        (room(), event("room_closed", 3)),
        (room(), event("room_closed", 1)),
        (room(), event("room_closed", 2, epoch="other")),
        (room(), event("room_closed", 2, room="elsewhere")),
    ],
)
def test_an_event_that_does_not_follow_is_a_bug(held, wrong):
    with pytest.raises(ValueError, match=r"follow|came"):
        evolve(held, wrong)


USERS = st.sampled_from(["olga", "adam", "mona", "mia", "rita", "bob", "eve"])
WISHES = st.one_of(
    st.builds(lambda actor: command("join", actor), USERS),
    st.builds(lambda actor, to: command("leave", actor, successor=to), USERS, st.none() | USERS),
    st.builds(lambda actor, user: command("add", actor, user=user), USERS, USERS),
    st.builds(lambda actor, user: command("kick", actor, user=user), USERS, USERS),
    st.builds(lambda actor, to: command("send", actor, text="x", reply_to=to), USERS, st.none() | st.integers(0, 9)),
    st.builds(lambda actor: command("typing", actor), USERS),
    st.builds(lambda actor: command("create", actor, title="T"), USERS),
)
MOMENTS = st.integers(-5_000_000, 5_000_000).map(lambda ticks: NOW + timedelta(microseconds=ticks))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(WISHES, MOMENTS), max_size=40), st.integers(3, 7))
def test_i3_whatever_is_wished_at_whatever_moment_seqs_have_no_hole_and_moments_grow(wishes, capacity):
    held, events = None, []
    for wish, now in [(command("create", "olga", title="T", members=["adam", "mia"], capacity=capacity), NOW), *wishes]:
        decision = decide(held, wish, now)
        if not isinstance(decision, Refusal | Signalled):
            held = evolve(held, decision)
            events.append(decision)
    assert held is not None
    assert [each.seq for each in events] == list(range(1, len(events) + 1))
    moments = [each.at for each in events]
    assert moments == sorted(set(moments))
    ids = [each.message_id for each in events if each.event == "message_posted"]
    assert ids == sorted(set(ids), key=lambda name: int(name[4:]))
    assert len(held.members) <= capacity
    assert (
        held.owners() or not held.members or not any(each.event == "member_left" for each in events) or rejoined(events)
    )
    assert room_after(*events) == held


def rejoined(events):
    """Everybody left once: who comes back finds a room without an owner."""
    members = {first.user for first in events[0].members}
    for each in events[1:]:
        members |= {each.user} if each.event == "member_joined" else set()
        members -= {each.user} if each.event == "member_left" else set()
        if not members:
            return True
    return False


def test_microseconds_are_exact_far_from_the_float_range():
    assert microseconds(START + timedelta(days=100_000)) == microseconds(START) + 100_000 * 86_400_000_000
