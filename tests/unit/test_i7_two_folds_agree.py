"""The room service and history fold the same events, each in its own way; they must agree on every room (I7)."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import EVENT, Receipt
from schemas.state import RoomState
from services.history.fold import fold
from services.room.model import Room, evolve, marked

BEGAN = datetime(2026, 11, 20, 12, tzinfo=UTC)
USERS = ("ann", "ben", "cem", "dot")
INVITES = ("invite-0001", "invite-0002", "invite-0003")
ROLES = ("owner", "admin", "moderator", "member", "reader")

users = st.sampled_from(USERS)
kept = st.sampled_from((None, True))
few = st.lists(users, max_size=3, unique=True)
moments = st.none() | st.integers(0, 50).map(lambda hours: BEGAN + timedelta(hours=hours))


def fact(name, **fields):
    """A strategy for the own fields of one event type."""
    return st.fixed_dictionaries({"event": st.just(name)} | fields)


FREE_FACTS = {
    name: fact(name, **fields)
    for name, fields in {
        "room_updated": {
            "title": st.none() | st.sampled_from(("A", "B")),
            "topic": st.none() | st.sampled_from(("", "talk")),
            "capacity": st.none() | st.integers(5, 9),
            "visibility": st.none() | st.sampled_from(("public", "private")),
            "metadata": st.none() | st.just({"k": 1}) | st.just({}),
        },
        "room_closed": {},
        "invite_created": {
            "invite": st.sampled_from(INVITES),
            "role": st.sampled_from(ROLES),
            "expires_at": st.just(BEGAN + timedelta(days=1)),
            "max_uses": st.none() | st.integers(1, 3),
            "swept": st.lists(st.sampled_from(INVITES), max_size=3, unique=True),
        },
        "invite_revoked": {"invite": st.sampled_from(INVITES)},
        "member_banned": {
            "user": users,
            "text": st.sampled_from(("", "spam")),
            "until": moments,
            "swept": few,
            "kept": kept,
        },
        "member_unbanned": {"user": users},
        "message_posted": {"message_id": st.just("msg_1"), "text": st.sampled_from(("hi", "long " * 50))},
        "message_edited": {"target": st.integers(1, 5), "text": st.just("edited")},
        "message_deleted": {"target": st.integers(1, 5)},
        "reaction_added": {"target": st.integers(1, 5), "emoji": st.just("+1")},
        "reaction_removed": {"target": st.integers(1, 5), "emoji": st.just("+1")},
    }.items()
}


def member_facts(room):
    """What may happen to the members and invites there are at this point of a story."""
    inside = sorted(room.members)
    outside = sorted(set(USERS) - set(inside))
    if outside:
        invites = st.none() | st.sampled_from(sorted(room.invites)) if room.invites else st.none()
        voice = {"muted": kept, "until": moments}
        yield fact("member_joined", user=st.sampled_from(outside), role=st.sampled_from(ROLES), invite=invites, **voice)
    if inside:
        one = st.sampled_from(inside)
        yield fact("member_left", user=one, reason=st.just("kicked"), text=st.just("why"), kept=kept)
        yield fact(
            "member_changed",
            user=one,
            role=st.none() | st.sampled_from(ROLES),
            muted=st.none() | st.booleans(),
            until=moments,
        )
    if len(inside) > 1:
        yield fact(
            "member_left", user=st.just(inside[0]), reason=st.just("left"), successor=st.sampled_from(inside[1:])
        )


def first_event():
    return EVENT.validate_python(
        head(0)
        | {
            "event": "room_created",
            "title": "Folded",
            "visibility": "public",
            "capacity": 9,
            "members": [{"user": "ann", "role": "owner"}, {"user": "ben", "role": "member"}],
        }
    )


def head(seq):
    """What every event carries; `seq` counts those before it."""
    at = BEGAN + timedelta(seconds=seq)
    return {"room": "r", "epoch": "e1", "seq": seq + 1, "at": at, "actor": "ann", "command_id": f"c{seq}"}


def receipts():
    """Marks of anybody, at any moment: also of one who is no member, or from before they became one."""
    return st.builds(
        Receipt,
        room=st.just("r"),
        epoch=st.just("e1"),
        user=users,
        read=st.integers(0, 30),
        delivered=st.integers(0, 30),
        at=st.integers(-5, 30).map(lambda seconds: BEGAN + timedelta(seconds=seconds)),
    )


@settings(max_examples=150)
@given(st.data())
def test_i7_room_and_history_make_the_same_room_of_the_same_events(data):
    began = first_event()
    room, state = Room.new(began), fold(None, began)
    for seq in range(1, data.draw(st.integers(1, 25), "events")):
        possible = st.one_of(*FREE_FACTS.values(), *member_facts(room))
        event = EVENT.validate_python(head(seq) | data.draw(possible))
        room, state = evolve(room, event), fold(state, event)
        assert room.to_state() == state
        for receipt in data.draw(st.lists(receipts(), max_size=2), "receipts"):
            room, state = marked(room, receipt), fold(state, receipt)
            assert room.to_state() == state


@settings(max_examples=50)
@given(st.data())
def test_i7_a_snapshot_that_went_over_the_wire_continues_the_same_room(data):
    room = Room.new(first_event())
    for seq in range(1, 12):
        possible = st.one_of(*FREE_FACTS.values(), *member_facts(room))
        event = EVENT.validate_python(head(seq) | data.draw(possible))
        reloaded = Room.from_state(RoomState.model_validate_json(room.to_state().to_json()))
        room = evolve(room, event)
        assert evolve(reloaded, event) == room
