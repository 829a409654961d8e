"""Join, leave, add, kick, ban, unban."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas import limits
from schemas.errors import Code
from schemas.events import MemberBanned, MemberJoined, MemberLeft, MemberUnbanned
from schemas.roles import LeaveReason, Role
from schemas.state import BanState, FormerState
from services.room.decisions import Unchanged
from services.room.model import evolve
from tests.unit.room.given import EVERYONE, NOW, START, command, decided, event, refused, room, room_with

DAY = timedelta(days=1)
LATER = NOW + DAY


def invited_room(uses=0, expires_at=LATER, max_uses=None, **fields):
    made = {"invite": "invite-1", "role": "reader", "expires_at": expires_at, "max_uses": max_uses}
    used = [("member_joined", {"user": f"ivy{n}", "role": "reader", "invite": "invite-1"}) for n in range(uses)]
    return room_with(("invite_created", made), *used, **fields)


def banned_room(until=None, **fields):
    return room_with(("member_banned", {"user": "bob", "text": "spam", "until": until}), **fields)


class TestJoin:
    def test_a_public_room_is_open(self):
        decision = decided(room(), command("join", "bob"))
        assert isinstance(decision, MemberJoined)
        assert (decision.user, decision.role, decision.seq, decision.at) == ("bob", Role.MEMBER, 2, NOW)

    def test_a_member_is_one_already(self):
        assert refused(room(), command("join", "mia")) is Code.ALREADY_A_MEMBER

    def test_a_full_room_takes_nobody(self):
        assert refused(room(capacity=5), command("join", "bob")) is Code.ROOM_FULL

    def test_a_ban_holds_also_against_an_invite(self):
        held = evolve(invited_room(), event("member_banned", 3, user="bob"))
        assert refused(held, command("join", "bob")) is Code.BANNED
        assert refused(held, command("join", "bob", invite="invite-1")) is Code.BANNED

    def test_a_ban_that_was_lifted_or_has_ended_does_not_hold(self):
        free = evolve(banned_room(), event("member_unbanned", 3, user="bob"))
        assert isinstance(decided(free, command("join", "bob")), MemberJoined)
        assert isinstance(decided(banned_room(until=NOW), command("join", "bob")), MemberJoined)

    @pytest.mark.parametrize("visibility", ["public", "private"])
    def test_an_invite_lets_its_holder_in_with_its_role(self, visibility):
        decision = decided(invited_room(visibility=visibility), command("join", "bob", invite="invite-1"))
        assert isinstance(decision, MemberJoined)
        assert (decision.role, decision.invite) == (Role.READER, "invite-1")

    @pytest.mark.parametrize("visibility", ["public", "private"])
    def test_an_expired_or_used_up_invite_is_invalid_to_its_holder(self, visibility):
        wish = command("join", "bob", invite="invite-1")
        assert refused(invited_room(expires_at=NOW, visibility=visibility), wish) is Code.INVITE_INVALID
        assert refused(invited_room(uses=1, max_uses=1, visibility=visibility), wish) is Code.INVITE_INVALID

    def test_an_invite_works_as_often_as_it_says(self):
        twice = invited_room(uses=1, max_uses=2)
        after = evolve(twice, decided(twice, command("join", "bob", invite="invite-1")))
        assert after.invites["invite-1"].uses == 2
        assert refused(after, command("join", "ben", invite="invite-1")) is Code.INVITE_INVALID

    def test_an_invite_nobody_made_is_invalid_in_a_public_room_and_tells_nothing_of_another(self):
        wish = command("join", "bob", invite="forged-invite")
        assert refused(room(), wish) is Code.INVITE_INVALID
        assert refused(room(visibility="private"), wish) is Code.ROOM_NOT_FOUND

    def test_a_revoked_invite_tells_nothing_of_a_private_room(self):
        revoked = evolve(invited_room(visibility="private"), event("invite_revoked", 3, invite="invite-1"))
        assert refused(revoked, command("join", "bob", invite="invite-1")) is Code.ROOM_NOT_FOUND

    def test_a_guest_of_a_closed_room_hears_that_it_is_closed(self):
        closed = evolve(invited_room(visibility="private"), event("room_closed", 3))
        assert refused(closed, command("join", "bob", invite="invite-1")) is Code.ROOM_CLOSED
        assert refused(closed, command("join", "bob", invite="forged-invite")) is Code.ROOM_NOT_FOUND

    def test_the_first_in_a_room_that_everybody_left_owns_it(self):
        left = evolve(invited_room(members=[EVERYONE[0]]), event("member_left", 3, user="olga", reason="left"))
        for wish in (command("join", "bob"), command("join", "bob", invite="invite-1")):
            after = evolve(left, decided(left, wish))
            assert after.owners() == ["bob"]
            assert decided(after, command("join", "ben")).role is Role.MEMBER
            assert evolve(after, decided(after, command("close", "bob"))).closed

    def test_an_invite_lets_nobody_take_a_role_that_they_see_offered_to_others(self):
        assert refused(room(), command("invite", "olga", role="moderator")) is Code.NOT_ALLOWED


class TestLeave:
    def test_a_member_leaves(self):
        decision = decided(room(), command("leave", "rita"))
        assert isinstance(decision, MemberLeft)
        assert (decision.user, decision.reason, decision.successor) == ("rita", LeaveReason.LEFT, None)

    def test_the_last_owner_must_name_a_successor(self):
        assert refused(room(), command("leave", "olga")) is Code.LAST_OWNER
        pair = room(members=[{"user": "olga", "role": "owner"}, {"user": "mia", "role": "member"}])
        assert refused(pair, command("leave", "olga")) is Code.LAST_OWNER

    def test_the_successor_becomes_owner(self):
        decision = decided(room(), command("leave", "olga", successor="mia"))
        assert isinstance(decision, MemberLeft)
        after = evolve(room(), decision)
        assert after.owners() == ["mia"]
        assert "olga" not in after.members

    @pytest.mark.parametrize("successor", ["bob", "olga"])
    def test_the_successor_must_be_another_member(self, successor):
        assert refused(room(), command("leave", "olga", successor=successor)) is Code.MEMBER_NOT_FOUND

    def test_only_an_owner_names_a_successor(self):
        assert refused(room(), command("leave", "mia", successor="rita")) is Code.NOT_ALLOWED

    def test_the_only_member_may_leave_and_the_room_stays_empty(self):
        alone = room(members=[{"user": "olga", "role": "owner"}])
        assert evolve(alone, decided(alone, command("leave", "olga"))).members == {}

    def test_one_of_two_owners_just_leaves(self):
        two = room(members=[*EVERYONE, {"user": "otto", "role": "owner"}])
        assert isinstance(decided(two, command("leave", "olga")), MemberLeft)


class TestAdd:
    def test_somebody_else_becomes_a_member(self):
        decision = decided(room(visibility="private"), command("add", "mona", user="bob"))
        assert isinstance(decision, MemberJoined)
        assert (decision.user, decision.role, decision.actor) == ("bob", Role.MEMBER, "mona")

    def test_a_member_is_one_already(self):
        assert refused(room(), command("add", "olga", user="mia")) is Code.ALREADY_A_MEMBER

    def test_a_ban_is_honoured_until_it_ends(self):
        wish = command("add", "olga", user="bob")
        assert refused(banned_room(until=LATER), wish) is Code.BANNED
        assert isinstance(decided(banned_room(until=LATER), wish, now=LATER), MemberJoined)

    def test_a_full_room_takes_nobody(self):
        assert refused(room(capacity=5), command("add", "olga", user="bob")) is Code.ROOM_FULL


MUTED = ("member_changed", {"user": "mia", "muted": True, "until": LATER})
INVITE = ("invite_created", {"invite": "invite-1", "role": "member", "expires_at": LATER})


WAYS_OUT = {
    "left": lambda user: [command("leave", user)],
    "kicked": lambda user: [command("kick", "mona", user=user)],
    "banned": lambda user: [command("ban", "mona", user=user), command("unban", "mona", user=user)],
}
WAYS_IN = {
    "join": lambda user: [command("join", user)],
    "invite": lambda user: [command("join", user, invite="invite-1")],
    "add": lambda user: [command("add", "mona", user=user)],
}


def gone_and_back(held, user, going, coming, now=NOW):
    """The room when somebody has gone, one way or other, and come back."""
    for wish in (*going, *coming):
        held = evolve(held, decided(held, wish, now=now))
    assert held.formers == {}
    return held


class TestComingBack:
    @pytest.mark.parametrize("way_in", WAYS_IN.values(), ids=WAYS_IN)
    @pytest.mark.parametrize("way_out", WAYS_OUT.values(), ids=WAYS_OUT)
    def test_who_comes_back_is_as_muted_as_before_and_a_reader_again(self, way_out, way_in):
        held = room_with(MUTED, INVITE, capacity=20)
        after = gone_and_back(held, "mia", way_out("mia"), way_in("mia"))
        assert (after.members["mia"].role, after.members["mia"].muted_until) == (Role.MEMBER, LATER)
        assert refused(after, command("send", "mia", text="hi")) is Code.MUTED
        after = gone_and_back(held, "rita", way_out("rita"), way_in("rita"))
        assert (after.members["rita"].role, after.members["rita"].muted) == (Role.READER, False)

    def test_a_mute_for_good_is_kept_for_good(self):
        held = room_with(("member_changed", {"user": "rita", "muted": True}))
        after = gone_and_back(held, "rita", [command("leave", "rita")], [command("join", "rita")], NOW + 999 * DAY)
        assert (after.members["rita"].role, after.members["rita"].muted) == (Role.READER, True)
        assert after.members["rita"].muted_until is None

    def test_a_mute_that_ran_out_meanwhile_does_not_come_back(self):
        gone = evolve(room_with(MUTED), decided(room_with(MUTED), command("leave", "mia")))
        decision = decided(gone, command("join", "mia"), now=LATER)
        assert (decision.role, decision.muted, decision.until) == (Role.MEMBER, None, None)

    @pytest.mark.parametrize("user", ["mia", "mona"])
    def test_nothing_is_kept_of_one_who_had_a_voice(self, user):
        decision = decided(room_with(MUTED), command("leave", user), now=LATER)
        assert decision.kept is None
        assert evolve(room_with(MUTED), decision).formers == {}

    def test_a_ban_of_one_who_has_gone_leaves_what_is_kept(self):
        gone = evolve(room_with(MUTED), decided(room_with(MUTED), command("leave", "mia")))
        banned = evolve(gone, decided(gone, command("ban", "mona", user="mia")))
        assert banned.formers == gone.formers

    def test_a_room_keeps_so_many(self):
        formers = {f"u{n}": FormerState(user=f"u{n}", reader=True) for n in range(limits.FORMERS - 1)}
        held = replace(room_with(MUTED), formers=formers)
        after = evolve(held, decided(held, command("leave", "mia")))
        assert after.formers["mia"] == FormerState(user="mia", muted=True, muted_until=LATER)
        assert decided(after, command("leave", "rita")).kept is None

    def test_who_owns_an_empty_room_by_coming_back_owns_it_with_a_voice(self):
        formers = {"mia": FormerState(user="mia", reader=True, muted=True)}
        decision = decided(replace(room(), members={}, formers=formers), command("join", "mia"))
        assert (decision.role, decision.muted) == (Role.OWNER, None)


class TestKick:
    def test_a_membership_ends_with_its_reason(self):
        decision = decided(room(), command("kick", "mona", user="mia", reason="spam"))
        assert isinstance(decision, MemberLeft)
        assert (decision.user, decision.reason, decision.text) == ("mia", LeaveReason.KICKED, "spam")
        assert "mia" not in evolve(room(), decision).members

    def test_nobody_kicks_themselves(self):
        assert refused(room(), command("kick", "mona", user="mona")) is Code.NOT_ALLOWED


class TestBan:
    @pytest.mark.parametrize("user", ["mia", "bob"], ids=["member", "stranger"])
    def test_who_is_banned_is_kept_out_member_or_not(self, user):
        decision = decided(room(), command("ban", "mona", user=user, reason="spam", until=LATER))
        assert isinstance(decision, MemberBanned)
        after = evolve(room(), decision)
        assert user not in after.members
        assert after.bans[user] == BanState(user=user, text="spam", until=LATER)
        assert refused(after, command("join", user)) is Code.BANNED

    def test_nobody_bans_themselves(self):
        assert refused(room(), command("ban", "mona", user="mona")) is Code.NOT_ALLOWED

    @pytest.mark.parametrize("until", [NOW, START])
    def test_a_ban_ends_in_the_future(self, until):
        assert refused(room(), command("ban", "mona", user="mia", until=until)) is Code.BAD_FIELD

    def test_the_same_ban_again_changes_nothing(self):
        same = command("ban", "mona", user="bob", reason="spam", until=LATER)
        assert decided(banned_room(until=LATER), same) == Unchanged()

    @pytest.mark.parametrize("change", [{"reason": "worse"}, {"until": LATER + timedelta(days=1)}, {"until": None}])
    def test_another_ban_replaces_it(self, change):
        held = banned_room(until=LATER)
        wish = command("ban", "mona", **{"user": "bob", "reason": "spam", "until": LATER, **change})
        after = evolve(held, decided(held, wish))
        assert after.bans["bob"] == BanState(user="bob", text=wish.reason, until=wish.until)

    def test_one_who_came_back_is_banned_anew_even_where_the_clock_went_back(self):
        back = evolve(banned_room(until=NOW), event("member_joined", 3, user="bob", role="member"))
        wish = command("ban", "mona", user="bob", reason="spam", until=NOW)
        assert isinstance(decided(back, wish, now=NOW - timedelta(seconds=1)), MemberBanned)

    def test_a_room_holds_so_many_bans_and_replaces_those_it_has(self):
        held = banned_room()
        more = {f"u{n}": BanState(user=f"u{n}") for n in range(limits.BANS - 1)}
        full = replace(held, bans={**held.bans, **more})
        assert refused(full, command("ban", "mona", user="mia")) is Code.TOO_MANY
        assert isinstance(decided(full, command("ban", "mona", user="bob", reason="other")), MemberBanned)
        freed = evolve(full, decided(full, command("unban", "mona", user="u0")))
        assert isinstance(decided(freed, command("ban", "mona", user="mia")), MemberBanned)

    def test_bans_that_have_ended_make_place_in_a_full_room(self):
        ended = {f"u{n:05}": BanState(user=f"u{n:05}", until=NOW) for n in range(limits.BANS_SWEPT + 1)}
        others = {f"v{n}": BanState(user=f"v{n}", until=LATER) for n in range(limits.BANS - len(ended))}
        full = replace(room(), bans={**ended, **others})
        wish = command("ban", "mona", user="mia")
        decision = decided(full, wish)
        assert decision.swept == tuple(sorted(ended)[: limits.BANS_SWEPT])
        after = evolve(full, decision)
        assert set(full.bans) - set(after.bans) == set(decision.swept)
        assert after.is_banned("mia", NOW)
        assert refused(full, wish, now=NOW - timedelta(seconds=1)) is Code.TOO_MANY

    def test_bans_that_have_ended_stay_where_there_is_place(self):
        assert decided(banned_room(until=NOW), command("ban", "mona", user="mia")).swept == ()


class TestUnban:
    @pytest.mark.parametrize("until", [None, LATER, NOW], ids=["for good", "in force", "over"])
    def test_a_ban_is_forgotten(self, until):
        held = banned_room(until=until)
        decision = decided(held, command("unban", "mona", user="bob"))
        assert isinstance(decision, MemberUnbanned)
        assert evolve(held, decision).bans == {}

    @pytest.mark.parametrize("user", ["eve", "mia"])
    def test_one_who_is_not_banned_is_not_freed(self, user):
        assert refused(banned_room(), command("unban", "mona", user=user)) is Code.NOT_BANNED
