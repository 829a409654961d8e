"""schemas.verbs against the core: every code of the table is given in a case typed here, and none that is not in it.

That no other code is ever given stands in test_decide_sequences, for commands as they come.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas import limits
from schemas.commands import COMMANDS, EVENTLESS_VERBS, OPERATOR_VERBS
from schemas.errors import Code
from schemas.events import EVENTS
from schemas.signals import SIGNALS
from schemas.state import BanState, InviteState
from schemas.verbs import VERBS
from services.room.decisions import Admission, Dismissal, Marked, Refusal, Signalled, StatusSaid
from services.room.targets import Target
from tests.unit.room.given import MESSAGE, NOW, START, command, decided, direct_room, room, room_with

OPEN = room_with(
    ("member_banned", {"user": "bea"}),
    ("member_changed", {"user": "mia", "muted": True}),
    ("invite_created", {"invite": "invite-1", "role": "reader", "expires_at": NOW + timedelta(days=1)}),
)
PRIVATE = replace(OPEN, visibility="private")
CLOSED = replace(OPEN, closed=True)
FULL = replace(OPEN, capacity=len(OPEN.members))
BANS = replace(OPEN, bans={f"u{n}": BanState(user=f"u{n}") for n in range(limits.BANS)})
INVITES = replace(
    OPEN,
    invites={
        f"invite-{n}": InviteState(invite=f"invite-{n}", role="reader", expires_at=NOW + timedelta(days=1))
        for n in range(limits.INVITES)
    },
)
KINDS = Target("mia", START, kinds={f"e{n}": 1 for n in range(limits.REACTION_KINDS)})

GOOD = {
    "create": {"title": "New"},
    "update": {"title": "New"},
    "close": {},
    "join": {},
    "leave": {},
    "add": {"user": "eve"},
    "kick": {"user": "rita"},
    "ban": {"user": "rita"},
    "unban": {"user": "bea"},
    "set_role": {"user": "rita", "role": "member"},
    "mute": {"user": "rita"},
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
    "attach": {"sessions": [{"client": "g1/a", "user": "rita"}]},
    "detach": {"sessions": [{"client": "g1/a", "user": "rita"}]},
}
"""A wish of each verb that is accepted from whoever may."""
WHO = {"create": "eve", "join": "eve", "leave": "adam", "attach": "g1", "detach": "g1"}
"""Who may; the owner where nothing is said."""


def wish(verb, actor=None, **different):
    return command(verb, actor or WHO.get(verb, "olga"), **{**GOOD[verb], **different})


def session(user, client="g1/a"):
    return command("attach", "g1", sessions=[{"client": client, "user": user}])


REACHED = {
    "create": {
        Code.BAD_FIELD: [(None, wish("create", visibility="direct"))],
        Code.ROOM_EXISTS: [(OPEN, wish("create")), (CLOSED, wish("create"))],
        Code.ROOM_FULL: [(None, wish("create", members=["a", "b"], capacity=2))],
    },
    "update": {
        Code.ROOM_NOT_FOUND: [(None, wish("update")), (PRIVATE, wish("update", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("update", "eve"))],
        Code.BANNED: [(OPEN, wish("update", "bea")), (PRIVATE, wish("update", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("update"))],
        Code.NOT_ALLOWED: [(OPEN, wish("update", "mona")), (direct_room(), wish("update", capacity=3))],
        Code.BAD_FIELD: [
            (OPEN, command("update", "olga")),
            (OPEN, wish("update", capacity=1)),
            (OPEN, wish("update", visibility="direct")),
        ],
    },
    "close": {
        Code.ROOM_NOT_FOUND: [(None, wish("close")), (PRIVATE, wish("close", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("close", "eve"))],
        Code.BANNED: [(OPEN, wish("close", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("close"))],
        Code.NOT_ALLOWED: [(OPEN, wish("close", "adam")), (direct_room(), wish("close"))],
    },
    "join": {
        Code.ROOM_NOT_FOUND: [(None, wish("join")), (PRIVATE, wish("join")), (PRIVATE, wish("join", invite="x" * 8))],
        Code.ROOM_CLOSED: [(CLOSED, wish("join"))],
        Code.NOT_ALLOWED: [(direct_room(), wish("join", "otto"))],
        Code.ALREADY_A_MEMBER: [(OPEN, wish("join", "rita"))],
        Code.BANNED: [(OPEN, wish("join", "bea"))],
        Code.INVITE_INVALID: [(OPEN, wish("join", invite="x" * 8))],
        Code.ROOM_FULL: [(FULL, wish("join")), (FULL, wish("join", invite="invite-1"))],
    },
    "leave": {
        Code.ROOM_NOT_FOUND: [(None, wish("leave")), (PRIVATE, wish("leave", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("leave", "eve"))],
        Code.BANNED: [(OPEN, wish("leave", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("leave"))],
        Code.NOT_ALLOWED: [(OPEN, wish("leave", successor="mia")), (direct_room(), wish("leave", "otto"))],
        Code.MEMBER_NOT_FOUND: [(OPEN, wish("leave", "olga", successor="eve"))],
        Code.LAST_OWNER: [(OPEN, wish("leave", "olga"))],
    },
    "add": {
        Code.ROOM_NOT_FOUND: [(None, wish("add")), (PRIVATE, wish("add", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("add", "eve"))],
        Code.BANNED: [(OPEN, wish("add", "bea")), (OPEN, wish("add", user="bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("add"))],
        Code.NOT_ALLOWED: [(OPEN, wish("add", "mia")), (direct_room(), wish("add"))],
        Code.ALREADY_A_MEMBER: [(OPEN, wish("add", user="rita"))],
        Code.ROOM_FULL: [(FULL, wish("add"))],
    },
    "kick": {
        Code.ROOM_NOT_FOUND: [(None, wish("kick")), (PRIVATE, wish("kick", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("kick", "eve"))],
        Code.BANNED: [(OPEN, wish("kick", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("kick"))],
        Code.NOT_ALLOWED: [(OPEN, wish("kick", "mia")), (OPEN, wish("kick", "mona", user="adam"))],
        Code.MEMBER_NOT_FOUND: [(OPEN, wish("kick", user="eve")), (OPEN, wish("kick", user="bea"))],
    },
    "ban": {
        Code.ROOM_NOT_FOUND: [(None, wish("ban")), (PRIVATE, wish("ban", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("ban", "eve"))],
        Code.BANNED: [(OPEN, wish("ban", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("ban"))],
        Code.NOT_ALLOWED: [(OPEN, wish("ban", "mia")), (OPEN, wish("ban", "mona", user="adam"))],
        Code.BAD_FIELD: [(OPEN, wish("ban", until=NOW))],
        Code.TOO_MANY: [(BANS, wish("ban"))],
    },
    "unban": {
        Code.ROOM_NOT_FOUND: [(None, wish("unban")), (PRIVATE, wish("unban", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("unban", "eve"))],
        Code.BANNED: [(OPEN, wish("unban", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("unban"))],
        Code.NOT_ALLOWED: [(OPEN, wish("unban", "mia")), (direct_room(), wish("unban"))],
        Code.NOT_BANNED: [(OPEN, wish("unban", user="rita")), (OPEN, wish("unban", user="eve"))],
    },
    "set_role": {
        Code.ROOM_NOT_FOUND: [(None, wish("set_role")), (PRIVATE, wish("set_role", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("set_role", "eve")), (OPEN, wish("set_role", "eve", user="eve"))],
        Code.BANNED: [(OPEN, wish("set_role", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("set_role"))],
        Code.NOT_ALLOWED: [
            (OPEN, wish("set_role", "mona")),
            (OPEN, wish("set_role", "adam", role="admin")),
            (OPEN, wish("set_role", "mia", user="mia", role="admin")),
            (direct_room(), wish("set_role", user="olga")),
        ],
        Code.MEMBER_NOT_FOUND: [(OPEN, wish("set_role", user="eve"))],
        Code.LAST_OWNER: [(OPEN, wish("set_role", user="olga"))],
    },
    "mute": {
        Code.ROOM_NOT_FOUND: [(None, wish("mute")), (PRIVATE, wish("mute", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("mute", "eve"))],
        Code.BANNED: [(OPEN, wish("mute", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("mute"))],
        Code.NOT_ALLOWED: [(OPEN, wish("mute", "mia")), (OPEN, wish("mute", "mona", user="mona"))],
        Code.MEMBER_NOT_FOUND: [(OPEN, wish("mute", user="eve"))],
        Code.BAD_FIELD: [(OPEN, wish("mute", until=START))],
    },
    "unmute": {
        Code.ROOM_NOT_FOUND: [(None, wish("unmute")), (PRIVATE, wish("unmute", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("unmute", "eve"))],
        Code.BANNED: [(OPEN, wish("unmute", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("unmute"))],
        Code.NOT_ALLOWED: [(OPEN, wish("unmute", "mia", user="mia")), (OPEN, wish("unmute", "mona", user="adam"))],
        Code.MEMBER_NOT_FOUND: [(OPEN, wish("unmute", user="eve"))],
    },
    "invite": {
        Code.ROOM_NOT_FOUND: [(None, wish("invite")), (PRIVATE, wish("invite", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("invite", "eve"))],
        Code.BANNED: [(OPEN, wish("invite", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("invite"))],
        Code.NOT_ALLOWED: [(OPEN, wish("invite", "mia")), (OPEN, wish("invite", "mona", role="moderator"))],
        Code.BAD_FIELD: [
            (OPEN, wish("invite", expires_at=NOW)),
            (OPEN, wish("invite", expires_at=NOW + timedelta(days=366))),
        ],
        Code.TOO_MANY: [(INVITES, wish("invite"))],
    },
    "revoke_invite": {
        Code.ROOM_NOT_FOUND: [(None, wish("revoke_invite")), (PRIVATE, wish("revoke_invite", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("revoke_invite", "eve"))],
        Code.BANNED: [(OPEN, wish("revoke_invite", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("revoke_invite"))],
        Code.NOT_ALLOWED: [(OPEN, wish("revoke_invite", "rita"))],
        Code.INVITE_INVALID: [(OPEN, wish("revoke_invite", invite="x" * 8))],
    },
    "send": {
        Code.ROOM_NOT_FOUND: [(None, wish("send")), (PRIVATE, wish("send", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("send", "eve"))],
        Code.BANNED: [(OPEN, wish("send", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("send"))],
        Code.NOT_ALLOWED: [(OPEN, wish("send", "rita")), (room(), wish("send", "mia", kind="system"))],
        Code.MUTED: [(OPEN, wish("send", "mia"))],
        Code.MESSAGE_NOT_FOUND: [(OPEN, wish("send", reply_to=0)), (OPEN, wish("send", reply_to=99))],
        Code.MEMBER_NOT_FOUND: [(OPEN, wish("send", mentions=["eve"]))],
    },
    "edit": {
        Code.ROOM_NOT_FOUND: [(None, wish("edit")), (PRIVATE, wish("edit", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("edit", "eve"))],
        Code.BANNED: [(OPEN, wish("edit", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("edit"))],
        Code.NOT_ALLOWED: [(OPEN, wish("edit", "rita"))],
        Code.MUTED: [(OPEN, wish("edit", "mia"))],
        Code.MESSAGE_NOT_FOUND: [(OPEN, wish("edit", seq=0)), (OPEN, wish("edit", seq=99))],
    },
    "delete": {
        Code.ROOM_NOT_FOUND: [(None, wish("delete")), (PRIVATE, wish("delete", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("delete", "eve"))],
        Code.BANNED: [(OPEN, wish("delete", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("delete"))],
        Code.NOT_ALLOWED: [(OPEN, wish("delete", "rita"))],
        Code.MESSAGE_NOT_FOUND: [(OPEN, wish("delete", seq=0)), (OPEN, wish("delete", seq=99))],
    },
    "react": {
        Code.ROOM_NOT_FOUND: [(None, wish("react")), (PRIVATE, wish("react", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("react", "eve"))],
        Code.BANNED: [(OPEN, wish("react", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("react"))],
        Code.NOT_ALLOWED: [(OPEN, wish("react", "rita"))],
        Code.MUTED: [(OPEN, wish("react", "mia"))],
        Code.MESSAGE_NOT_FOUND: [(OPEN, wish("react", seq=0)), (OPEN, wish("react", seq=99))],
        Code.TOO_MANY: [(OPEN, wish("react"), KINDS)],
    },
    "unreact": {
        Code.ROOM_NOT_FOUND: [(None, wish("unreact")), (PRIVATE, wish("unreact", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("unreact", "eve"))],
        Code.BANNED: [(OPEN, wish("unreact", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("unreact"))],
        Code.NOT_ALLOWED: [(OPEN, wish("unreact", "rita"))],
        Code.MESSAGE_NOT_FOUND: [(OPEN, wish("unreact", seq=0)), (OPEN, wish("unreact", seq=99))],
    },
    "mark_read": {
        Code.ROOM_NOT_FOUND: [(None, wish("mark_read")), (PRIVATE, wish("mark_read", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("mark_read", "eve")), (CLOSED, wish("mark_read", "eve"))],
        Code.BANNED: [(OPEN, wish("mark_read", "bea"))],
        Code.MESSAGE_NOT_FOUND: [(OPEN, wish("mark_read", seq=99))],
    },
    "mark_delivered": {
        Code.ROOM_NOT_FOUND: [(None, wish("mark_delivered")), (PRIVATE, wish("mark_delivered", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("mark_delivered", "eve"))],
        Code.BANNED: [(OPEN, wish("mark_delivered", "bea"))],
        Code.MESSAGE_NOT_FOUND: [(OPEN, wish("mark_delivered", seq=99))],
    },
    "typing": {
        Code.ROOM_NOT_FOUND: [(None, wish("typing")), (PRIVATE, wish("typing", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("typing", "eve"))],
        Code.BANNED: [(OPEN, wish("typing", "bea"))],
        Code.ROOM_CLOSED: [(CLOSED, wish("typing"))],
        Code.NOT_ALLOWED: [(OPEN, wish("typing", "rita"))],
        Code.MUTED: [(OPEN, wish("typing", "mia"))],
    },
    "set_status": {
        Code.ROOM_NOT_FOUND: [(None, wish("set_status")), (PRIVATE, wish("set_status", "eve"))],
        Code.NOT_A_MEMBER: [(OPEN, wish("set_status", "eve")), (CLOSED, wish("set_status", "eve"))],
        Code.BANNED: [(OPEN, wish("set_status", "bea"))],
        Code.MUTED: [(OPEN, wish("set_status", "mia", mood="m")), (OPEN, wish("set_status", "mia", text="words"))],
    },
    "attach": {
        Code.ROOM_NOT_FOUND: [(None, session("rita")), (PRIVATE, session("eve"))],
        Code.NOT_A_MEMBER: [(OPEN, session("eve"))],
        Code.BANNED: [(OPEN, session("bea"))],
        Code.BAD_FIELD: [(OPEN, session("rita", client="g2/a"))],
    },
    "detach": {},
}

CASES = [
    pytest.param(held, asked, code, target[0] if target else MESSAGE, id=f"{verb}-{code}-{n}")
    for verb, codes in REACHED.items()
    for code, each in codes.items()
    for n, (held, asked, *target) in enumerate(each)
]


def code_of(decision):
    if isinstance(decision, Admission) and decision.refused:
        return decision.refused[0].code
    return decision.code if isinstance(decision, Refusal) else None


def test_every_verb_but_those_of_operators_is_in_the_table():
    assert set(VERBS) == set(COMMANDS) - OPERATOR_VERBS


def test_every_code_of_the_table_is_reached_by_a_case():
    assert {verb: set(codes) for verb, codes in REACHED.items()} == {
        verb: spec.refusals for verb, spec in VERBS.items()
    }


@pytest.mark.parametrize(("held", "asked", "code", "target"), CASES)
def test_the_case_of_each_code(held, asked, code, target):
    assert code_of(decided(held, asked, target=target)) is code


def test_the_table_names_events_and_signals_of_the_contract_one_of_them_for_each_verb():
    for verb, spec in VERBS.items():
        assert (spec.event in EVENTS) != (spec.signal in SIGNALS), verb
    assert {verb for verb, spec in VERBS.items() if spec.event is None} == {*EVENTLESS_VERBS, "attach", "detach"}


@pytest.mark.parametrize("verb", VERBS)
def test_an_accepted_wish_makes_what_the_table_says(verb):
    there = Target("olga", START, kinds={"+1": 1}, reacted={"olga": frozenset({"+1"})})
    decision = decided(None if verb == "create" else OPEN, wish(verb), target=there if verb == "unreact" else MESSAGE)
    match decision:
        case Signalled():
            made = decision.signal.signal
        case Marked():
            made = "receipt"
        case StatusSaid() | Admission() | Dismissal():
            made = "presence"
        case _:
            made = decision.event
    assert made == (VERBS[verb].event or VERBS[verb].signal)
