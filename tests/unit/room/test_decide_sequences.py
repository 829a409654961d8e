"""Commands as they come, at whatever moment the clock says: what holds of a room whatever is wished of it.

Beside the room runs a second, plain account of its messages, and history's fold of the same log.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schemas import limits
from schemas.commands import COMMAND, COMMANDS
from schemas.events import EVENT, EVENTS
from schemas.roles import Role, Visibility
from schemas.state import RoomState
from schemas.verbs import VERBS
from services.history.fold import fold
from services.room.decide import decide
from services.room.decisions import Admission, Circumstances, Marked, Refusal
from services.room.model import Room, evolve, marked
from services.room.roles import STANDING
from services.room.targets import Target, Targets, target_of
from tests.unit.room.given import DIRECT, NOW, ROOM

FEW = {"INVITES": 2, "BANS": 1, "FORMERS": 1, "REACTION_KINDS": 1}
"""Bounds that a short story can reach."""
DAY = timedelta(days=1)
USERS = ("olga", "otto", "adam", "mona", "mia", "rita", "eve")

users = st.sampled_from(USERS)
roles = st.sampled_from([role.value for role in Role])
seqs = st.integers(0, 30)
moments = st.integers(-48, 400).map(lambda hours: NOW + timedelta(hours=hours))
invites = st.integers(1, 6).map("invite-{:03}".format)
emoji = st.sampled_from(("+1", "-1", "ok"))
steps = st.sampled_from([timedelta(seconds=seconds) for seconds in (0, 1, 1, 60, 3600, 90_000, -1, -4000)])


def wish(verb, **fields):
    """A strategy for the own fields of one verb."""
    return st.fixed_dictionaries({"type": st.just(verb)} | fields)


def sessions():
    return st.lists(st.fixed_dictionaries({"client": st.sampled_from(("g1/a", "g2/b")), "user": users}), min_size=1)


CREATE = {
    "title": st.just("General"),
    "visibility": st.sampled_from([each.value for each in Visibility]),
    "members": st.lists(users, max_size=4),
    "capacity": st.integers(1, 7),
    "retention_days": st.none() | st.just(1),
}
WISHES = {
    "create": wish("create", **CREATE),
    "update": wish(
        "update",
        title=st.none() | st.sampled_from(("General", "Talk")),
        topic=st.none() | st.sampled_from(("", "us")),
        capacity=st.none() | st.integers(1, 7),
        visibility=st.none() | st.sampled_from([each.value for each in Visibility]),
        metadata=st.none() | st.sampled_from(({}, {"k": 1}, {"k": True})),
    ),
    "close": wish("close"),
    "join": wish("join", invite=st.none() | invites),
    "leave": wish("leave", successor=st.none() | users),
    "add": wish("add", user=users),
    "kick": wish("kick", user=users),
    "ban": wish("ban", user=users, until=st.none() | moments),
    "unban": wish("unban", user=users),
    "set_role": wish("set_role", user=users, role=roles),
    "mute": wish("mute", user=users, until=st.none() | moments),
    "unmute": wish("unmute", user=users),
    "invite": wish("invite", role=roles, max_uses=st.none() | st.integers(1, 2), expires_at=st.none() | moments),
    "revoke_invite": wish("revoke_invite", invite=invites),
    "send": wish(
        "send",
        text=st.just("hi"),
        kind=st.sampled_from(("text", "system")),
        reply_to=st.none() | seqs,
        mentions=st.lists(users, max_size=2),
    ),
    "edit": wish("edit", seq=seqs, text=st.just("better")),
    "delete": wish("delete", seq=seqs),
    "react": wish("react", seq=seqs, emoji=emoji),
    "unreact": wish("unreact", seq=seqs, emoji=emoji),
    "mark_read": wish("mark_read", seq=seqs),
    "mark_delivered": wish("mark_delivered", seq=seqs),
    "typing": wish("typing", active=st.booleans()),
    "set_status": wish("set_status", state=st.sampled_from(("online", "offline"))),
    "attach": wish("attach", sessions=sessions()),
    "detach": wish("detach", sessions=sessions()),
    "inspect": wish("inspect"),
}
VISIBILITIES = ("public", "public", "private", "private", "direct")
SPOKEN = ("send", "send", "send", "react", "react", "unreact", "edit", "delete", "mark_read", "mark_delivered")
"""What a room lives on, in a share that lets stories get somewhere."""
RULED = ("update", "join", "join", "leave", "add", "add", "kick", "ban", "unban", "set_role", "mute", "unmute")
RARE = (
    *("invite", "invite", "invite", "invite", "revoke_invite", "typing", "set_status", "attach", "detach", "inspect"),
    *("invite", "invite", "invite", "invite", "revoke_invite", "typing", "set_status", "create", "close"),
)


@dataclass
class Said:
    """A message, told without the room's help."""

    author: str
    at: datetime
    deleted: bool = False
    reactions: set[tuple[str, str]] = field(default_factory=set)

    def kinds(self):
        return {kind for _, kind in self.reactions}


