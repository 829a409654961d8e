"""Who may do what, in which room: tables typed by hand, one letter an answer.

The columns are the owner, an admin, a moderator, a member, a reader, a muted member, a stranger, one who is banned. A
direct room knows owners and strangers only.
"""

import pytest

from schemas.commands import COMMANDS
from schemas.errors import Code
from services.room.decisions import Admission, Refusal
from services.room.model import Room, evolve
from services.room.targets import Target
from tests.unit.room.given import DIRECT, ROOM, START, command, decided, direct_room, event, room_with

LETTERS = {
    "+": None,
    "-": Code.NOT_ALLOWED,
    "a": Code.ALREADY_A_MEMBER,
    "b": Code.BANNED,
    "c": Code.ROOM_CLOSED,
    "e": Code.ROOM_EXISTS,
    "f": Code.BAD_FIELD,
    "g": Code.MEMBER_NOT_FOUND,
    "l": Code.LAST_OWNER,
    "m": Code.MUTED,
    "n": Code.ROOM_NOT_FOUND,
    "s": Code.NOT_A_MEMBER,
}

MATRIX = """
                        open                          closed
                        public    private   direct    public    private   direct
                        oaMmrxsb  oaMmrxsb  os        oaMmrxsb  oaMmrxsb  os

create                  eeeeeeee  eeeeeeee  ef        eeeeeeee  eeeeeeee  ef
update                  ++----sb  ++----nb  +n        ccccccsb  ccccccnb  cn
close                   +-----sb  +-----nb  -n        ccccccsb  ccccccnb  cn

join                    aaaaaa+b  aaaaaanb  -n        cccccccc  ccccccnc  cn
leave                   ++++++sb  ++++++nb  -n        ccccccsb  ccccccnb  cn
add                     +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn
kick                    +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn
ban                     +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn
unban                   +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn
set_role                ++----sb  ++----nb  -n        ccccccsb  ccccccnb  cn
mute                    +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn
unmute                  +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn
invite                  +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn
revoke_invite           +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn

send                    ++++-msb  ++++-mnb  +n        ccccccsb  ccccccnb  cn
send for the room       +++--msb  +++--mnb  +n        ccccccsb  ccccccnb  cn
edit one's own          ++++-msb  ++++-mnb  +n        ccccccsb  ccccccnb  cn
edit another's          +++--msb  +++--mnb  -n        ccccccsb  ccccccnb  cn
delete one's own        ++++-+sb  ++++-+nb  +n        ccccccsb  ccccccnb  cn
delete another's        +++---sb  +++---nb  -n        ccccccsb  ccccccnb  cn
react                   ++++-msb  ++++-mnb  +n        ccccccsb  ccccccnb  cn
unreact                 ++++-+sb  ++++-+nb  +n        ccccccsb  ccccccnb  cn
typing                  ++++-msb  ++++-mnb  +n        ccccccsb  ccccccnb  cn

mark_read               ++++++sb  ++++++nb  +n        ++++++sb  ++++++nb  +n
mark_delivered          ++++++sb  ++++++nb  +n        ++++++sb  ++++++nb  +n
set_status              ++++++sb  ++++++nb  +n        ++++++sb  ++++++nb  +n
attach                  ++++++sb  ++++++nb  +n        ++++++sb  ++++++nb  +n
detach                  ++++++++  ++++++++  ++        ++++++++  ++++++++  ++
inspect                 ++++++++  ++++++++  ++        ++++++++  ++++++++  ++
"""
MANY = ("olga", "adam", "mona", "mia", "rita", "max", "bob", "bea")
TWO = ("olga", "bob")
COLUMNS = (
    *(("public", "open", user) for user in MANY),
    *(("private", "open", user) for user in MANY),
    *(("direct", "open", user) for user in TWO),
    *(("public", "closed", user) for user in MANY),
    *(("private", "closed", user) for user in MANY),
    *(("direct", "closed", user) for user in TWO),
)

FIELDS = {
    "create": {"title": "Again"},
    "update": {"title": "New"},
    "add": {"user": "new"},
    "kick": {"user": "ron"},
    "ban": {"user": "ron"},
    "unban": {"user": "bea"},
    "set_role": {"user": "ron", "role": "member"},
    "mute": {"user": "ron"},
    "unmute": {"user": "ron"},
    "invite": {"role": "reader"},
    "revoke_invite": {"invite": "invite-1"},
    "send": {"text": "hi"},
    "send for the room": {"text": "closing at noon", "kind": "system"},
    "edit one's own": {"seq": 1, "text": "better"},
    "edit another's": {"seq": 1, "text": "better"},
    "delete one's own": {"seq": 1},
    "delete another's": {"seq": 1},
    "react": {"seq": 1, "emoji": "+1"},
    "unreact": {"seq": 1, "emoji": "+1"},
    "mark_read": {"seq": 1},
    "mark_delivered": {"seq": 1},
    "set_status": {"state": "away"},
}


def rows(table):
    """Every row of a table that has answers, as its name and its letters without the gaps."""
    for line in table.splitlines()[1:]:
        name, letters = line[:24].strip(), line[24:].replace(" ", "")
        if name and letters:
            yield name, letters


def cases():
    for name, letters in rows(MATRIX):
        assert len(letters) == len(COLUMNS), name
        for letter, (visibility, state, user) in zip(letters, COLUMNS, strict=True):
            yield pytest.param(name, visibility, state, user, letter, id=f"{name}-{visibility}-{state}-{user}")


