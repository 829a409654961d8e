"""What every door does alike: each verb accepted once, and each refusal of `schemas/verbs.py` provoked.

The people of a room: olga owns it, adam is an admin, mona a moderator, mary a member, rita a reader; sam is a stranger,
bert is banned where a behaviour says so. Everyone is a new person for each behaviour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from schemas.commands import EVENTLESS_VERBS
from schemas.errors import Code
from schemas.verbs import VERBS as SPECS
from tests.conformance.doors import VERBS

CAST: Final = ("olga", "adam", "mona", "mary", "rita", "sam", "bert", "zoe")
MEMBERS: Final = {"adam": "admin", "mona": "moderator", "mary": "member", "rita": "reader"}
EVERYBODY: Final = len(MEMBERS) + 1

NOWHERE: Final = 999
"""A seq at which there is no message."""
LONG_AGO: Final = "2001-01-01T00:00:00Z"


class Known(NamedTuple):
    """A value that is known only when the room is there: `message` is the seq of mary's message, `invite` an invite,
    and any other name one of the cast."""

    name: str


class Step(NamedTuple):
    """A command by somebody. Users among the fields are named by `Known`."""

    actor: str
    verb: str
    fields: Mapping[str, Any] = MappingProxyType({})
    times: int = 1


class Behaviour(NamedTuple):
    """After `before`, the command has this outcome: None is accepted. It is said in a room with the cast (`cast`), in
    one that is not there (`absent`), or in a direct one of olga and mary (`direct`)."""

    step: Step
    code: Code | None = None
    before: tuple[Step, ...] = ()
    room: str = "cast"

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.step.verb}: {self.code or 'accepted'}"


def _user(name: str) -> dict[str, Any]:
    return {"user": Known(name)}


MESSAGE: Final = {"seq": Known("message")}
REACTION: Final = {**MESSAGE, "emoji": "+1"}
BAN_BERT: Final = Step("mona", "ban", _user("bert"))
MUTE_MARY: Final = Step("mona", "mute", _user("mary"))
CLOSE: Final = Step("olga", "close")
FILL: Final = Step("olga", "update", {"capacity": EVERYBODY})
INVITE: Final = Step("mona", "invite")
DIRECT: Final = {"title": "The two of us", "visibility": "direct", "members": [Known("mary")]}

ACCEPTED: Final = {
    "create": Behaviour(Step("olga", "create", {"title": "A room", "members": [Known("mary")]}), room="absent"),
    "update": Behaviour(Step("adam", "update", {"topic": "Something else"})),
    "close": Behaviour(Step("olga", "close")),
    "join": Behaviour(Step("sam", "join")),
    "leave": Behaviour(Step("mary", "leave")),
    "add": Behaviour(Step("mona", "add", _user("sam"))),
    "kick": Behaviour(Step("mona", "kick", _user("mary"))),
    "ban": Behaviour(Step("mona", "ban", _user("mary"))),
    "unban": Behaviour(Step("mona", "unban", _user("bert")), before=(BAN_BERT,)),
    "set_role": Behaviour(Step("adam", "set_role", {**_user("mary"), "role": "reader"})),
    "mute": Behaviour(MUTE_MARY),
    "unmute": Behaviour(Step("mona", "unmute", _user("mary")), before=(MUTE_MARY,)),
    "invite": Behaviour(INVITE),
    "revoke_invite": Behaviour(Step("mona", "revoke_invite", {"invite": Known("invite")}), before=(INVITE,)),
    "send": Behaviour(Step("mary", "send", {"text": "hello", "metadata": {"a": 1}})),
    "edit": Behaviour(Step("mary", "edit", {**MESSAGE, "text": "better"})),
    "delete": Behaviour(Step("mary", "delete", MESSAGE)),
    "react": Behaviour(Step("mary", "react", REACTION)),
    "unreact": Behaviour(Step("mary", "unreact", REACTION), before=(Step("mary", "react", REACTION),)),
    "mark_read": Behaviour(Step("rita", "mark_read", MESSAGE)),
    "mark_delivered": Behaviour(Step("rita", "mark_delivered", MESSAGE)),
    "typing": Behaviour(Step("mary", "typing", {"active": True})),
    "set_status": Behaviour(Step("rita", "set_status", {"state": "away"})),
}
"""Each verb once, by whoever has just the standing for it."""

SHAPED: Final = {verb: behaviour.step.fields for verb, behaviour in ACCEPTED.items()} | {
    "revoke_invite": {"invite": "no-such-invite"},
}
"""Fields for each verb with nothing wrong in them."""

LATER: Final = "2031-01-01T00:00:00Z"
TOMORROW: Final = (datetime.now(UTC) + timedelta(days=1)).isoformat()
WHOLE: Final = ACCEPTED | {
    "update": Behaviour(
        Step(
            "adam",
            "update",
            {
                "title": "Other",
                "topic": "Else",
                "capacity": 50,
                "visibility": "private",
                "metadata": {"a": [1, None, "é"]},
            },
        )
    ),
    "join": Behaviour(Step("sam", "join", {"invite": Known("invite")}), before=(INVITE,)),
    "leave": Behaviour(Step("olga", "leave", {"successor": Known("mary")})),
    "kick": Behaviour(Step("mona", "kick", {**_user("mary"), "reason": "Why & wherefore?"})),
    "ban": Behaviour(Step("mona", "ban", {**_user("mary"), "reason": "Why & wherefore?", "until": LATER})),
    "mute": Behaviour(Step("mona", "mute", {**_user("mary"), "until": LATER})),
    "invite": Behaviour(Step("mona", "invite", {"role": "reader", "expires_at": TOMORROW, "max_uses": 3})),
    "send": Behaviour(
        Step(
            "mona",
            "send",
            {
                "text": "hello",
                "kind": "system",
                "metadata": {"a": [1, None, "é"]},
                "reply_to": Known("message"),
                "mentions": [Known("rita"), Known("mary")],
            },
        )
    ),
    "react": Behaviour(Step("mary", "react", {**MESSAGE, "emoji": "👩‍👩‍👧"})),
}
"""Each verb that makes an event in a room, with every field that it may have."""

_LONG: Final = "x" * 20_000
_NO_ID: Final = "no id"
MALFORMED: Final = tuple(
    (Step(actor, verb, SHAPED[verb] | wrong), code)
    for actor, verb, wrong, code in (
        ("olga", "create", {"title": " "}, Code.BAD_FIELD),
        ("olga", "create", {"title": _LONG}, Code.TOO_LARGE),
        ("olga", "create", {"capacity": 0}, Code.BAD_FIELD),
        ("olga", "create", {"visibility": "secret"}, Code.BAD_FIELD),
        ("olga", "create", {"members": [_NO_ID]}, Code.BAD_FIELD),
        ("olga", "create", {"metadata": {"a": _LONG}}, Code.TOO_LARGE),
        ("olga", "create", {"retention_days": 0}, Code.BAD_FIELD),
        ("adam", "update", {"title": ""}, Code.BAD_FIELD),
        ("adam", "update", {"topic": _LONG}, Code.TOO_LARGE),
        ("adam", "update", {"capacity": "9"}, Code.BAD_FIELD),
        ("adam", "update", {"metadata": {"a": 2**64}}, Code.BAD_FIELD),
        ("sam", "join", {"invite": "short"}, Code.BAD_FIELD),
        ("olga", "leave", {"successor": _NO_ID}, Code.BAD_FIELD),
        ("mona", "add", {"user": _NO_ID}, Code.BAD_FIELD),
        ("mona", "kick", {"user": _NO_ID}, Code.BAD_FIELD),
        ("mona", "kick", {"reason": "x" * 501}, Code.TOO_LARGE),
        ("mona", "ban", {"reason": "x" * 501}, Code.TOO_LARGE),
        ("mona", "ban", {"until": "tomorrow"}, Code.BAD_FIELD),
        ("mona", "unban", {"user": "x" * 129}, Code.BAD_FIELD),
        ("adam", "set_role", {"role": "king"}, Code.BAD_FIELD),
        ("mona", "mute", {"until": 7}, Code.BAD_FIELD),
        ("mona", "unmute", {"user": _NO_ID}, Code.BAD_FIELD),
        ("mona", "invite", {"max_uses": 0}, Code.BAD_FIELD),
        ("mona", "invite", {"role": "king"}, Code.BAD_FIELD),
        ("mona", "revoke_invite", {"invite": "short"}, Code.BAD_FIELD),
        ("mary", "send", {"text": " "}, Code.BAD_FIELD),
        ("mary", "send", {"text": _LONG}, Code.TOO_LARGE),
        ("mary", "send", {"kind": "song"}, Code.BAD_FIELD),
        ("mary", "send", {"reply_to": -1}, Code.BAD_FIELD),
        ("mary", "send", {"mentions": ["x"] * 51}, Code.TOO_LARGE),
        ("mary", "edit", {"text": " "}, Code.BAD_FIELD),
        ("mary", "edit", {"text": _LONG}, Code.TOO_LARGE),
        ("mary", "delete", {"seq": -1}, Code.BAD_FIELD),
        ("mary", "react", {"emoji": " "}, Code.BAD_FIELD),
        ("mary", "react", {"emoji": "x" * 33}, Code.TOO_LARGE),
        ("mary", "unreact", {"emoji": "x" * 33}, Code.TOO_LARGE),
        ("rita", "mark_read", {"seq": "1"}, Code.BAD_FIELD),
        ("rita", "mark_delivered", {"seq": True}, Code.BAD_FIELD),
        ("mary", "typing", {"active": "yes"}, Code.BAD_FIELD),
        ("rita", "set_status", {"state": "asleep"}, Code.BAD_FIELD),
        ("rita", "set_status", {"mood": "x" * 65}, Code.TOO_LARGE),
        ("rita", "set_status", {"text": "x" * 501}, Code.TOO_LARGE),
    )
)
"""A field of every verb that has any, in a shape that no room is asked about."""

SPECIAL: Final = (
    # the room itself
    Behaviour(
        Step("olga", "create", {"title": "x", "visibility": "direct", "members": [Known("mary"), Known("adam")]}),
        Code.BAD_FIELD,
        room="absent",
    ),
    Behaviour(Step("olga", "create", DIRECT), Code.ROOM_EXISTS, room="direct"),
    Behaviour(
        Step("olga", "create", {"title": "x", "capacity": 1, "members": [Known("mary")]}), Code.ROOM_FULL, room="absent"
    ),
    Behaviour(Step("adam", "update"), Code.BAD_FIELD),
    # who comes and goes
    Behaviour(Step("sam", "join"), Code.ROOM_NOT_FOUND, room="absent"),
    Behaviour(Step("sam", "join"), Code.ROOM_CLOSED, (CLOSE,)),
    Behaviour(Step("mary", "join"), Code.NOT_ALLOWED, room="direct"),
    Behaviour(Step("mary", "join"), Code.ALREADY_A_MEMBER),
    Behaviour(Step("bert", "join"), Code.BANNED, (BAN_BERT,)),
    Behaviour(Step("sam", "join", {"invite": "no-such-invite"}), Code.INVITE_INVALID),
    Behaviour(Step("sam", "join"), Code.ROOM_FULL, (FILL,)),
    Behaviour(Step("mary", "leave", {"successor": Known("rita")}), Code.NOT_ALLOWED),
    Behaviour(Step("olga", "leave", {"successor": Known("sam")}), Code.MEMBER_NOT_FOUND),
    Behaviour(Step("olga", "leave"), Code.LAST_OWNER),
    # what is done to others
    Behaviour(Step("mona", "add", _user("mary")), Code.ALREADY_A_MEMBER),
    Behaviour(Step("mona", "add", _user("sam")), Code.ROOM_FULL, (FILL,)),
    Behaviour(Step("mona", "kick", _user("sam")), Code.MEMBER_NOT_FOUND),
    Behaviour(Step("mona", "ban", {**_user("mary"), "until": LONG_AGO}), Code.BAD_FIELD),
    Behaviour(Step("mona", "unban", _user("sam")), Code.NOT_BANNED),
    Behaviour(Step("adam", "set_role", {**_user("sam"), "role": "reader"}), Code.MEMBER_NOT_FOUND),
    Behaviour(Step("olga", "set_role", {**_user("olga"), "role": "member"}), Code.LAST_OWNER),
    Behaviour(Step("mona", "mute", _user("sam")), Code.MEMBER_NOT_FOUND),
    Behaviour(Step("mona", "mute", {**_user("mary"), "until": LONG_AGO}), Code.BAD_FIELD),
    Behaviour(Step("mona", "unmute", _user("sam")), Code.MEMBER_NOT_FOUND),
    Behaviour(Step("mona", "invite", {"expires_at": LONG_AGO}), Code.BAD_FIELD),
    Behaviour(INVITE, Code.TOO_MANY, (INVITE._replace(times=100),)),
    Behaviour(Step("mona", "revoke_invite", {"invite": "no-such-invite"}), Code.INVITE_INVALID),
    # what is said
    Behaviour(Step("mary", "send", {"text": "x", "reply_to": NOWHERE}), Code.MESSAGE_NOT_FOUND),
    Behaviour(Step("mary", "send", {"text": "x", "mentions": [Known("sam")]}), Code.MEMBER_NOT_FOUND),
    Behaviour(Step("mary", "edit", {"seq": NOWHERE, "text": "x"}), Code.MESSAGE_NOT_FOUND),
    Behaviour(Step("mary", "delete", {"seq": NOWHERE}), Code.MESSAGE_NOT_FOUND),
    Behaviour(Step("mary", "react", {"seq": NOWHERE, "emoji": "+1"}), Code.MESSAGE_NOT_FOUND),
    Behaviour(
        Step("mary", "react", REACTION),
        Code.TOO_MANY,
        tuple(Step("mary", "react", {**MESSAGE, "emoji": f"kind {number}"}) for number in range(20)),
    ),
    Behaviour(Step("mary", "unreact", {"seq": NOWHERE, "emoji": "+1"}), Code.MESSAGE_NOT_FOUND),
    Behaviour(Step("rita", "mark_read", {"seq": NOWHERE}), Code.MESSAGE_NOT_FOUND),
    Behaviour(Step("rita", "mark_delivered", {"seq": NOWHERE}), Code.MESSAGE_NOT_FOUND),
)
"""Refusals that are a verb's own."""

