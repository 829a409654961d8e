"""The checks of who is shown what, and of who is a member, find what they look for, and nothing in a run that is well
(I7, I10)."""

import pytest

from tests.reliability.checks.anomalies import Anomaly, Stored
from tests.reliability.checks.membership import (
    DEEDS,
    InviteEvent,
    judge_bans,
    judge_invites,
    judge_members,
    judge_traffic,
    members_of,
)
from tests.reliability.checks.secrecy import HELD_UP_SECONDS, Look, judge_last_looks, judge_leaks
from tests.reliability.journal import Answered, Asked, Attached, Done, Got, Peeked, Told

FOUNDERS = {"r": {"own", "ann"}}
LEFT_AT, ASKED_AGAIN_AT = 10.0, 10.0 + 3 * HELD_UP_SECONDS
LONG_AFTER = LEFT_AT + HELD_UP_SECONDS + 1.0


def event(seq, name, user=None, actor="own", room="r"):
    return Stored(room=room, epoch="e", seq=seq, actor=actor, command_id=f"c{seq}", event=name, user=user)


def asked(seq, verb, at, user=None):
    return Asked(command_id=f"c{seq}", room="r", verb=verb, door="rest", again=False, at=at, user=user)


MEMBERSHIP = [
    event(1, "room_created"),
    event(4, "member_left", user="ann"),
    event(5, "message_posted"),
    event(8, "member_joined", user="ann"),
]
OWNER = [
    asked(4, "kick", LEFT_AT - 1.0, user="ann"),
    Answered("r", "e", 4, "c4", LEFT_AT),
    asked(8, "add", ASKED_AGAIN_AT, user="ann"),
]


def leaks(*entries, who="ann", founders=FOUNDERS, owner=OWNER):
    found = judge_leaks({"own": owner, who: list(entries)}, MEMBERSHIP, founders)
    return [(each.anomaly, each.seq) for each in found]


def pushed(seq, at):
    return Got(room="r", epoch="e", seq=seq, command_id=f"c{seq}", at=at)


def peeked(way, seqs, since):
    return Peeked(room="r", way=way, seqs=seqs, at=since + 0.1, since=since)


# Leaks


def test_members_are_shown_what_happens_and_those_who_come_back_what_happened():
    assert leaks(pushed(3, 1.0), pushed(4, LEFT_AT + 1.0)) == []
    assert leaks(pushed(6, ASKED_AGAIN_AT + 1.0), pushed(9, ASKED_AGAIN_AT + 2.0)) == []
    assert leaks(peeked("page", (2, 3, 4), LEFT_AT + 2.0), peeked("page", None, LONG_AFTER)) == []
    assert leaks(peeked("members", (), ASKED_AGAIN_AT + 1.0)) == []


def test_what_is_shown_to_somebody_between_two_stays_is_a_leak():
    assert leaks(pushed(5, LEFT_AT + 1.0)) == [(Anomaly.LEAK, 5)]
    assert leaks(peeked("search", (3, 6), LEFT_AT + 1.0)) == [(Anomaly.LEAK, 6)]


@pytest.mark.parametrize("seqs", [(2, 3), (0,), ()], ids=["old events", "seq 0", "no event"])
def test_what_happened_before_is_a_leak_too_once_nothing_can_be_on_its_way_any_more(seqs):
    assert leaks(peeked("page", seqs, LONG_AFTER - 2.0)) == []
    assert leaks(peeked("page", seqs, LONG_AFTER)) == [(Anomaly.LEAK, seq) for seq in seqs or (0,)]


def test_a_push_long_after_the_end_of_a_stay_is_a_leak_whatever_it_tells():
    assert leaks(pushed(3, LONG_AFTER)) == [(Anomaly.LEAK, 3)]
    signal, attached = Told(room="r", signal="presence", at=5.0), Attached(room="r", epoch="e", seq=3, at=5.0)
    assert leaks(signal, attached) == []
    assert leaks(signal._replace(at=LONG_AFTER), attached._replace(at=LONG_AFTER)) == [(Anomaly.LEAK, 0)] * 2