def crowded_room(visibility) -> Room:
    """A room with everybody of `MANY` in their place, another owner and another reader."""
    places = {"olga": "owner", "otto": "owner", "adam": "admin", "mona": "moderator", "mia": "member", "max": "member"}
    members = [{"user": user, "role": role} for user, role in {**places, "rita": "reader", "ron": "reader"}.items()]
    return room_with(
        ("member_banned", {"user": "bea"}),
        ("member_changed", {"user": "max", "muted": True}),
        ("invite_created", {"invite": "invite-1", "role": "reader", "expires_at": "2027-01-01T00:00:00Z"}),
        visibility=visibility,
        members=members,
        capacity=20,
    )


def a_room(visibility, state) -> Room:
    held = direct_room() if visibility == "direct" else crowded_room(visibility)
    if state == "open":
        return held
    return evolve(held, event("room_closed", held.seq + 1, room=held.room))


def a_wish(name, visibility, user):
    verb, fields = name.split()[0], dict(FIELDS.get(name, {}))
    if verb in ("attach", "detach"):
        user, fields = "g1", {"sessions": [{"client": "g1/a", "user": user}]}
    if visibility != "direct":
        return command(verb, user, room=ROOM, **fields)
    if "user" in fields:
        fields["user"] = "otto"
    if verb == "create":
        fields |= {"visibility": "direct", "members": ["otto"]}
    return command(verb, user, room=DIRECT, **fields)


def code_of(decision):
    """The code of a refusal, of the whole or of the one session asked for."""
    if isinstance(decision, Admission) and decision.refused:
        return decision.refused[0].code
    return decision.code if isinstance(decision, Refusal) else None


def test_the_matrix_holds_every_verb():
    assert {name.split()[0] for name, _ in rows(MATRIX)} == set(COMMANDS)


@pytest.mark.parametrize(("name", "visibility", "state", "user", "letter"), list(cases()))
def test_the_matrix(name, visibility, state, user, letter):
    others = "otto" if visibility == "direct" else "ron"
    target = Target(others if "another's" in name else user, posted_at=START)
    decision = decided(a_room(visibility, state), a_wish(name, visibility, user), target=target)
    assert code_of(decision) == LETTERS[letter]


RANKS = """
                        whom: owner, admin, moderator, member, reader, one who is no member
who                     oaMmr-

kick owner              -++++g
kick admin              --+++g
kick moderator          ---++g
kick member             ------
kick reader             ------

ban owner               -+++++
ban admin               --++++
ban moderator           ---+++
ban member              ------
ban reader              ------

mute owner              -++++g
mute admin              --+++g
mute moderator          ---++g
mute member             ------
mute reader             ------

unmute owner            -++++g
unmute admin            --+++g
unmute moderator        ---++g
unmute member           ------
unmute reader           ------

set_role owner          -++++g
set_role admin          --+++g
set_role moderator      ------
set_role member         ------
set_role reader         ------

edit owner              -+++++
edit admin              --++++
edit moderator          ---+++
edit member             ------
edit reader             ------

delete owner            -+++++
delete admin            --++++
delete moderator        ---+++
delete member           ------
delete reader           ------
"""
TARGETS = {"o": "otto", "a": "axel", "M": "milo", "m": "max", "r": "ron", "-": "gone"}
ACTORS = {"owner": "olga", "admin": "adam", "moderator": "mona", "member": "mia", "reader": "rita"}
PAIRS = {"owner": "otto", "admin": "axel", "moderator": "milo", "member": "max", "reader": "ron"}
ON_OTHERS = {"set_role": {"role": "reader"}, "edit": {"seq": 1, "text": "better"}, "delete": {"seq": 1}}


def ranked_cases():
    for name, letters in rows(RANKS):
        if name != "who":
            verb, role = name.split()
            for letter, whom in zip(letters, TARGETS.values(), strict=True):
                yield pytest.param(verb, ACTORS[role], whom, letter, id=f"{verb}-{role}-{whom}")


def pairs_room():
    """Two members of every role."""
    members = [{"user": user, "role": role} for pair in (ACTORS, PAIRS) for role, user in pair.items()]
    return room_with(members=members)


@pytest.mark.parametrize(("verb", "actor", "whom", "letter"), list(ranked_cases()))
def test_who_acts_on_whom(verb, actor, whom, letter):
    about = ON_OTHERS.get(verb, {})
    fields = about if "seq" in about else {"user": whom, **about}
    decision = decided(pairs_room(), command(verb, actor, **fields), target=Target(whom, posted_at=START))
    assert code_of(decision) == LETTERS[letter]


GIFTS = """
                        the role given: owner, admin, moderator, member, reader
who                     oaMmr

to a reader, owner      +++++
to a reader, admin      --+++
to a reader, moderator  -----
to a reader, member     -----
to a reader, reader     -----

to oneself, owner       +++++
to oneself, admin       -++++
to oneself, moderator   --+++
to oneself, member      ---++
to oneself, reader      ----+

by invite, owner        ---++
by invite, admin        ---++
by invite, moderator    ---++
by invite, member       -----
by invite, reader       -----
"""
ROLES = ("owner", "admin", "moderator", "member", "reader")


def gift_cases():
    for name, letters in rows(GIFTS):
        if name != "who":
            for letter, given in zip(letters, ROLES, strict=True):
                way, role = name.split(", ")
                yield pytest.param(way, ACTORS[role], given, letter, id=f"{name}-{given}")


@pytest.mark.parametrize(("way", "actor", "given", "letter"), list(gift_cases()))
def test_which_role_is_given_by_whom(way, actor, given, letter):
    if way == "by invite":
        wish = command("invite", actor, role=given)
    else:
        wish = command("set_role", actor, user="ron" if way == "to a reader" else actor, role=given)
    assert code_of(decided(pairs_room(), wish)) == LETTERS[letter]
