"""Roles and voices: set_role, mute, unmute. Who may do it to whom stands in test_decide_matrix."""

from datetime import timedelta

import pytest

from schemas.errors import Code
from schemas.events import MemberChanged
from schemas.roles import Role
from services.room.decisions import Refusal, Unchanged
from services.room.model import evolve
from tests.unit.room.given import EVERYONE, NOW, START, command, decided, refused, room, room_with

LATER = NOW + timedelta(hours=1)
TWO_OWNERS = (*EVERYONE, {"user": "otto", "role": "owner"})


def muted_room(until=None):
    return room_with(("member_changed", {"user": "mia", "muted": True, "until": until}))


class TestSetRole:
    def test_a_member_gets_another_role_and_keeps_the_rest(self):
        held = muted_room()
        decision = decided(held, command("set_role", "olga", user="mia", role="admin"))
        assert isinstance(decision, MemberChanged)
        assert (decision.user, decision.role, decision.muted, decision.until) == ("mia", Role.ADMIN, None, None)
        after = evolve(held, decision)
        assert (after.members["mia"].role, after.members["mia"].muted) == (Role.ADMIN, True)

    def test_the_role_one_has_already_makes_no_event(self):
        assert decided(room(), command("set_role", "olga", user="mia", role="member")) == Unchanged()

    def test_an_owner_names_another_who_then_may_go(self):
        held = room()
        two = evolve(held, decided(held, command("set_role", "olga", user="mia", role="owner")))
        assert sorted(two.owners()) == ["mia", "olga"]
        assert not isinstance(decided(two, command("leave", "olga")), Refusal)

    def test_the_last_owner_stays_one(self):
        assert refused(room(), command("set_role", "olga", user="olga", role="reader")) is Code.LAST_OWNER
        assert decided(room(), command("set_role", "olga", user="olga", role="owner")) == Unchanged()
        alone = room(members=[{"user": "olga", "role": "owner"}])
        assert refused(alone, command("set_role", "olga", user="olga", role="admin")) is Code.LAST_OWNER

    def test_one_of_two_owners_steps_down(self):
        two = room(members=TWO_OWNERS)
        assert evolve(two, decided(two, command("set_role", "olga", user="olga", role="member"))).owners() == ["otto"]

    def test_an_owner_does_not_lower_another(self):
        assert refused(room(members=TWO_OWNERS), command("set_role", "olga", user="otto", role="admin")) is (
            Code.NOT_ALLOWED
        )

    def test_one_who_is_no_member_has_no_role(self):
        assert refused(room(), command("set_role", "olga", user="bob", role="member")) is Code.MEMBER_NOT_FOUND


class TestMute:
    @pytest.mark.parametrize("until", [None, LATER])
    def test_a_member_loses_their_voice(self, until):
        decision = decided(room(), command("mute", "mona", user="mia", until=until))
        assert isinstance(decision, MemberChanged)
        assert (decision.user, decision.role, decision.muted, decision.until) == ("mia", None, True, until)
        muted = evolve(room(), decision)
        assert refused(muted, command("send", "mia", text="hi")) is Code.MUTED
        assert isinstance(decided(muted, command("send", "mia", text="hi"), now=LATER), Refusal) == (until is None)

    @pytest.mark.parametrize("until", [NOW, START])
    def test_a_mute_ends_in_the_future(self, until):
        assert refused(room(), command("mute", "mona", user="mia", until=until)) is Code.BAD_FIELD

    @pytest.mark.parametrize("until", [None, LATER])
    def test_the_same_mute_again_makes_no_event(self, until):
        assert decided(muted_room(until), command("mute", "mona", user="mia", until=until)) == Unchanged()

    @pytest.mark.parametrize(("before", "then"), [(None, LATER), (LATER, None), (START, LATER)])
    def test_another_end_replaces_it(self, before, then):
        held = muted_room(before)
        after = evolve(held, decided(held, command("mute", "mona", user="mia", until=then)))
        assert after.members["mia"].muted_until == then

    def test_one_who_is_no_member_has_no_voice_to_lose(self):
        assert refused(room(), command("mute", "mona", user="bob")) is Code.MEMBER_NOT_FOUND


class TestUnmute:
    @pytest.mark.parametrize("until", [None, LATER])
    def test_the_voice_comes_back(self, until):
        held = muted_room(until)
        decision = decided(held, command("unmute", "mona", user="mia"))
        assert isinstance(decision, MemberChanged)
        assert (decision.muted, decision.role) == (False, None)
        after = evolve(held, decision)
        assert (after.members["mia"].muted, after.members["mia"].muted_until) == (False, None)

    @pytest.mark.parametrize("held", [room(), muted_room(until=NOW)], ids=["never muted", "mute is over"])
    def test_who_has_a_voice_keeps_it_without_an_event(self, held):
        assert decided(held, command("unmute", "mona", user="mia")) == Unchanged()

    def test_one_who_is_no_member_has_no_voice_to_get(self):
        assert refused(room(), command("unmute", "mona", user="bob")) is Code.MEMBER_NOT_FOUND
