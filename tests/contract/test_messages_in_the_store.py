"""The contract of `services.history.store.Store` on messages: as later events left them, by id, by words, by author."""

import random

import pytest

from schemas.answers import Accepted
from schemas.events import ReactionCount
from services.history.intake import Conflict, Repeated, Stored
from services.history.pages import Window
from tests.contract.chronicle import Chronicle, as_told

pytestmark = pytest.mark.timeout(60)

ALL = Window(0, 10**6, 200)


async def append(history, *entries):
    outcomes = await history.append(entries)
    assert all(isinstance(outcome, Stored) for outcome in outcomes), outcomes


async def told(history, room="general", window=ALL):
    return await history.page(await history.room(room), window)


async def found(history, words, *rooms, limit=20):
    return [message.text for message in await history.search(rooms or ("general",), words, limit)]


def a_talk(room="general", members=("alice", "bob")):
    story = Chronicle(room)
    story.created(members=members)
    story.said("the first", mentions=["bob"], metadata={"a": {"b": 1}})
    story.said("the second", actor="bob", reply_to=2)
    return story


def edited(story, target, text, **fields):
    return story.event("message_edited", target=target, text=text, **fields)


def deleted(story, target, **fields):
    return story.event("message_deleted", target=target, **fields)


def put(story, target, emoji, actor="bob", *, gone=False):
    return story.event("reaction_removed" if gone else "reaction_added", target=target, emoji=emoji, actor=actor)


async def test_an_edited_message_has_its_newest_text_and_only_the_newest_edit_has_one(history):
    story = a_talk()
    edited(story, 2, "better")
    await append(history, *story.log)
    assert [event.text for event in (await told(history))[1:]] == ["better", "the second", "better"]
    await append(history, edited(story, 2, "best"))
    events = await told(history)
    assert [event.text for event in events[1:]] == ["best", "the second", None, "best"]
    assert (events[1].edited_seq, events[2].edited_seq) == (5, None)
    assert events == as_told(story.log)


async def test_an_edit_on_a_page_without_its_message_has_its_text_all_the_same(history):
    story = a_talk()
    await append(history, *story.log, edited(story, 2, "better"), edited(story, 3, "worse"), edited(story, 2, "best"))
    assert [event.text for event in await told(history, window=Window(3, 9, 9))] == [None, "worse", "best"]
    assert [event.text for event in await told(history, window=Window(0, 9, 1, newest=True))] == ["best"]


async def test_a_deleted_message_keeps_its_row_and_nothing_it_said(history):
    story = a_talk()
    edited(story, 2, "better")
    put(story, 2, "👍")
    deleted(story, 2, actor="bob")
    await append(history, *story.log)
    events = await told(history)
    assert events == as_told(story.log)
    message = events[1]
    assert (message.text, message.metadata, message.mentions, message.reactions) == (None, {}, (), None)
    assert (message.deleted, message.actor, message.message_id) == (True, "alice", f"msg_{2:019d}")
    assert events[3].text is None


async def test_the_preview_of_a_room_follows_its_last_message(history):
    story = a_talk()
    await append(history, *story.log, edited(story, 2, "not shown"))
    assert (await history.room("general")).preview == "the second"
    await append(history, edited(story, 3, "shown"))
    assert (await history.room("general")).preview == "shown"
    await append(history, deleted(story, 3))
    assert (await history.room("general")).preview == ""


async def test_reactions_are_counted_on_the_message_and_known_by_user(history):
    story = a_talk()
    await append(history, *story.log)
    await append(history, put(story, 2, "👍"), put(story, 2, "🎉"), put(story, 2, "👍", "alice"), put(story, 3, "❤"))
    counts = (ReactionCount(emoji="👍", count=2), ReactionCount(emoji="🎉", count=1))
    assert (await told(history))[1].reactions == counts
    target = await history.target("general", 2, "bob")
    assert (target.message.reactions, target.reacted) == (counts, ("🎉", "👍"))
    assert (await history.target("general", 2, "alice")).reacted == ("👍",)
    assert (await history.target("general", 2, "stranger")).reacted == ()
    await append(history, put(story, 2, "👍", gone=True), put(story, 2, "🎉", gone=True))
    assert (await history.target("general", 2, "bob")).reacted == ()
    assert (await told(history))[1].reactions == (ReactionCount(emoji="👍", count=1),)
    assert await told(history) == as_told(story.log)


async def test_a_user_whose_id_holds_a_slash_has_reactions_of_their_own(history):
    story = a_talk()
    await append(history, *story.log, put(story, 2, "👍", "2/bob"), put(story, 3, "🎉", "a/b"))
    assert (await history.target("general", 2, "2/bob")).reacted == ("👍",)
    assert (await history.target("general", 2, "bob")).reacted == ()
    assert (await history.target("general", 3, "a/b")).reacted == ("🎉",)


