"""Given a room, when a command comes, then one event, an accept, or a refusal."""

from datetime import timedelta

import pytest

from schemas.errors import Code
from schemas.events import MemberJoined, MemberLeft, MessagePosted, RoomClosed, RoomCreated
from schemas.roles import LeaveReason, MessageKind, Role
from services.room.decide import Admission, Dismissal, Refusal, Signalled, decide
from services.room.model import TICK, evolve
from tests.unit.room.given import EVERYONE, NOW, START, command, created, event, room, room_after


def refused(held, wish, now=NOW):
    decision = decide(held, wish, now)
    assert isinstance(decision, Refusal), decision
    return decision.code


def test_create_makes_a_room_with_its_owner_and_first_members():
    decision = decide(None, command("create", "olga", title="General", members=["mia", "olga", "mia", "bob"]), NOW)
    assert isinstance(decision, RoomCreated)
    assert [(first.user, first.role) for first in decision.members] == [
        ("olga", Role.OWNER),
        ("bob", Role.MEMBER),
        ("mia", Role.MEMBER),
    ]
    assert (decision.seq, decision.at, decision.actor) == (1, NOW, "olga")


def test_create_of_an_existing_room_is_refused():
    assert refused(room(), command("create", title="Again")) is Code.ROOM_EXISTS


def test_create_with_a_blank_title_is_refused():
    assert refused(None, command("create", title="   ")) is Code.BAD_FIELD


@pytest.mark.parametrize(("capacity", "fits"), [(3, True), (2, False)])
def test_create_counts_the_owner_against_the_capacity(capacity, fits):
    decision = decide(None, command("create", "olga", title="T", members=["a", "b"], capacity=capacity), NOW)
    assert isinstance(decision, RoomCreated if fits else Refusal)


@pytest.mark.parametrize(
    "wish",
    [
        command("join"),
        command("leave"),
        command("add", user="bob"),
        command("kick", user="bob"),
        command("send", text="hi"),
        command("typing"),
        command("close"),
        command("attach", "g1", sessions=[{"client": "g1/a", "user": "mia"}]),
    ],
    ids=lambda wish: wish.type,
)
def test_a_room_that_does_not_exist_is_not_found(wish):
    assert refused(None, wish) is Code.ROOM_NOT_FOUND


@pytest.mark.parametrize(
    "wish",
    [
        command("update", "olga", title="New"),
        command("ban", "olga", user="mia"),
        command("unban", "olga", user="mia"),
        command("set_role", "olga", user="mia", role="admin"),
        command("mute", "olga", user="mia"),
        command("unmute", "olga", user="mia"),
        command("invite", "olga"),
        command("revoke_invite", "olga", invite="i" * 8),
        command("edit", seq=1, text="x"),
        command("delete", seq=1),
        command("react", seq=1, emoji="x"),
        command("unreact", seq=1, emoji="x"),
        command("mark_read", seq=1),
        command("mark_delivered", seq=1),
        command("set_status", state="away"),
    ],
    ids=lambda wish: wish.type,
)
def test_a_verb_that_is_not_served_yet_is_an_unknown_command(wish):
    assert refused(room(), wish) is Code.UNKNOWN_COMMAND


@pytest.mark.parametrize(
    "wish",
    [
        command("join", "bob"),
        command("leave", "mia"),
        command("add", "olga", user="bob"),
        command("kick", "olga", user="mia"),
        command("send", "mia", text="hi"),
        command("typing", "mia"),
        command("close", "olga"),
    ],
    ids=lambda wish: wish.type,
)
def test_nothing_is_written_to_a_closed_room(wish):
    assert refused(room_after(created(), event("room_closed", 2)), wish) is Code.ROOM_CLOSED


STRANGERS_WISHES = [
    command("leave", "bob"),
    command("add", "bob", user="eve"),
    command("kick", "bob", user="mia"),
    command("send", "bob", text="hi"),
    command("typing", "bob"),
    command("close", "bob"),
]