UNPROVOKED: Final = frozenset({("ban", Code.TOO_MANY)})
"""A room has to hold 10,000 bans first: proved where the room decides (tests/unit/room)."""


IN_WORDS: Final = {"set_status": {"text": "back soon"}}
"""What makes a verb speak that need not: only then a voice is wanted."""


def _of_members(verb: str) -> Iterator[Behaviour]:
    """What any verb of members is refused with, before its own details are looked at."""
    fields = SHAPED[verb]
    yield Behaviour(Step("mary", verb, fields), Code.ROOM_NOT_FOUND, room="absent")
    yield Behaviour(Step("sam", verb, fields), Code.NOT_A_MEMBER)
    yield Behaviour(Step("bert", verb, fields), Code.BANNED, (BAN_BERT,))
    yield Behaviour(Step("olga", verb, fields), Code.ROOM_CLOSED, (CLOSE,))
    yield Behaviour(Step("mary", verb, {**fields, **IN_WORDS.get(verb, {})}), Code.MUTED, (MUTE_MARY,))
    if verb != "leave":
        yield Behaviour(Step("rita", verb, fields), Code.NOT_ALLOWED)


REFUSED: Final = (
    tuple(
        behaviour
        for verb in VERBS
        if verb not in ("create", "join")
        for behaviour in _of_members(verb)
        if behaviour.code in SPECS[verb].refusals
    )
    + SPECIAL
)

REPEATABLE: Final = frozenset(VERBS) - EVENTLESS_VERBS
"""Verbs whose first answer is given again to a repeated command."""
