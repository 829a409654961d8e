"""What holds for every verb: rooms that are not there, strangers, bans that end, sessions, operators."""

from datetime import timedelta

import pytest

from schemas.commands import COMMANDS
from schemas.errors import Code
from services.room.decisions import Admission, Dismissal, Inspected, Refusal
from services.room.model import evolve
from tests.unit.room.given import NOW, command, created, decided, direct_room, event, refused, room, room_after

WISHES = {
    "update": {"title": "New"},
    "close": {},
    "join": {},
    "leave": {},
    "add": {"user": "eve"},
    "kick": {"user": "mia"},
    "ban": {"user": "mia"},
    "unban": {"user": "mia"},
    "set_role": {"user": "mia", "role": "reader"},
    "mute": {"user": "mia"},
    "unmute": {"user": "mia"},
    "invite": {},
    "revoke_invite": {"invite": "invite-1"},
    "send": {"text": "hi"},
    "edit": {"seq": 1, "text": "hi"},
    "delete": {"seq": 1},
    "react": {"seq": 1, "emoji": "+1"},
    "unreact": {"seq": 1, "emoji": "+1"},
    "mark_read": {"seq": 1},
    "mark_delivered": {"seq": 1},
    "typing": {},
    "set_status": {"state": "away"},
}
WITHOUT_A_ROOM = {
    **WISHES,
    "attach": {"sessions": [{"client": "g1/a", "user": "mia"}]},
    "inspect": {},
}


def test_no_verb_is_forgotten_here():
    assert set(WITHOUT_A_ROOM) | {"create", "detach"} == set(COMMANDS)


@pytest.mark.parametrize("verb", WITHOUT_A_ROOM)
def test_a_room_that_does_not_exist_is_not_found(verb):
    assert refused(None, command(verb, **WITHOUT_A_ROOM[verb])) is Code.ROOM_NOT_FOUND


@pytest.mark.parametrize("verb", WISHES)
@pytest.mark.parametrize("hidden", [room(visibility="private"), direct_room()], ids=["private", "direct"])
def test_i10_a_stranger_never_learns_that_a_room_exists(hidden, verb):
    wish = command(verb, "bob", **WISHES[verb])
    closed = evolve(hidden, event("room_closed", 2, room=hidden.room))
    assert decided(hidden, wish) == decided(closed, wish) == decided(None, wish) == Refusal(Code.ROOM_NOT_FOUND)


@pytest.mark.parametrize("verb", WISHES)
def test_a_banned_user_is_told_so_until_the_ban_ends(verb):
    until = NOW + timedelta(minutes=1)
    banned = room_after(created(visibility="private"), event("member_banned", 2, user="bob", until=until))
    assert refused(banned, command(verb, "bob", **WISHES[verb])) is Code.BANNED
    assert refused(banned, command(verb, "bob", **WISHES[verb]), now=until) is Code.ROOM_NOT_FOUND


class TestAttach:
    def test_members_are_admitted_and_others_are_listed_with_the_reason(self):
        banned = room_after(created(), event("member_banned", 2, user="bea"))
        people = {"g1/a": "mia", "g1/b": "bob", "g1/c": "bea", "g2/d": "rita"}
        sessions = [{"client": client, "user": user} for client, user in people.items()]
        decision = decided(banned, command("attach", "g1", sessions=sessions))
        assert isinstance(decision, Admission)
        assert [session.client for session in decision.sessions] == ["g1/a"]
        assert [(each.session.client, each.code) for each in decision.refused] == [
            ("g1/b", Code.NOT_A_MEMBER),
            ("g1/c", Code.BANNED),
            ("g2/d", Code.BAD_FIELD),
        ]

    def test_i10_a_stranger_gets_no_session_of_a_private_room(self):
        wish = command("attach", "g1", sessions=[{"client": "g1/b", "user": "bob"}])
        decision = decided(room(visibility="private"), wish)
        assert isinstance(decision, Admission)
        assert decision.sessions == ()
        assert decision.refused[0].code is Code.ROOM_NOT_FOUND

    def test_a_closed_room_may_still_be_read(self):
        closed = room_after(created(), event("room_closed", 2))
        decision = decided(closed, command("attach", "g1", sessions=[{"client": "g1/a", "user": "mia"}]))
        assert isinstance(decision, Admission)
        assert decision.refused == ()

    def test_detach_is_never_refused(self):
        wish = command("detach", "g1", sessions=[{"client": "g1/a", "user": "mia"}])
        assert decided(None, wish) == decided(room(), wish) == Dismissal(wish.sessions)


def test_an_operator_sees_any_room():
    assert decided(room(visibility="private"), command("inspect", "operator")) == Inspected()
