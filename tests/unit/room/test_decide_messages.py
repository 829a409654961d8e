"""Messages: said, changed, taken back, reacted to."""

from datetime import timedelta

import pytest

from schemas import limits
from schemas.errors import Code
from schemas.events import MessageDeleted, MessageEdited, MessagePosted, ReactionAdded, ReactionRemoved
from schemas.roles import MessageKind
from services.room.decisions import Refusal, Unchanged
from services.room.model import TICK, evolve
from services.room.targets import Target
from tests.unit.room.given import MESSAGE, NOW, START, command, decided, refused, room, room_with

ABOUT_MESSAGES = {
    "send": {"text": "hi", "reply_to": 1},
    "edit": {"seq": 1, "text": "better"},
    "delete": {"seq": 1},
    "react": {"seq": 1, "emoji": "+1"},
    "unreact": {"seq": 1, "emoji": "+1"},
}


def about(verb, seq=1, actor="mia"):
    fields = {**ABOUT_MESSAGES[verb], "reply_to" if verb == "send" else "seq": seq}
    return command(verb, actor, **fields)


class TestSend:
    def test_a_message_is_posted_with_all_that_was_said(self):
        wish = command("send", text="hi @rita", kind="media", metadata={"a": 1}, reply_to=1, mentions=["rita"])
        decision = decided(room(), wish)
        assert isinstance(decision, MessagePosted)
        assert decision.message_id == f"msg_{int(NOW.timestamp()) * 1_000_000 + 1:016d}" + decision.message_id[-3:]
        same = {"text", "kind", "metadata", "reply_to", "mentions", "actor", "command_id", "room"}
        assert decision.model_dump(include=same) == wish.model_dump(include=same)
        assert (decision.seq, decision.at) == (2, NOW)
        assert (decision.edited_seq, decision.deleted, decision.reactions) == (None, None, None)

    def test_a_moderator_speaks_for_the_room(self):
        decision = decided(room(), command("send", "mona", text="maintenance at noon", kind="system"))
        assert isinstance(decision, MessagePosted)
        assert decision.kind is MessageKind.SYSTEM

    @pytest.mark.parametrize("verb", ["send", "typing", "edit", "react"])
    def test_a_muted_member_has_no_voice_until_the_mute_ends(self, verb):
        until = NOW + timedelta(minutes=1)
        muted = room_with(("member_changed", {"user": "mia", "muted": True, "until": until}))
        wish = command(verb) if verb == "typing" else about(verb)
        assert refused(muted, wish) is Code.MUTED
        assert not isinstance(decided(muted, wish, now=until), Refusal)

    def test_only_members_are_mentioned(self):
        assert refused(room(), command("send", text="hi", mentions=["mia", "bob"])) is Code.MEMBER_NOT_FOUND

    def test_moments_and_message_ids_grow_even_when_the_clock_goes_back(self):
        held = room()
        first = decided(held, command("send", text="one"), now=START - timedelta(days=1))
        assert isinstance(first, MessagePosted)
        assert first.at == held.updated_at + TICK
        second = decided(evolve(held, first), command("send", text="two"), now=START - timedelta(days=1))
        assert isinstance(second, MessagePosted)
        assert second.message_id > first.message_id


@pytest.mark.parametrize("verb", ABOUT_MESSAGES)
class TestTargets:
    @pytest.mark.parametrize("seq", [0, 2, 2**53 - 1])
    def test_a_seq_that_does_not_exist_has_no_message(self, verb, seq):
        assert refused(room(), about(verb, seq), target=None) is Code.MESSAGE_NOT_FOUND

    def test_something_that_happened_is_no_message(self, verb):
        assert refused(room(), about(verb), target=Target()) is Code.MESSAGE_NOT_FOUND

    def test_a_deleted_message_is_there_no_more(self, verb):
        gone = Target("mia", START, deleted=True)
        assert refused(room(), about(verb), target=gone) is Code.MESSAGE_NOT_FOUND

    def test_a_message_older_than_the_room_keeps_it_is_as_if_deleted(self, verb):
        held, ends = room(retention_days=30), START + timedelta(days=30)
        assert refused(held, about(verb), now=ends) is Code.MESSAGE_NOT_FOUND
        assert not isinstance(decided(held, about(verb), now=ends - TICK), Refusal)
        assert not isinstance(decided(room(), about(verb), now=ends), Refusal)

    def test_a_message_that_is_there_will_do(self, verb):
        assert not isinstance(decided(room(), about(verb)), Refusal)


