"""What becomes of a message after it was posted, and how its events are kept and told."""

import pytest

from schemas.events import ReactionCount
from services.history.messages import (
    ReactionRecord,
    edited,
    edited_places,
    emptied,
    is_same,
    kept_form,
    message_state,
    reacted,
    told,
)
from tests.contract.chronicle import Chronicle

FULL = {"metadata": {"a": 1}, "mentions": ["bob"], "reply_to": 1, "kind": "media"}


def posted(**fields):
    story = Chronicle()
    story.created()
    return story, story.said("original", **fields).entry


def edit(story, text="better"):
    return story.event("message_edited", target=2, text=text).entry


def put(story, emoji, *, gone=False, actor="bob"):
    return story.event("reaction_removed" if gone else "reaction_added", target=2, emoji=emoji, actor=actor).entry


def nothing_put(user="bob"):
    return ReactionRecord(room="general", target=2, user=user, seq=0)


def test_an_edit_replaces_the_text_and_says_which_it_was():
    story, message = posted(**FULL)
    after = edited(message, edit(story))
    assert (after.text, after.edited_seq) == ("better", 3)
    assert after.model_copy(update={"text": "original", "edited_seq": None}) == message


def test_an_empty_message_keeps_its_row_and_nothing_else():
    story, message = posted(**FULL)
    message, _ = reacted(edited(message, edit(story)), nothing_put(), put(story, "+1"))
    gone = emptied(message)
    assert (gone.text, gone.metadata, gone.mentions, gone.edited_seq, gone.reactions) == (None, {}, (), None, None)
    assert gone.deleted
    assert (gone.seq, gone.actor, gone.at, gone.kind, gone.reply_to) == (2, "alice", message.at, "media", 1)
    assert emptied(gone) == gone


def test_reactions_are_counted_by_kind_in_the_order_they_came_up():
    story, message = posted()
    bob, carol = nothing_put(), nothing_put("carol")
    message, bob = reacted(message, bob, put(story, "z"))
    message, bob = reacted(message, bob, put(story, "a"))
    message, carol = reacted(message, carol, put(story, "a", actor="carol"))
    assert message.reactions == (ReactionCount(emoji="z", count=1), ReactionCount(emoji="a", count=2))
    assert (bob.kinds, bob.seq, carol.kinds) == (("a", "z"), 4, ("a",))


def test_a_reaction_that_is_there_already_or_not_there_changes_no_count():
    story, message = posted()
    message, bob = reacted(message, nothing_put(), put(story, "+1"))
    again, _ = reacted(message, bob, put(story, "+1"))
    assert again.reactions == message.reactions
    other, _ = reacted(message, bob, put(story, "-1", gone=True))
    assert other.reactions == message.reactions


def test_the_last_reaction_taken_back_leaves_none():
    story, message = posted()
    after, bob = reacted(message, nothing_put(), put(story, "+1"))
    after, bob = reacted(after, bob, put(story, "+1", gone=True))
    assert (after, bob.kinds) == (message, ())


def test_a_writer_is_told_what_it_decides_by():
    story, message = posted()
    message, _ = reacted(message, nothing_put(), put(story, "+1"))
    state = message_state(message)
    assert (state.seq, state.author, state.posted_at, state.deleted) == (2, "alice", message.at, False)
    assert state.reactions == (ReactionCount(emoji="+1", count=1),)
    state = message_state(emptied(message))
    assert (state.deleted, state.reactions) == (True, ())


def test_an_edit_is_kept_without_its_text_and_told_with_it_while_it_is_the_newest():
    story, message = posted()
    first, second = edit(story, "one"), edit(story, "two")
    kept = [kept_form(first), kept_form(second), message]
    assert [kept[0].text, kept[1].text, kept[2]] == [None, None, message]
    assert edited_places(kept) == {2}
    assert told(kept[0], {2: edited(message, first)}) == first
    after = {2: edited(edited(message, first), second)}
    assert [told(event, after).text for event in kept] == [None, "two", "original"]
    assert told(kept[1], {2: emptied(after[2])}).text is None
    assert told(kept[1], {}).text is None


def test_an_event_is_the_same_as_it_is_kept_whatever_came_later():
    story, message = posted(**FULL)
    edit_event = edit(story)
    liked, _ = reacted(message, nothing_put(), put(story, "+1"))
    for kept in (message, liked, edited(liked, edit_event), emptied(message), emptied(edited(liked, edit_event))):
        assert is_same(kept, message)
    assert is_same(kept_form(edit_event), edit_event)
    joined = story.joined("bob").entry
    assert is_same(joined, joined)


@pytest.mark.parametrize(
    "change", [{"actor": "bob"}, {"command_id": "other"}, {"message_id": "msg_9"}, {"reply_to": 9}]
)
def test_another_message_in_the_place_is_another_however_the_one_there_was_changed(change):
    story, message = posted(**FULL)
    other = message.model_copy(update=change)
    for kept in (message, edited(message, edit(story)), emptied(message)):
        assert not is_same(kept, other)


def test_another_text_is_told_from_the_one_that_is_there():
    story, message = posted(**FULL)
    for change in ({"text": "other"}, {"metadata": {}}, {"mentions": ()}):
        assert not is_same(message, message.model_copy(update=change))
    assert not is_same(edited(message, edit(story)), message.model_copy(update={"metadata": {}}))


def test_events_of_two_types_are_never_the_same():
    story, message = posted()
    assert not is_same(message, edit(story))
    assert not is_same(kept_form(edit(story)), message)