def test_the_room_itself_lets_nobody_in_from_the_moment_on_that_a_stay_is_over():
    assert leaks(peeked("attach", (4,), LEFT_AT - 0.1)) == []
    for way in ("attach", "resume", "resume from elsewhere"):
        assert leaks(peeked(way, (), LEFT_AT + 0.1)) == [(Anomaly.LEAK, 0)]


def test_a_stay_whose_end_nobody_was_told_of_has_no_bound():
    unanswered = [entry for entry in OWNER if not isinstance(entry, Answered)]
    assert leaks(peeked("page", (3,), LONG_AFTER), owner=unanswered) == []
    assert leaks(peeked("page", (5,), LONG_AFTER), owner=unanswered) == [(Anomaly.LEAK, 5)]


def test_a_ban_ends_a_stay_from_its_answer_on():
    owner = [asked(4, "ban", LEFT_AT - 1.0, user="ann"), Done("r", "ban", 0, "c4", LEFT_AT)]
    events = [event(1, "room_created"), event(4, "member_banned", user="ann")]
    found = judge_leaks({"own": owner, "ann": [peeked("page", (2,), LONG_AFTER)]}, events, FOUNDERS)
    assert [each.anomaly for each in found] == [Anomaly.LEAK]


def test_whatever_a_stranger_is_shown_of_a_private_room_is_a_leak():
    assert leaks(peeked("page", (1,), 3.0), who="eve") == [(Anomaly.LEAK, 1)]
    assert leaks(peeked("members", (), 3.0), who="eve") == [(Anomaly.LEAK, 0)]
    assert leaks(peeked("page", (1,), 3.0), who="eve", founders={}) == []


# The last look


def last_looks(*looks):
    inside, outside = {"r": {"ann"}}, {"r": {"eve"}}
    looks = [Look(who=who, room="r", way=way, seqs=seqs, answered=answered) for who, way, seqs, answered in looks]
    return [(each.anomaly, each.who, each.evidence) for each in judge_last_looks(looks, inside, outside)]


IN, OUT = ("ann", "page", (3,), True), ("eve", "page", None, True)


def test_a_way_that_shows_members_something_and_others_nothing_is_well():
    assert last_looks(IN, OUT, ("bob", "page", (3,), True)) == []


@pytest.mark.parametrize("seqs", [(1, 2), ()])
def test_in_the_end_whatever_is_shown_is_a_leak(seqs):
    assert last_looks(IN, OUT, ("eve", "page", seqs, True)) == [(Anomaly.LEAK, "eve", "by page, in the end")]


@pytest.mark.parametrize("answered", [True, False])
def test_a_member_who_is_shown_nothing_is_found(answered):
    assert last_looks(IN, OUT, ("ann", "page", None, answered)) == [(Anomaly.SHUT_OUT, "ann", "by page")]


def test_a_way_that_showed_nobody_anything_or_refused_nobody_proves_nothing():
    assert last_looks(OUT) == [(Anomaly.UNPROVEN, "members", "shown nothing by page")]
    assert last_looks(IN) == [(Anomaly.UNPROVEN, "others", "not refused by page")]
    assert last_looks(IN, ("eve", "page", None, False)) == [(Anomaly.UNPROVEN, "others", "not refused by page")]


# Members


def test_members_follow_from_the_events():
    events = [*MEMBERSHIP, event(9, "member_joined", user="bob"), event(10, "member_banned", user="ann")]
    assert members_of(reversed(events), FOUNDERS) == {"r": {"own", "bob"}}


def test_a_member_list_that_is_not_what_follows_from_the_events_is_found():
    found = judge_members({"r": {"own", "eve"}, "s": {"own"}}, {"r": {"own", "ann"}, "s": {"own"}})
    assert [(each.anomaly, each.who, each.room) for each in found] == [
        (Anomaly.WRONG_MEMBERS, "ann", "r"),
        (Anomaly.WRONG_MEMBERS, "eve", "r"),
    ]
    assert judge_members({"r": {"own", "ann"}}, {"r": {"own", "ann"}}) == []


