"""The REST door with the real room and history services: what one request writes, the next one reads."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.gateway.rest_bench import problem

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]


class Person:
    """Somebody who speaks HTTP; every answer is to have this status."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, body=None, *, status: int = 200):
        response = await self._http.request(method, path, json=body, headers=self._headers)
        assert response.status_code == status, (method, path, response.text)
        return response.json()

    async def refused(self, method: str, path: str, status: int, code: str, gatehouse_code: str, body=None):
        response = await self._http.request(method, path, json=body, headers=self._headers)
        return problem(response, status, code, gatehouse_code)


async def test_a_conversation_lives_over_rest_alone(start_stack):
    stack = await start_stack()
    async with httpx.AsyncClient(base_url=stack.http, trust_env=False, timeout=30) as http:
        ann, bob, eve = (Person(http, stack.token(user)) for user in ("ann", "bob", "eve"))
        room = (await ann.ask("POST", "/chat/create", {"title": "Ours", "visibility": "private"}, status=201))["id"]
        assert [one["id"] for one in (await ann.ask("GET", "/chat/my-conversations"))["conversations"]] == [room]
        await _invite(room, ann, bob, eve)
        await _talk(room, ann, bob)
        await _rule(room, ann, bob, eve)
        await _end(room, ann, bob)


async def _invite(room, ann, bob, eve):
    shared = await ann.ask("POST", f"/chat/{room}/share", {"max_uses": 1, "expires_hours": 2})
    token = shared["share_token"]
    listed = await ann.ask("GET", f"/chat/{room}/invites")
    assert [(one["token"], one["uses"]) for one in listed["invites"]] == [(token, 0)]
    told = await bob.ask("GET", f"/chat/invites/{token}")
    assert (told["conversation_id"], told["title"], told["member_count"]) == (room, "Ours", 1)
    await bob.refused("GET", f"/chat/conversations/{room}", 404, "NOT_FOUND", "room_not_found")
    joined = await bob.ask("POST", f"/chat/join/{token}")
    assert (joined["conversation_id"], joined["joined_via"]) == (room, "share_link")
    assert (await bob.ask("GET", f"/chat/{room}/participants"))["total"] == 2
    await eve.refused("POST", f"/chat/join/{token}", 410, "SHARE_LINK_EXPIRED", "invite_invalid")
    await eve.refused("GET", f"/chat/invites/{room}.never-made", 404, "NOT_FOUND", "room_not_found")
    await bob.refused("GET", f"/chat/{room}/invites", 403, "FORBIDDEN", "not_allowed")
    made = await ann.ask("POST", f"/chat/{room}/invites", {"role": "reader"}, status=201)
    await ann.ask("DELETE", f"/chat/{room}/invites/{made['invite']}")
    await ann.ask("GET", f"/chat/{room}/invites")
    await eve.refused("GET", f"/chat/invites/{made['token']}", 410, "SHARE_LINK_EXPIRED", "invite_invalid")


async def _talk(room, ann, bob):
    sent = await ann.ask("POST", f"/chat/{room}/message", {"content": "the sea", "mentions": ["bob"]})
    reply = await bob.ask("POST", f"/chat/{room}/message", {"content": "and ships", "reply_to": sent["sequence_id"]})
    await bob.ask("PUT", f"/chat/{room}/messages/{sent['message_id']}/reactions/👍")
    await ann.ask("PATCH", f"/chat/{room}/messages/{sent['sequence_id']}", {"content": "the open sea"})
    told = await ann.ask("GET", f"/chat/{room}/messages/{sent['message_id']}")
    assert (told["content"], told["edited"], told["reactions"]) == ("the open sea", True, [{"emoji": "👍", "count": 1}])
    found = await ann.ask("GET", f"/chat/search?query=open&room={room}")
    assert [one["sequence_id"] for one in found["messages"]] == [sent["sequence_id"]]
    await bob.refused(
        "PATCH", f"/chat/{room}/messages/{sent['sequence_id']}", 403, "FORBIDDEN", "not_allowed", {"content": "x"}
    )
    await ann.ask("POST", f"/chat/{room}/read", {"seq": reply["sequence_id"]})
    await ann.refused("POST", f"/chat/{room}/read", 404, "NOT_FOUND", "message_not_found", {"seq": 10_000})
    await bob.ask("DELETE", f"/chat/{room}/messages/{reply['message_id']}")
    assert (await bob.ask("GET", f"/chat/{room}/messages/{reply['sequence_id']}"))["deleted"] is True
    page = await ann.ask("GET", f"/chat/{room}/messages?limit=1")
    assert [one["sequence_id"] for one in page["messages"]] == [reply["sequence_id"]]


async def _rule(room, ann, bob, eve):
    await ann.ask("PUT", f"/chat/{room}/participants/bob/role", {"role": "moderator"})
    await bob.ask("POST", f"/chat/{room}/participants", {"user_id": "eve"})
    await bob.ask("PUT", f"/chat/{room}/participants/eve/mute")
    people = (await bob.ask("GET", f"/chat/{room}/participants"))["participants"]
    assert [(one["id"], one["role"], one["muted"]) for one in people] == [
        ("ann", "owner", False),
        ("bob", "moderator", False),
        ("eve", "member", True),
    ]
    await eve.refused("POST", f"/chat/{room}/message", 403, "FORBIDDEN", "muted", {"content": "x"})
    await bob.ask("PUT", f"/chat/{room}/bans/eve", {"reason": "noise"})
    assert [(ban["user_id"], ban["reason"]) for ban in (await bob.ask("GET", f"/chat/{room}/bans"))["bans"]] == [
        ("eve", "noise")
    ]
    assert (await bob.ask("GET", f"/chat/{room}/bans/eve"))["until"] is None
    await eve.refused("POST", f"/chat/{room}/join", 403, "FORBIDDEN", "banned")
    await bob.ask("DELETE", f"/chat/{room}/bans/eve")
    await bob.refused("GET", f"/chat/{room}/bans/eve", 404, "NOT_BANNED", "not_banned")
    await bob.refused("DELETE", f"/chat/{room}/participants/ann", 403, "FORBIDDEN", "not_allowed")


async def _end(room, ann, bob):
    await ann.ask("PATCH", f"/chat/{room}", {"title": "Theirs", "metadata": {"mode": "summarize"}})
    told = await ann.ask("GET", f"/chat/conversations/{room}")
    assert (told["title"], told["mode"], told["status"]) == ("Theirs", "summarize", "active")
    left = await bob.ask("DELETE", f"/chat/{room}/leave")
    assert (left["remaining_participants"], left["conversation_archived"]) == (1, False)
    await ann.ask("DELETE", f"/chat/{room}")
    assert (await ann.ask("GET", f"/chat/conversations/{room}"))["status"] == "inactive"
    await ann.refused("POST", f"/chat/{room}/message", 409, "CONVERSATION_ARCHIVED", "room_closed", {"content": "x"})