@pytest.mark.parametrize("wish", STRANGERS_WISHES, ids=lambda wish: wish.type)
def test_a_stranger_is_told_that_they_are_no_member_of_a_public_room(wish):
    assert refused(room(), wish) is Code.NOT_A_MEMBER


@pytest.mark.parametrize("visibility", ["private", "direct"])
@pytest.mark.parametrize("wish", [*STRANGERS_WISHES, command("join", "bob")], ids=lambda wish: wish.type)
def test_i10_a_stranger_never_learns_that_a_room_exists(wish, visibility):
    hidden = room(visibility=visibility)
    assert decide(hidden, wish, NOW) == decide(None, wish, NOW) == Refusal(Code.ROOM_NOT_FOUND)
    closed = evolve(hidden, event("room_closed", 2))
    assert decide(closed, wish, NOW) == Refusal(Code.ROOM_NOT_FOUND)


@pytest.mark.parametrize("wish", [*STRANGERS_WISHES, command("join", "bob")], ids=lambda wish: wish.type)
def test_a_banned_user_is_told_so_until_the_ban_ends(wish):
    until = NOW + timedelta(minutes=1)
    banned = room_after(created(visibility="private"), event("member_banned", 2, user="bob", until=until))
    assert refused(banned, wish) is Code.BANNED
    assert refused(banned, wish, now=until) is Code.ROOM_NOT_FOUND


class TestJoin:
    def test_a_public_room_is_open(self):
        decision = decide(room(), command("join", "bob"), NOW)
        assert isinstance(decision, MemberJoined)
        assert (decision.user, decision.role, decision.seq, decision.at) == ("bob", Role.MEMBER, 2, NOW)

    def test_a_member_is_one_already(self):
        assert refused(room(), command("join", "mia")) is Code.ALREADY_A_MEMBER

    def test_a_full_room_takes_nobody(self):
        assert refused(room(capacity=5), command("join", "bob")) is Code.ROOM_FULL

    def test_a_ban_for_good_holds(self):
        banned = room_after(created(), event("member_banned", 2, user="bob"))
        assert refused(banned, command("join", "bob")) is Code.BANNED

    def test_a_lifted_ban_does_not(self):
        free = room_after(created(), event("member_banned", 2, user="bob"), event("member_unbanned", 3, user="bob"))
        assert isinstance(decide(free, command("join", "bob"), NOW), MemberJoined)

    @pytest.mark.parametrize("visibility", ["public", "private"])
    def test_an_invite_lets_its_holder_in_with_its_role(self, visibility):
        invited = invited_room(visibility=visibility)
        decision = decide(invited, command("join", "bob", invite="invite-1"), NOW)
        assert isinstance(decision, MemberJoined)
        assert (decision.role, decision.invite) == (Role.READER, "invite-1")

    @pytest.mark.parametrize("visibility", ["public", "private"])
    def test_an_expired_or_used_up_invite_is_invalid_to_its_holder(self, visibility):
        wish = command("join", "bob", invite="invite-1")
        expired = invited_room(visibility=visibility, expires_at=NOW)
        assert refused(expired, wish) is Code.INVITE_INVALID
        used = evolve(invited_room(visibility=visibility, max_uses=1), joined_by_invite(3))
        assert refused(used, wish) is Code.INVITE_INVALID

    def test_an_invite_nobody_made_is_invalid_in_a_public_room_and_tells_nothing_of_another(self):
        wish = command("join", "bob", invite="forged-invite")
        assert refused(room(), wish) is Code.INVITE_INVALID
        assert refused(room(visibility="private"), wish) is Code.ROOM_NOT_FOUND

    def test_a_revoked_invite_tells_nothing_of_a_private_room(self):
        revoked = evolve(invited_room(visibility="private"), event("invite_revoked", 3, invite="invite-1"))
        assert refused(revoked, command("join", "bob", invite="invite-1")) is Code.ROOM_NOT_FOUND


def invited_room(expires_at=NOW + timedelta(days=1), max_uses=None, **fields):
    made = event("invite_created", 2, invite="invite-1", role="reader", expires_at=expires_at, max_uses=max_uses)
    return room_after(created(**fields), made)


