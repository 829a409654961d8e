"""What the REST door makes of answers: both spellings, links between pages, links to share, counts, and what it leaves
out because it cannot know."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from schemas.answers import Accepted, MemberView, Refused
from schemas.errors import Code
from schemas.events import MessagePosted, ReactionCount
from schemas.ids import direct_room_id
from schemas.queries import (
    BansAnswer,
    InviteAnswer,
    InvitesAnswer,
    MembersAnswer,
    MessageAnswer,
    PageAnswer,
    RoomAnswer,
    RoomsAnswer,
    SearchAnswer,
)
from schemas.roles import Role
from schemas.state import BanState, InviteState
from services.gateway.doors.rest.models.invites import read_token, token_of
from services.gateway.doors.rest.models.messages import was_written_before
from services.gateway.doors.rest.paging import after_moves, link_header, offset_moves
from tests.unit.gateway.rest_bench import NOW, Quiet, client, problem, view


def posted(seq: int, **fields: object) -> MessagePosted:
    known = {"room": "r", "epoch": "e1", "seq": seq, "at": NOW, "actor": "bob", "command_id": f"c{seq}"}
    return MessagePosted(**known | {"message_id": f"msg_{seq}", "text": f"m{seq}"} | fields)


def page(*events: MessagePosted, head: int = 9) -> PageAnswer:
    return PageAnswer(room="r", epoch="e1", head=head, events=events)


# Conversations.


async def test_a_direct_conversation_has_the_id_of_its_two_people_and_both_own_it():
    gate = Quiet()
    body = {"visibility": "direct", "participants": [{"user_id": "bob"}, {"user_id": "ann"}], "title": "us"}
    async with client(gate) as http:
        made = (await http.post("/chat/create", json=body)).json()
    assert made["id"] == made["conversation_id"] == direct_room_id("ann", "bob") == gate.commands[0].room
    assert {(one["id"], one["role"]) for one in made["participants"]} == {("ann", "owner"), ("bob", "owner")}
    assert (made["websocket_url"], made["capacity"]) == (f"/chat/ws/{made['id']}", 2)


async def test_a_conversation_tells_both_spellings_and_what_its_metadata_says():
    gate = Quiet()
    gate.here = frozenset({"bob"})
    gate.told["room"] = RoomAnswer(view=view("r", metadata={"sites": ["a.example", 7], "mode": "summarize"}))
    members = (
        MemberView(user="ann", role=Role.OWNER, joined_at=NOW, muted=False),
        MemberView(user="bob", role=Role.MEMBER, joined_at=NOW, muted=True, muted_until=NOW),
    )
    gate.told["members"] = MembersAnswer(room="r", members=members, total=2)
    gate.told["page"] = page(posted(2), posted(4))
    async with client(gate) as http:
        told = (await http.get("/chat/conversations/r")).json()
    assert (told["id"], told["conversation_id"], told["capacity"]) == ("r", "r", 100)
    assert (told["sites"], told["mode"], told["websocket_url"]) == (["a.example"], "summarize", "/chat/ws/r")
    ann, bob = told["participants"]
    assert (bob["id"], bob["participantId"], bob["name"], bob["displayName"]) == ("bob", "bob", "bob", "bob")
    assert (ann["isOnline"], bob["isOnline"], bob["muted"]) == (None, True, True)
    assert [one["sequence_id"] for one in told["messages"]] == [2, 4]
    assert told["last_message_at"] == "2026-11-20T00:00:00Z"


async def test_a_conversation_one_takes_no_part_in_does_not_exist():
    gate = Quiet()
    gate.told["room"] = RoomAnswer(view=view("r", role=None))
    async with client(gate) as http:
        problem(await http.get("/chat/conversations/r"), 404, "NOT_FOUND", "room_not_found")


@pytest.mark.parametrize(
    ("fields", "status"), [({}, "active"), ({"closed": True}, "inactive"), ({"member_count": 0}, "inactive")]
)
async def test_a_conversation_that_nobody_can_write_to_is_inactive(fields, status):
    gate = Quiet()
    gate.told["rooms"] = RoomsAnswer(rooms=(view("r", **fields),), total=1)
    async with client(gate) as http:
        assert (await http.get("/chat/rooms")).json()["rooms"][0]["status"] == status


async def test_an_update_sends_only_what_was_named():
    gate = Quiet()
    async with client(gate) as http:
        await http.patch("/chat/r", json={"topic": ""})
        gate.refuse = Refused.of(Code.BAD_FIELD, "no change is named")
        problem(await http.patch("/chat/r", json={}), 400, "MALFORMED_REQUEST", "bad_field")
    assert gate.commands[0].model_fields_set == {"room", "actor", "command_id", "retry", "topic"}


@pytest.mark.parametrize(
    ("before", "after", "remaining", "archived"),
    [
        (RoomAnswer(view=view("r", member_count=3)), RoomAnswer(view=view("r", role=None, member_count=1)), 1, False),
        (RoomAnswer(view=view("r", member_count=3)), Refused.of(Code.ROOM_NOT_FOUND), 2, False),
        (RoomAnswer(view=view("r", member_count=1)), Refused.of(Code.ROOM_NOT_FOUND), 0, True),
        (Refused.of(Code.OVERLOADED), Refused.of(Code.OVERLOADED), None, None),
        (Refused.of(Code.ROOM_NOT_FOUND), Refused.of(Code.ROOM_NOT_FOUND), None, None),
    ],
)
async def test_who_leaves_is_told_how_many_remain_where_that_is_known(before, after, remaining, archived):
    gate = Quiet()
    gate.told["room"] = lambda query: after if query.through_seq == 7 else before
    async with client(gate) as http:
        left = (await http.delete("/chat/r/leave")).json()
    assert (left["remaining_participants"], left["conversation_archived"]) == (remaining, archived)


async def test_who_joined_is_told_so_also_while_history_is_away():
    gate = Quiet()
    gate.told["room"] = Refused.of(Code.OVERLOADED)
    async with client(gate) as http:
        joined = await http.post("/chat/r/join")
    assert (joined.status_code, joined.json()["conversation_id"], joined.json()["conversation"]) == (200, "r", None)


# Messages.


async def test_a_message_is_told_whole():
    gate = Quiet()
    gate.told["page"] = page(
        posted(
            5,
            metadata={"a": 1},
            reply_to=2,
            mentions=("ann",),
            edited_seq=6,
            reactions=(ReactionCount(emoji="👍", count=2),),
        )
    )
    async with client(gate) as http:
        told = (await http.get("/chat/r/messages/5")).json()
    assert (told["id"], told["message_id"], told["conversation_id"], told["content"]) == ("msg_5", "msg_5", "r", "m5")
    assert (told["metadata"], told["reply_to"], told["mentions"], told["edited"]) == ({"a": 1}, 2, ["ann"], True)
    assert told["reactions"] == [{"emoji": "👍", "count": 2}]


async def test_a_place_without_a_message_is_404():
    gate = Quiet()
    async with client(gate) as http:
        problem(await http.get("/chat/r/messages/5"), 404, "NOT_FOUND", "message_not_found")
        gate.told["message"] = Refused.of(Code.MESSAGE_NOT_FOUND)
        problem(await http.delete("/chat/r/messages/msg_5"), 404, "NOT_FOUND", "message_not_found")
    assert gate.commands == []


@pytest.mark.parametrize(
    ("method", "more"), [("PATCH", ""), ("DELETE", ""), ("PUT", "/reactions/x"), ("DELETE", "/reactions/x")]
)
async def test_a_message_that_is_named_by_its_id_is_looked_up_for_its_place(method, more):
    gate = Quiet()
    gate.told["message"] = MessageAnswer(event=posted(5))
    async with client(gate) as http:
        body = {"content": "new"} if method == "PATCH" else None
        assert (await http.request(method, f"/chat/r/messages/msg_5{more}", json=body)).status_code == 200
    assert (gate.queries[0].message_id, gate.commands[0].seq) == ("msg_5", 5)


@pytest.mark.parametrize(
    ("written_through", "named", "told"),
    [(None, False, False), (9, False, False), (None, True, None), (6, True, None), (7, True, True), (9, True, True)],
)
def test_a_repeat_is_told_for_one_only_where_the_gate_can_know(written_through, named, told):
    accepted = Accepted(command_id="c", room="r", epoch="e1", seq=7, at=NOW)
    assert was_written_before(accepted, written_through=written_through, named_by_client=named) is told


async def test_nobody_writes_in_the_name_of_somebody_else():
    gate = Quiet()
    async with client(gate) as http:
        response = await http.post("/chat/r/message", json={"content": "x", "sender_id": "bob"})
        problem(response, 403, "IMPERSONATION_DENIED", "not_allowed")
    assert gate.commands == []


async def test_a_search_tells_what_was_found():
    gate = Quiet()
    gate.told["found"] = gate.told["search"] = SearchAnswer(events=(posted(5), posted(2)))
    async with client(gate) as http:
        found = (await http.get("/chat/search", params={"query": "m"})).json()
    assert [one["sequence_id"] for one in found["messages"]] == [5, 2]


# Pages.


def test_a_counted_list_links_to_both_sides():
    assert offset_moves(total=10, limit=3, offset=4) == {
        "next": {"offset": 7, "limit": 3},
        "prev": {"offset": 1, "limit": 3},
    }
    assert offset_moves(total=3, limit=3, offset=0) == {}
    assert offset_moves(total=10, limit=3, offset=1)["prev"] == {"offset": 0, "limit": 3}
    assert "next" not in offset_moves(total=10**6, limit=100, offset=100_000)


def test_a_list_by_name_goes_on_behind_its_last():
    assert after_moves("bob", 2) == {"next": {"after": "bob", "limit": 2}}
    assert after_moves(None, 2) == {}


def test_a_link_keeps_what_else_was_asked_for_and_is_safe_to_follow():
    moves = {"next": {"after": "zoë <x>", "before": None}}
    assert (
        link_header("/chat/r", {"before": "9", "q": "a b"}, moves)
        == '</chat/r?q=a+b&after=zo%C3%AB+%3Cx%3E>; rel="next"'
    )
    assert link_header("/chat/r", {}, {}) is None


async def test_pages_of_messages_link_to_newer_and_older_ones():
    gate = Quiet()
    async with client(gate) as http:
        gate.told["page"] = page(posted(4), posted(6))
        middle = await http.get("/chat/r/messages?after=3&limit=2")
        assert middle.links["next"]["url"] == "/chat/r/messages?after=6&limit=2"
        assert middle.links["prev"]["url"] == "/chat/r/messages?limit=2&before=4"
        gate.told["page"] = page(posted(8), posted(9))
        assert middle.json()["head"] == 9
        assert set((await http.get("/chat/r/messages")).links) == {"prev"}
        gate.told["page"] = page()
        assert (await http.get("/chat/r/messages?before=2")).links == {}


async def test_lists_link_to_their_next_page():
    gate = Quiet()
    gate.told["members"] = MembersAnswer(room="r", members=(), total=5, next="bob")
    gate.told["bans"] = BansAnswer(room="r", bans=(BanState(user="eve", text="spam"),), next="eve")
    gate.told["rooms"] = RoomsAnswer(rooms=(view("r"),), total=9)
    async with client(gate) as http:
        people = await http.get("/chat/r/participants?limit=1")
        bans = await http.get("/chat/r/bans?limit=1")
        rooms = await http.get("/chat/rooms?limit=1&offset=3")
    assert people.links["next"]["url"] == "/chat/r/participants?limit=1&after=bob"
    assert bans.links["next"]["url"] == "/chat/r/bans?limit=1&after=eve"
    assert bans.json()["bans"] == [{"user_id": "eve", "participantId": "eve", "reason": "spam", "until": None}]
    assert rooms.links["next"]["url"] == "/chat/rooms?limit=1&offset=4"
    assert rooms.links["prev"]["url"] == "/chat/rooms?limit=1&offset=2"


async def test_the_ban_of_one_user_is_told_or_404():
    gate = Quiet()
    gate.told["bans"] = BansAnswer(room="r", bans=(BanState(user="eve", until=NOW),))
    async with client(gate) as http:
        assert (await http.get("/chat/r/bans/eve")).json()["until"] == "2026-11-20T00:00:00Z"
        gate.told["bans"] = BansAnswer(room="r", bans=())
        problem(await http.get("/chat/r/bans/bob"), 404, "NOT_BANNED", "not_banned")
        gate.told["bans"] = Refused.of(Code.NOT_ALLOWED)
        problem(await http.get("/chat/r/bans/bob"), 403, "FORBIDDEN", "not_allowed")


# Invites and share links.


def test_a_token_is_read_as_it_was_made():
    assert read_token(token_of("r:1", "invite-1")) == ("r:1", "invite-1")
    for token in ("", ".", "r", "r.", ".invite-1", "r.short", "r.invite-1.x", "a b.invite-1", "r.inv ite-1"):
        assert read_token(token) is None


async def test_an_invite_and_a_share_link_are_the_same_thing():
    gate = Quiet()
    async with client(gate) as http:
        made = await http.post("/chat/r/invites", json={"role": "reader", "max_uses": 2})
        shared = (await http.post("/chat/r/share", json={"expires_hours": 1, "max_uses": 10})).json()
    assert made.status_code == 201
    assert (made.json()["token"], made.json()["role"], made.json()["max_uses"]) == ("r.invite-7", "reader", 2)
    assert made.json()["expires_at"] == "2026-11-27T00:00:00Z"
    assert (shared["share_token"], shared["share_link"]) == ("r.invite-7", "/chat/join/r.invite-7")
    assert shared["max_uses"] == 10
    assert (gate.commands[1].role, gate.commands[1].expires_at is not None) == (Role.MEMBER, True)


async def test_a_repeated_invite_tells_how_long_the_first_one_lasts():
    gate = Quiet()
    lasts = NOW + timedelta(hours=5)
    gate.told["invite"] = InviteAnswer(room="r", title="Plans", member_count=2, role=Role.READER, expires_at=lasts)
    async with client(gate) as http:
        headers = {"Idempotency-Key": "k"}
        shared = (await http.post("/chat/r/share", json={"expires_hours": 1}, headers=headers)).json()
    assert shared["expires_at"] == "2026-11-20T05:00:00Z"
    assert gate.queries[0].through_seq == 7


async def test_an_invite_under_a_key_that_another_command_had_is_refused_and_nothing_broke():
    gate = Quiet()
    gate.first = Accepted(command_id="k", room="r", epoch="e1", seq=3, at=NOW)
    async with client(gate) as http:
        for path in ("/chat/r/invites", "/chat/r/share"):
            told = await http.post(path, headers={"Idempotency-Key": "k"})
            assert problem(told, 400, "MALFORMED_REQUEST", "bad_field")["definite"]


async def test_invites_are_listed_with_their_tokens():
    gate = Quiet()
    state = InviteState(invite="invite-1", role=Role.MEMBER, expires_at=NOW, max_uses=3, uses=1)
    gate.told["invites"] = InvitesAnswer(room="r", invites=(state,))
    async with client(gate) as http:
        [told] = (await http.get("/chat/r/invites")).json()["invites"]
    assert (told["token"], told["uses"], told["max_uses"]) == ("r.invite-1", 1, 3)


async def test_whoever_holds_a_token_sees_where_it_leads():
    gate = Quiet()
    gate.told["invite"] = InviteAnswer(room="r", title="Plans", member_count=2, role=Role.MEMBER, expires_at=NOW)
    async with client(gate) as http:
        told = (await http.get("/chat/invites/r.invite-1")).json()
        joined = (await http.post("/chat/join/r.invite-1")).json()
    assert told == {
        "conversation_id": "r",
        "title": "Plans",
        "topic": "",
        "member_count": 2,
        "role": "member",
        "expires_at": "2026-11-20T00:00:00Z",
    }
    assert joined == {
        "success": True,
        "conversation_id": "r",
        "participant_id": "ann",
        "joined_via": "share_link",
    }


async def test_a_token_that_opens_nothing_any_more_is_410_and_one_that_never_did_404():
    gate = Quiet()
    gate.refuse = gate.told["invite"] = Refused.of(Code.INVITE_INVALID)
    async with client(gate) as http:
        for method, path in (("GET", "/chat/invites/r.invite-1"), ("POST", "/chat/join/r.invite-1")):
            problem(await http.request(method, path), 410, "SHARE_LINK_EXPIRED", "invite_invalid")
        problem(
            await http.post("/chat/r/join", json={"invite": "invite-1"}), 403, "INVITATION_REQUIRED", "invite_invalid"
        )
        gate.refuse = gate.told["invite"] = Refused.of(Code.ROOM_NOT_FOUND)
        for token in ("r.invite-1", "nonsense"):
            problem(await http.get(f"/chat/invites/{token}"), 404, "NOT_FOUND", "room_not_found")
            problem(await http.post(f"/chat/join/{token}"), 404, "NOT_FOUND", "room_not_found")


async def test_somebody_is_added_in_either_spelling():
    gate = Quiet()
    async with client(gate) as http:
        await http.post("/chat/r/participants", json={"user_id": "bob"})
        await http.post("/chat/r/participants", json={"participant": {"participantId": "bob", "displayName": "Bob"}})
        await http.post("/chat/r/participants", json={"participant": {"user_id": "bob", "name": "Bob"}})
    assert [command.user for command in gate.commands] == ["bob", "bob", "bob"]


@pytest.mark.parametrize(
    ("body", "status", "code", "gatehouse_code"),
    [
        ({"participants": [{"user_id": "ann"}]}, 400, "MALFORMED_REQUEST", "bad_field"),
        ({"title": "x", "participants": []}, 400, "MALFORMED_REQUEST", "bad_field"),
        (
            {"title": "x", "participants": [{"user_id": f"u{n}"} for n in range(11)]},
            400,
            "MALFORMED_REQUEST",
            "bad_field",
        ),
        (
            {"title": "x", "additional_participants": [{"participantId": f"u{n}"} for n in range(101)]},
            429,
            "CAPACITY_EXCEEDED",
            "room_full",
        ),
        ({"title": "x", "participant": {"participantId": "bob"}}, 403, "IMPERSONATION_DENIED", "not_allowed"),
    ],
)
async def test_a_create_for_nobody_for_too_many_or_for_somebody_else_is_refused(body, status, code, gatehouse_code):
    gate = Quiet()
    async with client(gate) as http:
        problem(await http.post("/chat/create", json=body), status, code, gatehouse_code)
    assert gate.commands == []


# The last word.


class Silent(Quiet):
    """Never answers."""

    def __init__(self):
        super().__init__()
        self.asked = asyncio.Event()

    async def command(self, _):
        self.asked.set()
        await asyncio.Event().wait()

    query = command


@pytest.mark.parametrize(
    ("method", "path", "status", "word", "code", "definite"),
    [
        ("POST", "message", 504, "NO_ANSWER", Code.NO_ANSWER, False),
        ("GET", "messages", 503, "SERVICE_UNAVAILABLE", Code.OVERLOADED, True),
    ],
    ids=["a command", "a read"],
)
async def test_who_is_given_up_when_the_gate_goes_down_is_answered_by_code(method, path, status, word, code, definite):
    gate = Silent()
    body = {"json": {"content": "hello"}} if method == "POST" else {}
    async with client(gate) as http:
        waiting = asyncio.create_task(http.request(method, f"/chat/r/{path}", **body))
        async with asyncio.timeout(10):
            await gate.asked.wait()
            waiting.cancel()
            told = problem(await waiting, status, word, code)
    assert (told["definite"], told["retry"]) == (definite, True)