async def test_a_target_tells_who_wrote_it_when_and_whether_it_is_gone(history):
    story = a_talk()
    await append(history, *story.log, put(story, 3, "👍"))
    target = await history.target("general", 3, "bob")
    assert (target.message.seq, target.message.author, target.message.deleted) == (3, "bob", False)
    assert target.message.posted_at == story.log[2].entry.at
    await append(history, deleted(story, 3))
    target = await history.target("general", 3, "bob")
    assert (target.message.deleted, target.message.reactions, target.reacted) == (True, (), ())


@pytest.mark.parametrize(("room", "seq"), [("general", 0), ("general", 1), ("general", 99), ("nowhere", 2)])
async def test_no_target_stands_where_no_message_stands(history, room, seq):
    await append(history, *a_talk().log)
    assert await history.target(room, seq, "bob") is None


async def test_nothing_fills_a_deleted_message_again(history):
    story = a_talk()
    await append(history, *story.log, deleted(story, 2))
    before = (await told(history))[1]
    await append(history, edited(story, 2, "back"), put(story, 2, "👍"), put(story, 2, "👍", gone=True))
    await append(history, deleted(story, 2), edited(story, 2, "back again"))
    events = await told(history)
    assert events[1] == before
    assert [event.text for event in events if event.event == "message_edited"] == [None, None]
    assert (await history.target("general", 2, "bob")).reacted == ()


async def test_what_is_about_no_message_is_stored_and_changes_nothing(history):
    story = a_talk()
    await append(history, *story.log, edited(story, 1, "x"), put(story, 99, "👍"), deleted(story, 1))
    assert [event.seq for event in await told(history)] == [1, 2, 3, 4, 5, 6]
    assert (await told(history))[3].text is None


async def test_i2_messages_and_edits_delivered_again_are_repeats_whatever_became_of_them(history):
    story = a_talk()
    edited(story, 2, "better")
    put(story, 3, "👍", "alice")
    edited(story, 2, "best")
    deleted(story, 2)
    await append(history, *story.log)
    before = await told(history)
    assert await history.append(story.log) == [Repeated()] * 7
    for logged in story.log:
        assert await history.append([logged]) == [Repeated()]
    assert await told(history) == before
    assert await history.lookup("general", "alice", "c2") == Accepted.of(story.log[1].entry)


async def test_another_message_in_the_place_of_an_edited_or_deleted_one_is_a_conflict(history):
    story, other = a_talk(), Chronicle()
    await append(history, *story.log, edited(story, 2, "better"), deleted(story, 3))
    other.created(members=("alice", "bob"))
    [outcome] = await history.append([other.said("the first", actor="mallory")])
    assert isinstance(outcome, Conflict)
    [outcome] = await history.append([other.said("the second", actor="bob", reply_to=1)])
    assert isinstance(outcome, Conflict)


@pytest.mark.parametrize("size", [1, 2, 3, 20])
async def test_events_about_messages_lead_to_the_same_in_any_batches(history, size):
    story = a_talk()
    story.said("the third")
    for target in (2, 3, 4):
        put(story, target, "👍")
        put(story, target, "👍", "alice")
        edited(story, target, f"edit of {target}")
        put(story, target, "👍", gone=True)
    deleted(story, 3)
    edited(story, 4, "another")
    for start in range(0, len(story.log), size):
        await append(history, *story.log[start : start + size])
    assert await told(history) == as_told(story.log)


def a_random_life(chance):
    story = a_talk()
    for _ in range(30):
        target, actor = chance.randint(1, story.seq), chance.choice(("alice", "bob", "carol"))
        kind = chance.choice(("say", "say", "edit", "edit", "delete", "add", "add", "add", "remove"))
        is_put = any(
            logged.entry.event == "reaction_added" and (logged.entry.target, logged.entry.actor) == (target, actor)
            for logged in story.log
        )
        match kind:
            case "say":
                story.said(f"text {story.seq}", actor=actor)
            case "edit":
                edited(story, target, f"edit {story.seq}")
            case "delete":
                deleted(story, target)
            case "remove" if is_put:
                put(story, target, "👍", actor, gone=True)
            case _:
                put(story, target, "👍", actor)
    return story