# Bans


def bans(entries, *events, others=()):
    journals = {"own": list(entries), "deputy": list(others)}
    return [(each.anomaly, each.who, each.seq) for each in judge_bans(journals, events)]


BAN = [asked(4, "ban", 1.0, user="ann"), Done("r", "ban", 0, "c4", 2.0)]
BANNED = event(4, "member_banned", user="ann")


def test_a_ban_that_is_stored_and_keeps_its_user_out_until_it_is_lifted_is_well():
    assert bans(BAN, BANNED) == []
    assert bans(BAN, BANNED, event(5, "member_unbanned", user="ann"), event(6, "member_joined", user="ann")) == []
    assert bans(BAN[:1]) == []


def test_a_ban_that_was_accepted_and_is_not_stored_is_found():
    assert bans(BAN) == [(Anomaly.NOT_KEPT_OUT, "ann", 0)]
    assert bans(BAN, BANNED._replace(user="bob", command_id="c9")) == [(Anomaly.NOT_KEPT_OUT, "ann", 0)]


def test_who_comes_in_while_a_ban_stands_is_found():
    assert bans(BAN, BANNED, event(5, "member_joined", user="ann")) == [(Anomaly.NOT_KEPT_OUT, "ann", 5)]


def test_a_ban_of_somebody_who_is_banned_makes_no_event():
    again = [asked(9, "ban", 20.0, user="ann"), Done("r", "ban", 0, "c9", 21.0)]
    lifted, unban = event(5, "member_unbanned", user="ann"), asked(5, "unban", 10.0, user="ann")
    assert bans([*BAN, *again], BANNED) == []
    assert bans([*BAN, unban, *again], BANNED, lifted) == []
    told = Answered("r", "e", 5, "c5", 20.5)
    assert bans([*BAN, unban, told, *again], BANNED, lifted) == []
    assert bans([*BAN, unban, told._replace(at=11.0), *again], BANNED, lifted) == [(Anomaly.NOT_KEPT_OUT, "ann", 0)]


# Invites


def test_an_invite_that_lets_in_more_than_it_was_made_for_is_found():
    made = InviteEvent(room="r", seq=2, invite="i", user=None, max_uses=1)
    first = InviteEvent(room="r", seq=3, invite="i", user="ann", max_uses=None)
    second = first._replace(seq=4, user="bob")
    assert judge_invites([second, first, made._replace(max_uses=2)]) == []
    assert judge_invites([second, first, made._replace(max_uses=None)]) == []
    assert [(each.anomaly, each.who) for each in judge_invites([second, first, made])] == [(Anomaly.OVERUSED, "bob")]
    assert [each.who for each in judge_invites([first])] == ["ann"]


# Whether anything came of it


def traffic(events, *, seconds=60.0, invited=(("r", 5),)):
    return [each.evidence for each in judge_traffic(events, frozenset(invited), {"r": {"own", "ann"}}, seconds)]


DONE = [
    event(2, "member_left", user="ann", actor="ann"),
    event(3, "member_joined", user="ann", actor="ann"),
    event(4, "member_left", user="ann"),
    event(5, "member_joined", user="ann", actor="ann"),
    event(6, "member_banned", user="ann"),
    event(7, "member_unbanned", user="ann"),
    event(8, "member_joined", user="ann"),
    *(event(seq, "member_left" if seq % 2 else "member_joined", user="ann") for seq in range(9, 29)),
]


def test_a_long_run_in_which_enough_came_and_went_in_every_way_says_something():
    assert traffic(DONE) == []
    assert traffic([], seconds=59.0) == []


def test_a_long_run_in_which_nothing_came_of_it_is_found():
    assert len(traffic([])) == len(DEEDS) + 1
    assert traffic(DONE, invited=()) == ["0 times somebody used an invite, not 1"]
    assert "13 times somebody went, not 16" in traffic(DONE, seconds=240.0)
    assert traffic(DONE[:7]) == ["3 times somebody went, not 4"]
