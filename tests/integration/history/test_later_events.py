"""What later entries make of earlier ones, as everybody sees it who reads, searches or takes a room over."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.answers import Accepted
from schemas.events import ReactionCount, decode_logged, encode_logged
from schemas.queries import (
    MembersQuery,
    MessageQuery,
    MyRoomsQuery,
    PageQuery,
    RoomQuery,
    SearchQuery,
    SnapshotQuery,
    TargetQuery,
)
from tests.bed.waiting import eventually
from tests.contract.chronicle import BEGAN, Chronicle

pytestmark = [pytest.mark.broker, pytest.mark.store]

LATER = BEGAN + timedelta(days=300)


async def told(log_side, room="general", **fields):
    """A room of alice and bob, logged."""
    story = Chronicle(room)
    await log_side.log([story.created(members=("alice", "bob"), **fields)])
    return story


async def unread(log_side, user, room="general"):
    return (await log_side.ask(RoomQuery(room=room, actor=user))).view.unread


async def page(log_side, **more):
    return (await log_side.ask(PageQuery(room="general", actor="alice", after=0, **more))).events


async def found(log_side, actor, words, room=None):
    answer = await log_side.ask(SearchQuery(actor=actor, query=words, room=room))
    return [(event.room, event.text) for event in answer.events]


async def stored(log_side, room="general"):
    """Return when everything logged of a room is stored: a barrier query stands behind it."""
    await log_side.hole(room, after=0, limit=1)


async def test_receipts_move_marks_in_snapshots_and_what_is_unread(start_history, log_side):
    await start_history()
    story = await told(log_side)
    await log_side.log([*story.chat(4), story.said("mine", actor="bob"), story.receipt("bob", read=3, delivered=5)])
    members = {member.user: member for member in (await log_side.snapshot("general")).state.members}
    assert (members["bob"].read, members["bob"].delivered) == (3, 5)
    assert (members["alice"].read, members["alice"].delivered) == (0, 0)
    assert (await unread(log_side, "bob"), await unread(log_side, "alice")) == (2, 1)

    story.fence = 2
    await log_side.log([story.receipt("bob", read=2, delivered=6), story.receipt("bob", read=5, delivered=5)])
    members = {member.user: member for member in (await log_side.snapshot("general")).state.members}
    assert (members["bob"].read, members["bob"].delivered) == (5, 6)
    assert await unread(log_side, "bob") == 0


async def test_a_mark_from_before_one_left_says_nothing_of_what_came_after_one_is_back(start_history, log_side):
    await start_history()
    story = await told(log_side)
    await log_side.log([story.said(), story.receipt("bob", read=2, delivered=2), story.left("bob"), story.said()])
    await log_side.log([story.joined("bob"), story.said(), story.said("mine", actor="bob")])
    await stored(log_side)
    assert await unread(log_side, "bob") == 1
    assert [view.unread for view in (await log_side.ask(MyRoomsQuery(actor="bob"))).rooms] == [1]


async def test_i2_a_command_is_found_by_its_id_after_any_number_of_worker_restarts(start_history, log_side):
    worker = await start_history()
    story = await told(log_side)
    said = story.said("once", actor="bob", command_id="bobs-own")
    marked = story.event("reaction_added", target=2, emoji="+1", command_id="alices-own")
    await log_side.log([said, marked, *story.chat(5)])
    for _ in range(2):
        assert await log_side.lookup("general", "bob", "bobs-own") == Accepted.of(said.entry)
        assert await log_side.lookup("general", "alice", "alices-own") == Accepted.of(marked.entry)
        assert await log_side.lookup("general", "alice", "bobs-own") is None
        assert await log_side.lookup("another", "bob", "bobs-own") is None
        await worker.stop()
        worker = await start_history()


async def test_invites_and_bans_are_in_the_snapshot(start_history, log_side):
    await start_history()
    story = await told(log_side)
    await log_side.log(
        [
            story.event("invite_created", invite="invite-0001", role="moderator", expires_at=LATER, max_uses=3),
            story.event("invite_created", invite="invite-0002", role="member", expires_at=LATER),
            story.event("invite_created", invite="invite-0003", role="member", expires_at=LATER),
            story.joined("carol", role="moderator", invite="invite-0001"),
            story.event("invite_revoked", invite="invite-0002"),
            story.event("invite_created", invite="invite-0004", role="reader", expires_at=LATER, swept=["invite-0003"]),
            story.event("member_banned", user="bob", text="spam", until=LATER),
            story.event("member_banned", user="mallory"),
            story.event("member_banned", user="trudy"),
            story.event("member_unbanned", user="trudy"),
        ]
    )
    state = (await log_side.snapshot("general")).state
    assert [(invite.invite, invite.role, invite.max_uses, invite.uses) for invite in state.invites] == [
        ("invite-0001", "moderator", 3, 1),
        ("invite-0004", "reader", None, 0),
    ]
    assert [(ban.user, ban.text, ban.until) for ban in state.bans] == [("bob", "spam", LATER), ("mallory", "", None)]
    assert [member.user for member in state.members] == ["alice", "carol"]


async def test_pages_and_single_messages_are_as_their_later_events_left_them(start_history, log_side):
    await start_history()
    story = await told(log_side)
    first, second = story.said("teh first", actor="bob"), story.said("the second")
    await log_side.log([first, second])
    await log_side.log(
        [
            story.event("message_edited", target=2, text="the frist", actor="bob"),
            story.event("message_edited", target=2, text="the first", actor="bob"),
            story.event("reaction_added", target=2, emoji="+1", actor="bob"),
            story.event("reaction_added", target=2, emoji="+1", actor="alice"),
            story.event("reaction_added", target=2, emoji="!", actor="alice"),
            story.event("reaction_removed", target=2, emoji="!", actor="alice"),
        ]
    )
    await stored(log_side)
    seen = await page(log_side, messages=True)
    assert [(event.seq, event.text, event.edited_seq, event.reactions) for event in seen] == [
        (2, "the first", 5, (ReactionCount(emoji="+1", count=2),)),
        (3, "the second", None, None),
    ]
    edits = [event.text for event in await page(log_side) if event.event == "message_edited"]
    assert edits == [None, "the first"]
    query = MessageQuery(room="general", actor="alice", message_id=first.entry.message_id)
    assert (await log_side.ask(query)).event == seen[0]
    assert (await log_side.hole("general", after=1)).events[0] == seen[0]


async def test_a_writer_is_told_of_a_message_with_everything_logged_before_it_asks(start_history, log_side):
    await start_history()
    story = await told(log_side)
    said = story.said("a target", actor="bob")
    await log_side.log([said, *story.chat(300), story.event("reaction_added", target=2, emoji="+1")])
    target = await log_side.barrier(TargetQuery(room="general", actor="alice", seq=2))
    assert (target.message.author, target.message.posted_at, target.reacted) == ("bob", said.entry.at, ("+1",))
    assert target.message.reactions == (ReactionCount(emoji="+1", count=1),)
    assert (await log_side.barrier(TargetQuery(room="general", actor="bob", seq=2))).reacted == ()
    await log_side.log([story.event("message_deleted", target=2)])
    target = await log_side.barrier(TargetQuery(room="general", actor="alice", seq=2))
    assert (target.message.deleted, target.message.reactions, target.reacted) == (True, (), ())
    for nothing in (1, 303, 10**6):
        assert (await log_side.barrier(TargetQuery(room="general", actor="alice", seq=nothing))).message is None


async def test_a_deleted_text_is_in_no_page_search_snapshot_or_list(start_history, log_side, amqp_url):
    await start_history()
    story = await told(log_side)
    said = story.said("the secret", actor="bob", metadata={"note": "secret"}, mentions=["alice"])
    await log_side.log([said, story.event("message_edited", target=2, text="a secret still", actor="bob")])
    await stored(log_side)
    assert await found(log_side, "alice", "secret") == [("general", "a secret still")]
    await log_side.log([story.event("message_deleted", target=2)])
    query = MessageQuery(room="general", actor="alice", message_id=said.entry.message_id)
    answers = [
        await log_side.hole("general", after=0),
        await log_side.ask(PageQuery(room="general", actor="alice")),
        await log_side.ask(query),
        await log_side.ask(SearchQuery(actor="alice", query="secret")),
        await log_side.ask(SearchQuery(actor="alice", query="secret", room="general")),
        await log_side.ask(RoomQuery(room="general", actor="alice")),
        await log_side.ask(MyRoomsQuery(actor="alice")),
        await log_side.barrier(SnapshotQuery(room="general", worker="w")),
        await log_side.barrier(TargetQuery(room="general", actor="alice", seq=2)),
    ]
    for answer in answers:
        assert b"secret" not in answer.to_json(), answer.type
    gone = answers[2].event
    assert (gone.seq, gone.actor, gone.at, gone.deleted) == (2, "bob", said.entry.at, True)
    assert (gone.text, gone.metadata, gone.mentions) == (None, {}, ())
    assert [event.seq for event in answers[1].events] == [1, 2, 3, 4]


def just_now(logged):
    """The same, of this moment."""
    entry = logged.entry.model_copy(update={"at": datetime.now(UTC)})
    return decode_logged(encode_logged(entry.to_json(), logged.fence))


async def test_what_a_room_has_kept_for_long_enough_nobody_reads_again_and_no_seq_is_missing(start_history, log_side):
    await start_history(retention_seconds=1)
    story = await told(log_side, retention_days=30)
    for_ever = await told(log_side, "for-ever")
    old = story.said("old words", actor="bob", metadata={"note": "old"})
    edit = story.event("message_edited", target=2, text="old words still", actor="bob")
    await log_side.log([old, edit, just_now(story.said("new words"))])
    await log_side.log([for_ever.said("the oldest words")])
    message = MessageQuery(room="general", actor="alice", message_id=old.entry.message_id)

    async def is_gone():
        return (await log_side.ask(message)).event.deleted

    await stored(log_side)
    await eventually(is_gone, 30)
    events = await page(log_side)
    assert [(event.seq, getattr(event, "text", None)) for event in events] == [
        (1, None),
        (2, None),
        (3, None),
        (4, "new words"),
    ]
    assert (events[1].actor, events[1].metadata, events[1].deleted) == ("bob", {}, True)
    assert (await log_side.hole("general", after=0)).events == events
    assert sorted(await found(log_side, "alice", "words")) == [
        ("for-ever", "the oldest words"),
        ("general", "new words"),
    ]
    assert await log_side.lookup("general", "bob", old.entry.command_id) == Accepted.of(old.entry)
    target = await log_side.barrier(TargetQuery(room="general", actor="alice", seq=2))
    assert (target.message.author, target.message.deleted) == ("bob", True)


async def test_a_search_finds_the_newest_text_in_any_case_and_language(start_history, log_side):
    await start_history()
    story = await told(log_side, visibility="private")
    other = await told(log_side, "other", visibility="private")
    await log_side.log([story.said("Grüße aus Zürich"), story.said("teh end"), story.said("nothing of it")])
    await log_side.log([other.said("GRÜSSE, grüße!"), story.event("message_edited", target=3, text="the end")])
    await stored(log_side)
    await stored(log_side, "other")
    assert await found(log_side, "bob", "ZÜRICH") == [("general", "Grüße aus Zürich")]
    assert await found(log_side, "bob", "zürich grüße", "general") == [("general", "Grüße aus Zürich")]
    assert await found(log_side, "bob", "teh") == []
    assert await found(log_side, "bob", "the") == [("general", "the end")]
    assert {room for room, _ in await found(log_side, "bob", "grüße")} == {"general", "other"}
    assert await found(log_side, "bob", '"-$* {') == []


async def test_i10_nobody_finds_what_is_said_in_a_room_that_is_not_theirs(start_history, log_side):
    await start_history()
    story = await told(log_side, visibility="private")
    said = story.said("the plan", actor="bob")
    await log_side.log([said])
    public = await told(log_side, "market", visibility="public")
    await log_side.log([public.said("the plan of the market")])
    await stored(log_side)
    await stored(log_side, "market")
    assert await found(log_side, "mallory", "plan") == []
    assert await found(log_side, "mallory", "plan", "market") == [("market", "the plan of the market")]
    for query in (
        SearchQuery(actor="mallory", query="plan", room="general"),
        MessageQuery(room="general", actor="mallory", message_id=said.entry.message_id),
    ):
        refused = await log_side.ask(query)
        assert refused == await log_side.ask(query.model_copy(update={"room": "no-such-room"}))
        assert refused.code == "room_not_found"
    await log_side.log([story.left("bob")])
    await stored(log_side)
    assert await found(log_side, "bob", "plan") == [("market", "the plan of the market")]
    assert (await log_side.ask(MembersQuery(room="general", actor="bob"))).code == "room_not_found"
