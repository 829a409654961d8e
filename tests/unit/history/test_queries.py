"""Reads over the store in memory: who sees what, and how long a read waits."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from schemas import limits
from schemas.queries import (
    BansQuery,
    InviteQuery,
    InvitesQuery,
    MembersQuery,
    MessageQuery,
    MyRoomsQuery,
    PageQuery,
    RoomQuery,
    RoomsQuery,
    SearchQuery,
)
from services.history import pages, queries
from services.history.metrics import HistoryMetrics
from services.history.queries import Queries
from services.history.reader import Reader
from services.history.store import StoreUnavailable
from services.history.store_memory import MemoryStore
from tests.contract.chronicle import BEGAN, Chronicle


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def ask(store):
    return Queries(store, through_seconds=0.2).answer


async def told(store, room="general", *, visibility="public", members=("alice", "bob"), messages=3):
    story = Chronicle(room)
    await store.append([story.created(visibility=visibility, members=members), *story.chat(messages)])
    return story


async def test_a_page_tells_the_events_and_the_head(store, ask):
    await told(store)
    page = await ask(PageQuery(room="general", actor="bob", after=1, limit=2))
    assert ([event.seq for event in page.events], page.head, page.behind, page.epoch) == ([2, 3], 4, False, "e1")


@pytest.mark.parametrize("query", [PageQuery, RoomQuery, MembersQuery])
@pytest.mark.parametrize("visibility", ["private", "direct"])
async def test_i10_a_room_that_is_not_public_does_not_exist_for_strangers(store, ask, query, visibility):
    await told(store, visibility=visibility)
    refused = await ask(query(room="general", actor="mallory"))
    assert refused == await ask(query(room="no-such-room", actor="mallory"))
    assert refused.code == "room_not_found"
    assert (await ask(query(room="general", actor="bob"))).type != "refused"


@pytest.mark.parametrize("query", [PageQuery, RoomQuery, MembersQuery])
async def test_i10_who_left_a_private_room_reads_it_no_more(store, ask, query):
    story = await told(store, visibility="private")
    await store.append([story.left("bob")])
    assert (await ask(query(room="general", actor="bob"))).code == "room_not_found"


async def test_i10_no_list_shows_a_stranger_a_room_that_is_not_public(store, ask):
    await told(store, "secret", visibility="private")
    await told(store, "between-us", visibility="direct")
    for query in (RoomsQuery(actor="mallory"), MyRoomsQuery(actor="mallory")):
        listed = await ask(query)
        assert (listed.rooms, listed.total) == ((), 0)


@pytest.mark.parametrize("query", [PageQuery, RoomQuery, MembersQuery])
async def test_public_rooms_are_open_to_everyone(store, ask, query):
    await told(store)
    assert (await ask(query(room="general", actor="passer-by"))).type != "refused"


async def found(ask, actor, query, **more):
    answer = await ask(SearchQuery(actor=actor, query=query, **more))
    return [(event.room, event.text) for event in answer.events]


async def test_a_search_in_a_room_finds_its_messages_newest_first(store, ask):
    story = await told(store)
    await store.append([story.said("Ships at sea", actor="bob"), story.said("no ship"), story.said("the sea, the SEA")])
    assert await found(ask, "bob", "sea", room="general") == [
        ("general", "the sea, the SEA"),
        ("general", "Ships at sea"),
    ]
    assert await found(ask, "bob", "sea ships", room="general") == [("general", "Ships at sea")]
    assert await found(ask, "bob", "sea", room="general", limit=1) == [("general", "the sea, the SEA")]
    assert await found(ask, "passer-by", "sea", room="general") != []


@pytest.mark.parametrize("visibility", ["private", "direct"])
async def test_i10_a_search_in_a_room_that_is_not_public_is_for_members(store, ask, visibility):
    story = await told(store, visibility=visibility)
    refused = await ask(SearchQuery(actor="mallory", query="message", room="general"))
    assert refused == await ask(SearchQuery(actor="mallory", query="message", room="no-such-room"))
    assert refused.code == "room_not_found"
    assert len(await found(ask, "bob", "message", room="general")) == 3
    await store.append([story.left("bob")])
    assert (await ask(SearchQuery(actor="bob", query="message", room="general"))).code == "room_not_found"


async def test_i10_a_search_without_a_room_looks_through_the_actors_rooms_alone(store, ask):
    await told(store, "mine", visibility="private", messages=1)
    await told(store, "between-us", visibility="direct", members=("bob", "alice"), messages=1)
    await told(store, "public", visibility="public", members=("carol",), messages=1)
    left = await told(store, "left", visibility="private", messages=1)
    await store.append([left.left("bob")])
    banned = await told(store, "banned", visibility="public", messages=1)
    await store.append([banned.event("member_banned", user="bob")])
    assert sorted(await found(ask, "bob", "message")) == [("between-us", "message 0"), ("mine", "message 0")]
    assert await found(ask, "mallory", "message") == []


class RacedStore(MemoryStore):
    """While the first read that looks into a room is made, `meanwhile` is stored."""

    def __init__(self):
        super().__init__()
        self.meanwhile = []

    async def _race(self):
        log, self.meanwhile = self.meanwhile, []
        if log:
            await self.append(log)

    async def page(self, room, window):
        await self._race()
        return await super().page(room, window)

    async def search(self, rooms, words, limit):
        await self._race()
        return await super().search(rooms, words, limit)

    async def message(self, room, message_id):
        await self._race()
        return await super().message(room, message_id)

    async def members(self, room, after, limit):
        await self._race()
        return await super().members(room, after, limit)

    async def rooms_of(self, user, offset, limit):
        listed = await super().rooms_of(user, offset, limit)
        await self._race()
        return listed


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (PageQuery, {"room": "general"}),
        (SearchQuery, {"room": "general", "query": "secret"}),
        (MessageQuery, {"room": "general"}),
        (MembersQuery, {"room": "general"}),
    ],
)
async def test_i10_who_is_put_out_while_they_read_is_shown_nothing(query, fields):
    store = RacedStore()
    story = await told(store, visibility="private")
    store.meanwhile = [story.event("member_banned", user="bob"), story.said("a secret")]
    named = {"message_id": store.meanwhile[-1].entry.message_id} if query is MessageQuery else {}
    answer = await Queries(store, through_seconds=0.2).answer(query(actor="bob", **fields, **named))
    assert not store.meanwhile, "it was read meanwhile"
    assert answer.code == "room_not_found"


@pytest.mark.parametrize(
    ("query", "shown"), [(SearchQuery(actor="bob", query="secret"), "events"), (MyRoomsQuery(actor="bob"), "rooms")]
)
async def test_i10_who_is_put_out_while_they_look_through_all_their_rooms_is_shown_nothing(query, shown):
    store = RacedStore()
    story = await told(store, visibility="private")
    store.meanwhile = [story.event("member_banned", user="bob"), story.said("a secret")]
    answer = await Queries(store, through_seconds=0.2).answer(query)
    assert not store.meanwhile, "it was read meanwhile"
    assert getattr(answer, shown) == ()


async def test_a_search_without_a_room_has_an_end(store, ask, monkeypatch):
    monkeypatch.setattr(queries, "SEARCHED_ROOMS", 2)
    await told(store, "older", messages=1)
    for number, room in enumerate(("newer", "newest"), 2):
        await told(store, room, messages=number)
    assert {room for room, _ in await found(ask, "bob", "message")} == {"newer", "newest"}


async def test_what_is_found_fits_an_answer_the_newest_first(store, ask, monkeypatch):
    monkeypatch.setattr(limits, "PAGE_BYTES", 1)
    await told(store)
    assert await found(ask, "bob", "message", room="general") == [("general", "message 2")]


async def test_a_message_is_told_by_its_id(store, ask):
    story = await told(store, visibility="private")
    said = story.said("look here", actor="bob")
    await store.append([said])
    query = MessageQuery(room="general", actor="alice", message_id=said.entry.message_id)
    assert (await ask(query)).event == said.entry
    assert (await ask(query.model_copy(update={"message_id": "msg_0"}))).code == "message_not_found"


async def test_i10_a_message_of_a_room_that_is_not_public_is_told_to_members(store, ask):
    await told(store, visibility="private")
    await told(store, "other", visibility="public")
    known = f"msg_{2:019d}"
    assert (await ask(MessageQuery(room="general", actor="bob", message_id=known))).event.room == "general"
    refused = await ask(MessageQuery(room="general", actor="mallory", message_id=known))
    assert refused == await ask(MessageQuery(room="no-such-room", actor="mallory", message_id=known))
    assert refused.code == "room_not_found"
    assert (await ask(MessageQuery(room="other", actor="mallory", message_id=known))).event.room == "other"


async def test_a_room_tells_its_member_what_is_unread(store, ask):
    story = await told(store)
    await store.append([story.receipt("bob", read=2), story.joined("carol"), story.said()])
    view = (await ask(RoomQuery(room="general", actor="bob"))).view
    assert (view.role, view.unread, view.preview, view.member_count) == ("member", 3, "hello", 3)
    assert (await ask(RoomQuery(room="general", actor="carol"))).view.unread == 1
    await store.append([story.receipt("bob", read=6)])
    assert (await ask(RoomQuery(room="general", actor="bob"))).view.unread == 0
    assert (await ask(RoomQuery(room="general", actor="passer-by"))).view.unread is None


async def test_ones_own_messages_are_never_unread(store, ask):
    story = await told(store, messages=1)
    await store.append([story.receipt("bob", read=2), story.said(actor="bob"), story.said(), story.said(actor="bob")])
    assert (await ask(RoomQuery(room="general", actor="bob"))).view.unread == 1
    assert (await ask(RoomQuery(room="general", actor="alice"))).view.unread == 2
    assert [view.unread for view in (await ask(MyRoomsQuery(actor="bob"))).rooms] == [1]


async def test_what_was_said_before_one_came_again_is_not_unread_nor_counted_as_ones_own(store, ask):
    story = await told(store, messages=2)
    await store.append([story.receipt("bob", read=2), story.said(actor="bob"), story.left("bob"), story.said()])
    await store.append([story.joined("bob"), story.said(), story.said(actor="bob"), story.said()])
    assert (await ask(RoomQuery(room="general", actor="bob"))).view.unread == 2


class WatchedStore(MemoryStore):
    """Writes down how far own messages are sought, and how many are sought at a time."""

    def __init__(self):
        super().__init__()
        self.sought = []
        self.now = self.most = 0

    async def own_messages(self, room, user, after, through):
        self.sought.append((after, through))
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return await super().own_messages(room, user, after, through)


async def test_ones_own_messages_are_sought_only_so_far_behind_the_last_message(monkeypatch):
    monkeypatch.setattr(pages, "OWN_SOUGHT_EVENTS", 3)
    store = WatchedStore()
    story = await told(store, messages=1)
    await store.append([story.said(actor="bob") for _ in range(4)])
    await store.append([story.event("reaction_added", target=2, emoji="👍", actor="bob")])
    view = (await Queries(store, through_seconds=0.2).answer(RoomQuery(room="general", actor="bob"))).view
    assert (store.sought, view.unread) == ([(3, 6)], 2)


async def test_a_list_asks_about_a_few_rooms_at_a_time():
    store = WatchedStore()
    names = [f"room-{number:02}" for number in range(2 * queries.VIEWED_AT_ONCE + 1)]
    for name in names:
        await told(store, name)
    listed = await Queries(store, through_seconds=0.2).answer(MyRoomsQuery(actor="bob", limit=len(names)))
    assert [view.unread for view in listed.rooms] == [3] * len(names)
    assert sorted(view.room for view in listed.rooms) == names
    assert (len(store.sought), store.most) == (len(names), queries.VIEWED_AT_ONCE)


async def test_my_rooms_come_newest_first_with_what_is_unread_in_each(store, ask):
    await told(store, "quiet", messages=1)
    await told(store, "busy", messages=5, visibility="private")
    listed = await ask(MyRoomsQuery(actor="bob"))
    assert [(view.room, view.unread, view.role) for view in listed.rooms] == [
        ("busy", 5, "member"),
        ("quiet", 1, "member"),
    ]
    assert listed.total == 2
    assert [view.room for view in (await ask(MyRoomsQuery(actor="bob", offset=1, limit=1))).rooms] == ["quiet"]


async def test_the_directory_marks_the_actors_own_rooms(store, ask):
    await told(store, "mine", messages=1)
    await told(store, "theirs", members=("zoë",))
    listed = await ask(RoomsQuery(actor="alice"))
    assert [(view.room, view.role) for view in listed.rooms] == [("theirs", None), ("mine", "owner")]


async def test_members_come_in_pages(store, ask):
    await told(store, members=("alice", "bob", "carol"))
    first = await ask(MembersQuery(room="general", actor="alice", limit=2))
    assert ([member.user for member in first.members], first.total, first.next) == (["alice", "bob"], 3, "bob")
    rest = await ask(MembersQuery(room="general", actor="alice", after=first.next, limit=2))
    assert ([member.user for member in rest.members], rest.next) == (["carol"], None)


async def test_a_read_through_a_seq_waits_until_it_is_stored(store):
    story = await told(store)
    slow = Queries(store, through_seconds=20)
    asked = asyncio.create_task(slow.answer(PageQuery(room="general", actor="bob", through_seq=5)))
    await asyncio.sleep(0)
    await store.append([story.said()])
    page = await asked
    assert (page.head, page.behind) == (5, False)


async def test_a_read_through_a_seq_that_does_not_come_says_that_it_is_behind(store, ask):
    await told(store)
    page = await ask(PageQuery(room="general", actor="bob", through_seq=50))
    assert (page.head, page.behind) == (4, True)


async def test_a_read_through_a_seq_waits_for_the_room_itself(store):
    slow = Queries(store, through_seconds=20)
    asked = asyncio.create_task(slow.answer(RoomQuery(room="general", actor="bob", through_seq=1)))
    await asyncio.sleep(0)
    await told(store)
    assert (await asked).view.room == "general"


class AwayStore(MemoryStore):
    async def room(self, room):
        raise StoreUnavailable(room)


class BrokenStore(MemoryStore):
    async def room(self, room):
        raise KeyError(room)


def reader(store):
    return Reader(Queries(store, 0.2), HistoryMetrics(CollectorRegistry()))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"{}",
        b'{"type":"page"}',
        b'{"type":"no_such","actor":"a"}',
        b'{"type":"rooms","actor":"a","x":1}',
    ],
)
async def test_a_bad_query_is_told_which_field_is_wrong(store, body):
    refused = await reader(store).answer(body)
    assert (refused.code, refused.definite) == ("bad_field", True)
    assert refused.message


async def test_without_its_store_history_is_overloaded():
    query = json.dumps({"type": "page", "room": "general", "actor": "alice"}).encode()
    assert (await reader(AwayStore()).answer(query)).code == "overloaded"


async def test_a_bug_in_one_read_is_told_as_internal():
    query = json.dumps({"type": "room", "room": "general", "actor": "alice"}).encode()
    assert (await reader(BrokenStore()).answer(query)).code == "internal"


async def test_a_good_query_is_answered(store):
    await told(store)
    answer = await reader(store).answer(RoomsQuery(actor="alice").to_json())
    assert answer.total == 1


async def ruled(store, room="general", *, visibility="private"):
    """A room with members of every role, bans and invites."""
    story = await told(store, room, visibility=visibility, members=("alice", "bob", "carol", "dave"), messages=1)
    later = datetime.now(UTC) + timedelta(days=1)
    log = [
        story.event("member_changed", user="bob", role="admin"),
        story.event("member_changed", user="carol", role="moderator"),
        story.joined("erin", role="reader"),
        story.event("member_banned", user="mallory", text="spam"),
        story.event("member_banned", user="trudy", until=later),
        story.event("invite_created", invite="good-0001", role="reader", expires_at=later, max_uses=2),
        story.event("invite_created", invite="used-up-1", role="member", expires_at=later, max_uses=1),
        story.joined("finn", invite="used-up-1"),
        story.event("invite_created", invite="too-late1", role="member", expires_at=story.now),
        story.event("invite_created", invite="revoked-1", role="member", expires_at=later),
        story.event("invite_revoked", invite="revoked-1"),
    ]
    await store.append(log)
    return story


@pytest.mark.parametrize("query", [BansQuery, InvitesQuery])
async def test_bans_and_invites_are_for_those_whose_role_may_make_them(store, ask, query):
    await ruled(store)
    answers = {user: await ask(query(room="general", actor=user)) for user in ("alice", "bob", "carol", "dave", "erin")}
    assert {user: getattr(answer, "code", None) for user, answer in answers.items()} == {
        "alice": None,
        "bob": None,
        "carol": None,
        "dave": "not_allowed",
        "erin": "not_allowed",
    }


@pytest.mark.parametrize("query", [BansQuery, InvitesQuery])
async def test_i10_a_stranger_learns_neither_bans_nor_invites(store, ask, query):
    await ruled(store)
    await ruled(store, "open", visibility="public")
    refused = await ask(query(room="general", actor="mallory"))
    assert refused == await ask(query(room="no-such-room", actor="mallory"))
    assert refused.code == "room_not_found"
    assert (await ask(query(room="open", actor="passer-by"))).code == "not_a_member"


async def test_bans_are_told_in_pages_or_for_one_user(store, ask):
    await ruled(store)
    first = await ask(BansQuery(room="general", actor="alice", limit=1))
    assert ([(ban.user, ban.text) for ban in first.bans], first.next) == ([("mallory", "spam")], "mallory")
    second = await ask(BansQuery(room="general", actor="alice", limit=1, after=first.next))
    assert ([ban.user for ban in second.bans], second.next) == (["trudy"], None)
    for user, told in (("trudy", ["trudy"]), ("dave", []), ("nobody", [])):
        one = await ask(BansQuery(room="general", actor="alice", user=user))
        assert [ban.user for ban in one.bans] == told


async def test_invites_are_told_by_id_without_those_revoked(store, ask):
    await ruled(store)
    answer = await ask(InvitesQuery(room="general", actor="carol"))
    assert [(invite.invite, invite.uses) for invite in answer.invites] == [
        ("good-0001", 0),
        ("too-late1", 0),
        ("used-up-1", 1),
    ]


async def test_whoever_holds_an_invite_learns_where_it_leads(store, ask):
    await ruled(store)
    told = await ask(InviteQuery(room="general", actor="stranger", invite="good-0001"))
    assert (told.room, told.title, told.member_count, told.role) == ("general", "General", 6, "reader")


@pytest.mark.parametrize(
    ("invite", "code"),
    [
        ("never-made", "room_not_found"),
        ("used-up-1", "invite_invalid"),
        ("too-late1", "invite_invalid"),
        ("revoked-1", "invite_invalid"),
    ],
)
async def test_an_invite_that_lets_nobody_in_tells_nothing(store, ask, invite, code):
    await ruled(store)
    assert (await ask(InviteQuery(room="general", actor="stranger", invite=invite))).code == code
    assert (await ask(InviteQuery(room="nowhere", actor="stranger", invite=invite))).code == "room_not_found"


async def test_an_invite_to_a_closed_room_says_so(store, ask):
    story = await ruled(store)
    await store.append([story.event("room_closed")])
    assert (await ask(InviteQuery(room="general", actor="stranger", invite="good-0001"))).code == "room_closed"


@pytest.mark.parametrize("query", [RoomsQuery, MyRoomsQuery])
async def test_a_list_of_rooms_waits_for_what_its_reader_wrote(store, ask, query):
    reading = asyncio.create_task(ask(query(actor="alice", through_room="general", through_seq=4)))
    await told(store)
    assert [view.room for view in (await reading).rooms] == ["general"]


async def test_members_are_told_with_their_joining_and_their_mutes(store, ask):
    story = await told(store)
    await store.append([story.event("member_changed", user="bob", muted=True)])
    alice, bob = (await ask(MembersQuery(room="general", actor="bob"))).members
    assert (alice.muted, bob.muted, alice.joined_at) == (False, True, BEGAN + timedelta(seconds=1))


async def test_a_room_tells_its_metadata_and_how_many_messages_it_had(store, ask):
    story = Chronicle()
    await store.append([story.created(metadata={"mode": "list"}), *story.chat(2)])
    view = (await ask(RoomQuery(room="general", actor="alice"))).view
    assert (view.metadata, view.message_count) == ({"mode": "list"}, 2)
