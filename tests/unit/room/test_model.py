"""evolve, for every event type; marks; snapshots. What commands make of a room stands in test_decide_sequences."""

from datetime import timedelta

import pytest

from schemas.events import EVENT, EVENTS, Event, Receipt
from schemas.roles import Role
from schemas.state import InviteState, RoomState
from services.room.model import TICK, Room, epoch_at, evolve, marked, microseconds
from tests.unit.room.given import NOW, ROOM, START, created, event, room, room_after

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
    "member_left": [
        created(),
        event("member_changed", 2, user="rita", muted=True, until=NOW),
        event("member_left", 3, user="rita", reason="kicked", kept=True),
        event("member_joined", 4, user="rita", role="reader", muted=True, until=NOW),
        event("member_left", 5, user="rita", reason="left", kept=True),
        event("member_left", 6, user="olga", reason="left", successor="mia"),
    ],
    "member_banned": [
        created(),
        event("member_banned", 2, user="bob"),
        event("member_banned", 3, user="mia", text="spam", until=NOW, swept=["bob"]),
    ],
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
    "invite_created": [
        created(),
        event("invite_created", 2, max_uses=2, **INVITE),
        event("invite_created", 3, **{**INVITE, "invite": "invite-2"}, swept=["invite-1"]),
    ],
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
    assert set(banned.bans) == {"mia"}
    assert banned.is_banned("mia", START)
    assert not banned.is_banned("mia", NOW)
    assert "mia" not in free.members
    assert not free.is_banned("mia", START)


def test_a_changed_role_leaves_the_voice_and_unmuting_leaves_the_role():
    after = room_after(*STORIES["member_changed"])
    assert after.members["mia"].role is Role.ADMIN
    assert after.is_muted("rita", START)
    assert not after.is_muted("bob", START)
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


@pytest.mark.parametrize(
    ("read", "delivered", "marks"), [(3, 5, (3, 5)), (1, 9, (2, 9)), (9, 1, (9, 4)), (0, 0, (2, 4)), (2, 4, (2, 4))]
)
def test_marks_only_grow(read, delivered, marks):
    before = marked(room(), receipt("mia", 2, 4))
    after = marked(before, receipt("mia", read, delivered)).members["mia"]
    assert (after.read, after.delivered) == marks


def test_a_receipt_of_an_earlier_membership_or_of_a_stranger_says_nothing():
    held = room_after(created(), event("member_joined", 2, user="bob", role="member"))
    joined = held.members["bob"].joined_at
    assert marked(held, receipt("bob", 1, 1, at=joined - TICK)) == held
    assert marked(held, receipt("eve", 1, 1)) == held
    assert marked(held, receipt("bob", 1, 1, at=joined)).members["bob"].read == 1


def receipt(user, read, delivered, at=NOW):
    return Receipt(room=ROOM, epoch=epoch_at(START), user=user, read=read, delivered=delivered, at=at)


def test_who_comes_back_begins_with_new_marks():
    read = marked(room(), receipt("mia", 1, 1))
    gone = evolve(read, event("member_left", 2, user="mia", reason="left"))
    back = evolve(gone, event("member_joined", 3, user="mia", role="member")).members["mia"]
    assert (back.read, back.delivered, back.joined_seq) == (0, 0, 3)


def test_a_new_invite_takes_the_place_of_those_that_were_swept():
    held = room_after(
        created(),
        event("invite_created", 2, **INVITE),
        event("invite_created", 3, **{**INVITE, "invite": "invite-2"}),
        event("invite_created", 4, **{**INVITE, "invite": "invite-3"}, swept=["invite-1", "unknown-1"]),
    )
    assert set(held.invites) == {"invite-2", "invite-3"}


@pytest.mark.parametrize(
    ("used", "max_uses", "expires_at", "worthless"),
    [
        (0, None, NOW + TICK, False),
        (0, None, NOW, True),
        (5, None, NOW + TICK, False),
        (1, 2, NOW + TICK, False),
        (2, 2, NOW + TICK, True),
    ],
)
def test_an_invite_is_worth_something_until_it_expires_or_is_used_up(used, max_uses, expires_at, worthless):
    invite = InviteState(invite="invite-1", role=Role.MEMBER, expires_at=expires_at, max_uses=max_uses, uses=used)
    assert invite.is_worthless(NOW) == worthless


def test_microseconds_are_exact_far_from_the_float_range():
    assert microseconds(START + timedelta(days=100_000)) == microseconds(START) + 100_000 * 86_400_000_000