def joined_by_invite(seq):
    return event("member_joined", seq, user="ivy", role="reader", invite="invite-1")


class TestLeave:
    def test_a_member_leaves(self):
        decision = decide(room(), command("leave", "rita"), NOW)
        assert isinstance(decision, MemberLeft)
        assert (decision.user, decision.reason, decision.successor) == ("rita", LeaveReason.LEFT, None)

    def test_the_last_owner_must_name_a_successor(self):
        assert refused(room(), command("leave", "olga")) is Code.LAST_OWNER

    def test_the_successor_becomes_owner(self):
        decision = decide(room(), command("leave", "olga", successor="mia"), NOW)
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
        decision = decide(alone, command("leave", "olga"), NOW)
        assert isinstance(decision, MemberLeft)
        after = evolve(alone, decision)
        assert after.members == {}
        assert isinstance(decide(after, command("join", "olga"), NOW), MemberJoined)

    def test_one_of_two_owners_just_leaves(self):
        two = room(members=[*EVERYONE, {"user": "otto", "role": "owner"}])
        assert isinstance(decide(two, command("leave", "olga"), NOW), MemberLeft)


class TestAdd:
    @pytest.mark.parametrize("actor", ["olga", "adam", "mona"])
    def test_moderators_and_above_add_people(self, actor):
        decision = decide(room(visibility="private"), command("add", actor, user="bob"), NOW)
        assert isinstance(decision, MemberJoined)
        assert (decision.user, decision.role, decision.actor) == ("bob", Role.MEMBER, actor)

    @pytest.mark.parametrize("actor", ["mia", "rita"])
    def test_members_and_readers_do_not(self, actor):
        assert refused(room(), command("add", actor, user="bob")) is Code.NOT_ALLOWED

    def test_a_member_is_one_already(self):
        assert refused(room(), command("add", "olga", user="mia")) is Code.ALREADY_A_MEMBER

    def test_a_ban_is_honoured(self):
        banned = room_after(created(), event("member_banned", 2, user="bob"))
        assert refused(banned, command("add", "olga", user="bob")) is Code.BANNED

    def test_a_full_room_takes_nobody(self):
        assert refused(room(capacity=5), command("add", "olga", user="bob")) is Code.ROOM_FULL


class TestKick:
    def test_a_kick_ends_a_membership_with_its_reason(self):
        decision = decide(room(), command("kick", "mona", user="mia", reason="spam"), NOW)
        assert isinstance(decision, MemberLeft)
        assert (decision.user, decision.reason, decision.text) == ("mia", LeaveReason.KICKED, "spam")

    @pytest.mark.parametrize(("actor", "user"), [("mona", "adam"), ("mona", "mona"), ("adam", "olga"), ("mia", "rita")])
    def test_only_lower_roles_are_kicked_and_only_by_moderators(self, actor, user):
        assert refused(room(), command("kick", actor, user=user)) is Code.NOT_ALLOWED

    def test_one_who_is_no_member_cannot_be_kicked(self):
        assert refused(room(), command("kick", "olga", user="bob")) is Code.MEMBER_NOT_FOUND


