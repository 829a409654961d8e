"""What a writer knows of messages: learned from events and answers, bounded, as new as what is decided from it."""

import pytest

from schemas.queries import TargetAnswer
from services.room.targets import Target, Targets, asks_for_reactions, evolve_target, target_of
from tests.unit.room.given import ROOM, START, command, event

POSTED = event("message_posted", 2, actor="mia", message_id="msg_1", text="hi")
REACT = command("react", "rita", seq=2, emoji="+1")
EDIT = command("edit", "mia", seq=2, text="hi")


def targets(*events, limit=100):
    held = Targets(limit)
    for each in events:
        held.receive_event(each)
    return held


def added(seq, user, emoji="+1", target=2):
    return event("reaction_added", seq, actor=user, target=target, emoji=emoji)


def removed(seq, user, emoji="+1", target=2):
    return event("reaction_removed", seq, actor=user, target=target, emoji=emoji)


def answer(reacted=(), **fields):
    message = {"seq": 2, "author": "mia", "posted_at": START, **fields}
    return TargetAnswer.model_validate({"message": message, "reacted": reacted})


@pytest.mark.parametrize(
    ("wish", "seq"),
    [
        (EDIT, 2),
        (command("delete", seq=3), 3),
        (REACT, 2),
        (command("unreact", seq=0, emoji="x"), 0),
        (command("send", text="hi", reply_to=5), 5),
        (command("send", text="hi"), None),
        (command("mark_read", seq=2), None),
        (command("close"), None),
    ],
)
def test_which_message_a_command_is_about(wish, seq):
    assert target_of(wish) == seq


def test_only_reactions_ask_what_the_actor_has_put():
    assert asks_for_reactions(REACT)
    assert asks_for_reactions(command("unreact", seq=2, emoji="x"))
    assert not asks_for_reactions(EDIT)


class TestEvents:
    def test_a_posted_message_is_known_whole(self):
        held = targets(POSTED)
        assert held.find(ROOM, 2) == Target("mia", POSTED.at)
        assert not held.wants(ROOM, REACT, 2)

    def test_reactions_are_counted_by_kind_and_kept_by_user(self):
        held = targets(POSTED, added(3, "rita"), added(4, "mia"), added(5, "rita", "-1"), removed(6, "mia"))
        known = held.find(ROOM, 2)
        assert known.kinds == {"+1": 1, "-1": 1}
        assert known.has_reacted("rita", "+1")
        assert known.has_reacted("rita", "-1")
        assert not known.has_reacted("mia", "+1")
        assert not known.has_reacted("olga", "+1")

    def test_a_kind_that_nobody_holds_any_more_is_gone(self):
        assert targets(POSTED, added(3, "rita"), removed(4, "rita")).find(ROOM, 2).kinds == {}

    def test_a_deleted_message_has_no_reactions(self):
        known = targets(POSTED, added(3, "rita"), event("message_deleted", 4, target=2)).find(ROOM, 2)
        assert (known.author, known.deleted, known.kinds, known.reacted, known.whole) == ("mia", True, {}, {}, True)

    def test_an_edit_changes_nothing_that_is_decided_from(self):
        edited = event("message_edited", 3, target=2, text="better")
        known = targets(POSTED, edited).find(ROOM, 2)
        assert known == evolve_target(known, edited) == Target("mia", POSTED.at)

    def test_what_happens_to_a_message_nobody_asked_about_is_not_kept(self):
        assert targets(added(3, "rita"), event("message_deleted", 4, target=2)).find(ROOM, 2) is None

    def test_rooms_are_kept_apart(self):
        elsewhere = event("message_posted", 2, room="elsewhere", message_id="msg_1", text="hi", actor="eve")
        held = targets(POSTED, elsewhere)
        assert (held.find(ROOM, 2).author, held.find("elsewhere", 2).author) == ("mia", "eve")