@pytest.mark.parametrize("seed", range(8))
async def test_i1_random_lives_of_messages_given_again_in_any_batches_lead_to_the_same_end(history, seed):
    chance = random.Random(seed)
    story = a_random_life(chance)
    start = 0
    while start < len(story.log):
        end = chance.randint(start + 1, len(story.log))
        outcomes = await history.append(story.log[start:end])
        assert all(isinstance(outcome, Stored | Repeated) for outcome in outcomes)
        start = chance.randint(max(0, start - 3), end)
    messages = {logged.entry.seq for logged in story.log if logged.entry.event == "message_posted"}

    def about_messages(events):
        return [event for event in events if messages & {event.seq, getattr(event, "target", 0)}]

    assert about_messages(await told(history)) == about_messages(as_told(story.log))


async def test_a_message_is_found_by_its_id_as_its_later_events_left_it(history):
    story, other = a_talk(), a_talk("other")
    await append(history, *story.log, edited(story, 2, "better"), deleted(story, 3), *other.log)
    assert (await history.message("general", f"msg_{2:019d}")).text == "better"
    assert (await history.message("general", f"msg_{3:019d}")).deleted
    assert (await history.message("other", f"msg_{2:019d}")).text == "the first"
    assert await history.message("general", "msg_99") is None
    assert await history.message("nowhere", f"msg_{2:019d}") is None


async def test_messages_are_found_by_all_their_words_newest_first(history):
    story = Chronicle()
    texts = ["Coffee at nine", "tea at nine", "NINE coffees", "more coffee, nine cups", "nine"]
    await append(history, story.created(), *(story.said(text) for text in texts))
    assert await found(history, "coffee nine") == ["more coffee, nine cups", "Coffee at nine"]
    assert await found(history, "NINE", limit=2) == ["nine", "more coffee, nine cups"]
    assert await found(history, "nine") == texts[::-1]
    assert await found(history, "milk") == []


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("straße", "Die STRASSE"),
        ("привет", "Привет, мир"),
        ("मेरा हिन्दी", "हिन्दी है मेरा"),
        ("世界", "你好世界"),
        ("schön", "scho\u0308n"),
        ("it's", "it's"),
    ],
)
async def test_words_of_any_language_are_found_without_regard_to_case_and_form(history, query, text):
    story = Chronicle()
    await append(history, story.created(), story.said("something else"), story.said(text))
    assert len(await found(history, query)) == 1


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '"coffee',
        "-coffee",
        "coffee -tea",
        "coffee OR tea",
        "$where",
        "{}",
        "\\",
        "a\x00b",
        "*",
        "NOT",
        "   ",
        "👍",
        "(",
    ],
)
async def test_a_search_never_breaks_on_what_is_asked(history, query):
    story = Chronicle()
    await append(history, story.created(), story.said("tea or coffee"))
    expected = ["tea or coffee"] if query in {'"coffee', "-coffee", "coffee -tea", "coffee OR tea"} else []
    assert await found(history, query) == expected


async def test_a_search_looks_into_the_rooms_it_is_given_and_no_other(history):
    for number, room in enumerate(("a", "b", "c")):
        story = Chronicle(room)
        await append(history, story.created(), *story.chat(number), story.said(f"coffee in {room}"))
    assert await found(history, "coffee", "a", "b") == ["coffee in b", "coffee in a"]
    assert await found(history, "coffee", "c", "nowhere") == ["coffee in c"]
    assert await history.search([], "coffee", 5) == []


async def test_a_search_follows_edits_and_finds_nothing_that_is_deleted(history):
    story = a_talk()
    await append(history, *story.log, edited(story, 2, "coffee"), deleted(story, 3))
    assert await found(history, "first") == []
    assert await found(history, "coffee") == ["coffee"]
    assert await found(history, "second") == []
    await append(history, put(story, 2, "👍"))
    [message] = await history.search(["general"], "coffee", 5)
    assert (message.edited_seq, message.reactions) == (4, (ReactionCount(emoji="👍", count=1),))


async def test_a_reason_is_no_message_and_is_not_found(history):
    story = a_talk()
    await append(history, *story.log, story.event("member_banned", user="mallory", text="coffee"))
    assert await found(history, "coffee") == []


async def test_own_messages_are_those_the_user_posted_behind_one_seq_and_up_to_another(history):
    story = Chronicle()
    story.created(members=("alice", "bob"))
    for actor in ("alice", "bob", "alice", "alice"):
        story.said(actor=actor)
    deleted(story, 4)
    put(story, 2, "👍", "alice")
    await append(history, *story.log)
    record = await history.room("general")
    assert await history.own_messages(record, "alice", 0, 10) == 3
    assert await history.own_messages(record, "alice", 2, 4) == 1
    assert await history.own_messages(record, "alice", 5, 10) == 0
    assert await history.own_messages(record, "bob", 2, 3) == 1
    assert await history.own_messages(record, "stranger", 0, 10) == 0