class RoomStory(RuleBasedStateMachine):
    """One room from before its beginning."""

    def __init__(self):
        super().__init__()
        self.few = patch.multiple(limits, **FEW)
        self.few.start()
        self.name, self.now, self.told = ROOM, NOW, 0
        self.room: Room | None = None
        self.state: RoomState | None = None
        self.targets = Targets(10_000)
        self.events: list[Any] = []
        self.said: dict[int, Said] = {}

    def teardown(self):
        self.few.stop()

    @initialize(visibility=st.sampled_from(VISIBILITIES), fields=wish("create", **CREATE))
    def begin(self, visibility, fields):
        """Most stories have a room from the start."""
        self.name = DIRECT if visibility == "direct" else ROOM
        members = ["otto"] if visibility == "direct" else sorted({*fields["members"], "mona"})
        capacity = max(fields["capacity"], len(members) + 1)
        more = {"title": "General", "visibility": visibility, "members": members, "capacity": capacity}
        self.hear({**fields, **more}, "olga", timedelta(0))
        for actor in ("olga", "otto", "mona"):
            self.hear({"type": "send", "text": "hello"}, actor, timedelta(seconds=1))

    @rule(data=st.data(), verbs=st.sampled_from((SPOKEN, SPOKEN, RULED, RULED, RARE)), actor=users, step=steps)
    def somebody_wishes(self, data, verbs, actor, step):
        """Mostly a member, about something that is there: else nearly everything would be refused."""
        verb = data.draw(st.sampled_from(verbs), "verb")
        fields = {"actor": actor, **data.draw(WISHES[verb], "fields")}
        for there in self.there(verb, fields):
            if data.draw(st.sampled_from((True, True, True, False)), "aimed"):
                fields |= data.draw(st.sampled_from(there), "at")
        self.hear(fields, "g1" if verb in ("attach", "detach") else fields["actor"], step)

    def there(self, verb, fields):
        """Fields that hit what is there, by what they are about."""
        if self.room is None:
            return
        members, owners = sorted(self.room.members), self.room.owners()
        people = {
            "add": sorted({*USERS, *members} - {*members}),
            "ban": sorted({*USERS} - {*owners}),
            "unban": sorted(self.room.bans),
            "unmute": self.muted(),
        }
        pools = {
            "actor": [] if verb == "join" else [*owners, *owners, *members, *sorted(self.room.bans)],
            "user": people.get(verb, members) if "user" in fields else [],
            "invite": sorted(self.room.invites) if fields.get("invite") else [],
            "seq": sorted(self.said) if "seq" in fields else [],
            "reply_to": sorted(self.said) if fields.get("reply_to") else [],
        }
        yield from ([{name: each} for each in pool] for name, pool in pools.items() if pool)
        put = [
            {"seq": seq, "actor": user, "emoji": kind}
            for seq, said in self.said.items()
            for user, kind in sorted(said.reactions)
        ]
        if verb == "unreact" and put:
            yield put

    def muted(self):
        return [user for user in sorted(self.room.members) if self.room.members[user].muted]

    def hear(self, fields, actor, step):
        """A command comes, and what the room makes of it is held against all that must be so."""
        self.now += step
        self.told += 1
        body = {"room": self.name, "command_id": f"k{self.told}", **fields, "actor": actor}
        command = COMMAND.validate_python(body)
        decision = decide(self.room, command, Circumstances(self.now, self.target(command), f"invite-{self.told:03}"))
        self.check_against_the_table(command, decision)
        if isinstance(decision, tuple(EVENTS.values())):
            self.take(command, decision)
        elif isinstance(decision, Marked):
            self.room = marked(self.room, decision.receipt)
            self.state = fold(self.state, decision.receipt)
            member = self.room.members[actor]
            assert (member.read, member.delivered) == (decision.receipt.read, decision.receipt.delivered)

    def target(self, command):
        """As the writer of a room has it: it asks about what can exist, and then knows."""
        seq = target_of(command)
        if seq is None or self.room is None or not 0 < seq <= self.room.seq:
            return None
        return self.targets.find(self.name, seq) or Target()

    def check_against_the_table(self, command, decision):
        if command.type == "inspect":
            return
        spec = VERBS[command.type]
        codes = [each.code for each in decision.refused] if isinstance(decision, Admission) else []
        codes += [decision.code] if isinstance(decision, Refusal) else []
        assert set(codes) <= spec.refusals, command.type
        assert getattr(decision, "event", spec.event) == spec.event

    def take(self, command, event):
        assert EVENT.validate_json(event.to_json()) == event
        getattr(self, f"before_{event.event}", lambda *_: None)(event)
        self.room = evolve(self.room, event)
        self.state = fold(self.state, event)
        self.targets.receive_event(event)
        self.events.append(event)
        assert (event.actor, event.command_id) == (command.actor, command.command_id)

    def before_message_posted(self, event):
        if event.reply_to is not None:
            self.message_there(event.reply_to)
        assert set(event.mentions) <= set(self.room.members)
        self.said[event.seq] = Said(event.actor, event.at)

    def before_message_edited(self, event):
        self.ruled(self.message_there(event.target), event.actor)

    def before_message_deleted(self, event):
        message = self.message_there(event.target)
        self.ruled(message, event.actor)
        message.deleted = True
        message.reactions.clear()

    def before_reaction_added(self, event):
        message = self.message_there(event.target)
        assert (event.actor, event.emoji) not in message.reactions
        message.reactions.add((event.actor, event.emoji))
        assert len(message.kinds()) <= FEW["REACTION_KINDS"]

    def before_reaction_removed(self, event):
        self.message_there(event.target).reactions.remove((event.actor, event.emoji))

    def before_member_joined(self, event):
        assert event.user not in self.room.members
        assert not self.room.is_banned(event.user, self.now)

    def before_member_changed(self, event):
        present = self.room.members[event.user]
        assert event.role is not present.role
        assert event.user == event.actor or STANDING[self.room.members[event.actor].role] > STANDING[present.role]

    def message_there(self, seq):
        """The message, which is neither deleted nor older than the room keeps it."""
        message = self.said[seq]
        assert not message.deleted
        assert self.room.retention_days is None or self.now - message.at < self.room.retention_days * DAY
        return message

    def ruled(self, message, actor):
        """Who may: the author, or a moderator and above over those of lower standing."""
        mine = STANDING[self.room.members[actor].role]
        author = self.room.members.get(message.author)
        theirs = STANDING[author.role] if author else 0
        assert message.author == actor or (mine >= STANDING[Role.MODERATOR] and mine > theirs)

    @invariant()
    def i3_seqs_have_no_hole_and_moments_grow(self):
        assert [each.seq for each in self.events] == list(range(1, len(self.events) + 1))
        moments = [each.at for each in self.events]
        assert moments == sorted(set(moments))
        ids = [each.message_id for each in self.events if each.event == "message_posted"]
        assert ids == sorted(set(ids))

    @invariant()
    def i7_history_s_snapshot_is_the_same_room(self):
        if self.room is not None:
            assert self.room.to_state() == self.state
            assert Room.from_state(RoomState.model_validate_json(self.state.to_json())) == self.room

    @invariant()
    def a_room_with_members_has_an_owner(self):
        if self.room is not None and self.room.members:
            assert self.room.owners()

    @invariant()
    def everything_is_bounded(self):
        if self.room is not None:
            assert len(self.room.members) <= self.room.capacity
            assert len(self.room.invites) <= FEW["INVITES"]
            assert len(self.room.bans) <= FEW["BANS"]
            assert len(self.room.formers) <= FEW["FORMERS"]
            assert not self.room.formers.keys() & self.room.members.keys()

    @invariant()
    def marks_follow_each_other(self):
        for member in self.room.members.values() if self.room is not None else ():
            assert member.read <= member.delivered <= self.room.seq

    @invariant()
    def a_direct_room_stays_two_owners(self):
        if self.room is None:
            return
        assert (self.room.visibility is Visibility.DIRECT) == (self.name == DIRECT)
        if self.name == DIRECT:
            assert {user: member.role for user, member in self.room.members.items()} == dict.fromkeys(
                ("olga", "otto"), Role.OWNER
            )
            assert (self.room.capacity, self.room.closed, self.room.bans, self.room.invites) == (2, False, {}, {})

    @invariant()
    def the_writer_knows_of_messages_what_was_said(self):
        for seq, message in self.said.items():
            known = self.targets.find(self.name, seq)
            assert (known.author, known.deleted) == (message.author, message.deleted)
            assert set(known.kinds) == message.kinds()
            assert {(user, kind) for user, kinds in known.reacted.items() for kind in kinds} == message.reactions


RoomStory.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestRoomStory = RoomStory.TestCase


def test_every_verb_is_wished_for():
    assert set(WISHES) == set(COMMANDS) == {*SPOKEN, *RULED, *RARE}