class TestEditAndDelete:
    def test_an_edit_names_the_message_and_its_new_text(self):
        decision = decided(room(), about("edit"))
        assert isinstance(decision, MessageEdited)
        assert (decision.seq, decision.target, decision.text, decision.actor) == (2, 1, "better", "mia")

    def test_a_delete_names_the_message(self):
        decision = decided(room(), about("delete"))
        assert isinstance(decision, MessageDeleted)
        assert (decision.seq, decision.target) == (2, 1)

    @pytest.mark.parametrize("verb", ["edit", "delete"])
    def test_standing_is_that_of_today_not_of_when_it_was_said(self, verb):
        lowered = room_with(("member_changed", {"user": "adam", "role": "reader"}))
        assert not isinstance(decided(lowered, about(verb, actor="mona"), target=Target("adam", START)), Refusal)
        left = room_with(("member_left", {"user": "olga", "reason": "left", "successor": "adam"}))
        assert not isinstance(decided(left, about(verb, actor="mona"), target=Target("olga", START)), Refusal)

    @pytest.mark.parametrize("verb", ["edit", "delete"])
    def test_nobody_learns_of_a_message_that_is_not_there_by_being_refused_otherwise(self, verb):
        assert refused(room(), about(verb), target=Target("olga", START, deleted=True)) is Code.MESSAGE_NOT_FOUND


class TestReactions:
    def test_a_reaction_is_put_and_taken_back(self):
        put = decided(room(), about("react"))
        assert isinstance(put, ReactionAdded)
        assert (put.target, put.emoji, put.actor) == (1, "+1", "mia")
        there = Target("olga", START, kinds={"+1": 1}, reacted={"mia": frozenset({"+1"})})
        taken = decided(room(), about("unreact"), target=there)
        assert isinstance(taken, ReactionRemoved)
        assert (taken.target, taken.emoji) == (1, "+1")

    def test_what_is_there_already_or_is_not_there_makes_no_event(self):
        there = Target("olga", START, kinds={"+1": 1}, reacted={"mia": frozenset({"+1"})})
        assert decided(room(), about("react"), target=there) == Unchanged()
        assert decided(room(), about("unreact"), target=MESSAGE) == Unchanged()

    def test_another_member_s_reaction_is_not_one_s_own(self):
        there = Target("olga", START, kinds={"+1": 1}, reacted={"rita": frozenset({"+1"})})
        assert isinstance(decided(room(), about("react"), target=there), ReactionAdded)
        assert decided(room(), about("unreact"), target=there) == Unchanged()

    def test_a_message_holds_so_many_kinds_and_each_as_often_as_wished(self):
        kinds = {f"e{n}": 1 for n in range(limits.REACTION_KINDS - 1)}
        assert isinstance(decided(room(), about("react"), target=Target("olga", START, kinds=kinds)), ReactionAdded)
        full = Target("olga", START, kinds={**kinds, "e": 1})
        assert refused(room(), about("react"), target=full) is Code.TOO_MANY
        again = command("react", seq=1, emoji="e0")
        assert isinstance(decided(room(), again, target=full), ReactionAdded)


def test_nobody_writes_into_a_closed_room_even_to_take_back():
    closed = room_with(("room_closed", {}))
    for verb in ABOUT_MESSAGES:
        assert refused(closed, about(verb)) is Code.ROOM_CLOSED