class TestAnswers:
    def test_a_message_nobody_knows_is_asked_about(self):
        assert targets().wants(ROOM, EDIT, 2)

    def test_while_it_is_in_question_everybody_waits(self):
        held = targets(POSTED)
        held.ask(ROOM, 2)
        assert held.wants(ROOM, EDIT, 2)
        held.give_up(ROOM, 2)
        assert not held.wants(ROOM, EDIT, 2)

    def test_no_message_is_an_answer_too(self):
        held = targets()
        held.ask(ROOM, 1)
        held.receive_answer(ROOM, 1, "rita", TargetAnswer())
        assert held.find(ROOM, 1) == Target()
        assert not held.wants(ROOM, command("react", seq=1, emoji="x"), 1)

    def test_an_answer_tells_of_the_actor_and_not_of_others(self):
        held = targets()
        counts = [{"emoji": "+1", "count": 2}]
        held.receive_answer(ROOM, 2, "rita", answer(["+1"], reactions=counts))
        known = held.find(ROOM, 2)
        assert (known.author, known.posted_at, known.kinds) == ("mia", START, {"+1": 2})
        assert known.has_reacted("rita", "+1")
        assert not held.wants(ROOM, REACT, 2)
        assert not held.wants(ROOM, EDIT, 2)
        assert held.wants(ROOM, command("react", "mia", seq=2, emoji="+1"), 2)

    def test_a_second_answer_adds_its_actor(self):
        held = targets()
        held.receive_answer(ROOM, 2, "rita", answer(["+1"], reactions=[{"emoji": "+1", "count": 1}]))
        held.receive_event(added(9, "rita", "-1"))
        held.receive_answer(
            ROOM, 2, "mia", answer(reactions=[{"emoji": "+1", "count": 1}, {"emoji": "-1", "count": 1}])
        )
        known = held.find(ROOM, 2)
        assert known.reacted == {"rita": {"+1", "-1"}, "mia": set()}
        assert (known.kinds, known.whole) == ({"+1": 1, "-1": 1}, False)

    def test_what_was_known_whole_stays_so(self):
        held = targets(POSTED)
        held.receive_answer(ROOM, 2, "rita", answer())
        assert not held.wants(ROOM, command("react", "olga", seq=2, emoji="x"), 2)

    def test_a_deleted_message_leaves_no_question(self):
        held = targets()
        held.receive_answer(ROOM, 2, "rita", answer(deleted=True))
        assert held.find(ROOM, 2).deleted
        assert not held.wants(ROOM, command("react", "mia", seq=2, emoji="x"), 2)

    def test_events_behind_an_answer_are_counted_on(self):
        held = targets()
        held.receive_answer(ROOM, 2, "rita", answer(["+1"], reactions=[{"emoji": "+1", "count": 2}]))
        held.receive_event(removed(9, "rita"))
        assert held.find(ROOM, 2).kinds == {"+1": 1}


class TestBound:
    def messages(self, *seqs):
        return (event("message_posted", seq, message_id=f"msg_{seq}", text="hi") for seq in seqs)

    def test_what_was_used_longest_ago_is_forgotten_first(self):
        held = targets(*self.messages(2, 3, 4), limit=3)
        assert held.find(ROOM, 2) is not None
        held.receive_event(next(self.messages(5)))
        assert [seq for seq in (2, 3, 4, 5) if held.find(ROOM, seq)] == [2, 4, 5]

    def test_who_reacted_counts_too(self):
        held = targets(*self.messages(2, 3), limit=4)
        held.receive_event(added(4, "mia", target=3))
        held.receive_event(added(5, "rita", target=3))
        assert [seq for seq in (2, 3) if held.find(ROOM, seq)] == [2, 3]
        held.receive_event(added(6, "olga", target=3))
        assert [seq for seq in (2, 3) if held.find(ROOM, seq)] == [3]
        held.receive_event(event("message_deleted", 7, target=3))
        for each in self.messages(8, 9, 10):
            held.receive_event(each)
        assert [seq for seq in (3, 8, 9, 10) if held.find(ROOM, seq)] == [3, 8, 9, 10]

    def test_the_message_in_hand_is_kept_however_much_there_is_to_it(self):
        held = targets(*self.messages(2), *(added(3 + n, f"u{n}") for n in range(5)), limit=2)
        assert held.find(ROOM, 2).kinds == {"+1": 5}