class TestSend:
    def test_a_message_is_posted_with_all_that_was_said(self):
        wish = command("send", text="hi @rita", kind="media", metadata={"a": 1}, reply_to=1, mentions=["rita"])
        decision = decide(room(), wish, NOW)
        assert isinstance(decision, MessagePosted)
        assert decision.message_id == f"msg_{int(NOW.timestamp()) * 1_000_000 + 1:016d}" + decision.message_id[-3:]
        same = {"text", "kind", "metadata", "reply_to", "mentions", "actor", "command_id", "room"}
        assert decision.model_dump(include=same) == wish.model_dump(include=same)
        assert (decision.seq, decision.at) == (2, NOW)

    @pytest.mark.parametrize("actor", ["olga", "adam", "mona"])
    def test_moderators_and_above_speak_for_the_room(self, actor):
        decision = decide(room(), command("send", actor, text="maintenance at noon", kind="system"), NOW)
        assert isinstance(decision, MessagePosted)
        assert decision.kind is MessageKind.SYSTEM

    def test_a_member_does_not_speak_for_the_room(self):
        assert refused(room(), command("send", "mia", text="maintenance at noon", kind="system")) is Code.NOT_ALLOWED

    def test_a_reader_only_reads(self):
        assert refused(room(), command("send", "rita", text="hi")) is Code.NOT_ALLOWED

    @pytest.mark.parametrize("verb", ["send", "typing"])
    def test_a_muted_member_has_no_voice_until_the_mute_ends(self, verb):
        until = NOW + timedelta(minutes=1)
        muted = room_after(created(), event("member_changed", 2, user="mia", muted=True, until=until))
        wish = command(verb, **({"text": "hi"} if verb == "send" else {}))
        assert refused(muted, wish) is Code.MUTED
        assert not isinstance(decide(muted, wish, until), Refusal)

    @pytest.mark.parametrize("reply_to", [0, 2])
    def test_a_reply_must_be_to_something_that_was_said(self, reply_to):
        assert refused(room(), command("send", text="hi", reply_to=reply_to)) is Code.MESSAGE_NOT_FOUND

    def test_only_members_are_mentioned(self):
        assert refused(room(), command("send", text="hi", mentions=["mia", "bob"])) is Code.MEMBER_NOT_FOUND

    def test_moments_and_message_ids_grow_even_when_the_clock_goes_back(self):
        held = room()
        first = decide(held, command("send", text="one"), START - timedelta(days=1))
        assert isinstance(first, MessagePosted)
        assert first.at == held.updated_at + TICK
        second = decide(evolve(held, first), command("send", text="two"), START - timedelta(days=1))
        assert isinstance(second, MessagePosted)
        assert second.message_id > first.message_id


def test_typing_is_a_signal_and_no_event():
    decision = decide(room(), command("typing", active=False), NOW)
    assert isinstance(decision, Signalled)
    assert (decision.signal.user, decision.signal.active, decision.signal.expires_seconds) == ("mia", False, 6)


def test_a_reader_does_not_type():
    assert refused(room(), command("typing", "rita")) is Code.NOT_ALLOWED


def test_only_the_owner_closes_a_room():
    assert isinstance(decide(room(), command("close", "olga"), NOW), RoomClosed)
    assert refused(room(), command("close", "adam")) is Code.NOT_ALLOWED


class TestAttach:
    def test_members_are_admitted_and_others_are_listed_with_the_reason(self):
        banned = room_after(created(), event("member_banned", 2, user="bea"))
        people = {"g1/a": "mia", "g1/b": "bob", "g1/c": "bea", "g2/d": "rita"}
        sessions = [{"client": client, "user": user} for client, user in people.items()]
        decision = decide(banned, command("attach", "g1", sessions=sessions), NOW)
        assert isinstance(decision, Admission)
        assert [session.client for session in decision.sessions] == ["g1/a"]
        assert [(each.session.client, each.code) for each in decision.refused] == [
            ("g1/b", Code.NOT_A_MEMBER),
            ("g1/c", Code.BANNED),
            ("g2/d", Code.BAD_FIELD),
        ]

    def test_i10_a_stranger_gets_no_session_of_a_private_room(self):
        wish = command("attach", "g1", sessions=[{"client": "g1/b", "user": "bob"}])
        decision = decide(room(visibility="private"), wish, NOW)
        assert isinstance(decision, Admission)
        assert decision.sessions == ()
        assert decision.refused[0].code is Code.ROOM_NOT_FOUND

    def test_a_closed_room_may_still_be_read(self):
        closed = room_after(created(), event("room_closed", 2))
        decision = decide(closed, command("attach", "g1", sessions=[{"client": "g1/a", "user": "mia"}]), NOW)
        assert isinstance(decision, Admission)
        assert decision.refused == ()

    def test_detach_is_never_refused(self):
        wish = command("detach", "g1", sessions=[{"client": "g1/a", "user": "mia"}])
        assert decide(None, wish, NOW) == decide(room(), wish, NOW) == Dismissal(wish.sessions)
