"""Every operation of the REST door: which command or query it is, what it may be refused with, and how it is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.answers import Refused
from schemas.errors import Code
from services.gateway.doors.http import methods_at, openapi
from services.gateway.doors.problems import status_of
from tests.unit.gateway.rest_bench import Quiet, client, problem

UNTIL = "2027-01-01T00:00:00Z"
WRITES: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("POST", "/chat/create", {"title": "x"}, {"type": "create", "title": "x", "visibility": "public"}),
    ("PATCH", "/chat/r", {"topic": "new", "capacity": 9}, {"type": "update", "topic": "new", "capacity": 9}),
    ("DELETE", "/chat/r", None, {"type": "close"}),
    ("PUT", "/chat/r/status", {"state": "away", "mood": "m"}, {"type": "set_status", "state": "away", "mood": "m"}),
    ("POST", "/chat/r/join", {"invite": "invite-1"}, {"type": "join", "invite": "invite-1"}),
    ("DELETE", "/chat/r/leave", None, {"type": "leave"}),
    ("DELETE", "/chat/r/leave?successor=bob", None, {"type": "leave", "successor": "bob"}),
    (
        "POST",
        "/chat/r/message",
        {"content": "hi", "kind": "media", "metadata": {"a": 1}, "reply_to": 3, "mentions": ["bob"]},
        {"type": "send", "text": "hi", "kind": "media", "metadata": {"a": 1}, "reply_to": 3, "mentions": ["bob"]},
    ),
    ("PATCH", "/chat/r/messages/5", {"content": "new"}, {"type": "edit", "seq": 5, "text": "new"}),
    ("DELETE", "/chat/r/messages/5", None, {"type": "delete", "seq": 5}),
    ("PUT", "/chat/r/messages/5/reactions/%F0%9F%91%8D", None, {"type": "react", "seq": 5, "emoji": "👍"}),
    ("DELETE", "/chat/r/messages/5/reactions/+1", None, {"type": "unreact", "seq": 5, "emoji": "+1"}),
    ("POST", "/chat/r/read", {"seq": 5}, {"type": "mark_read", "seq": 5}),
    ("POST", "/chat/r/delivered", {"seq": 5}, {"type": "mark_delivered", "seq": 5}),
    ("POST", "/chat/r/typing", {"active": False}, {"type": "typing", "active": False}),
    ("POST", "/chat/r/participants", {"user_id": "bob"}, {"type": "add", "user": "bob"}),
    ("DELETE", "/chat/r/participants/bob?reason=spam", None, {"type": "kick", "user": "bob", "reason": "spam"}),
    ("PUT", "/chat/r/participants/bob/role", {"role": "admin"}, {"type": "set_role", "user": "bob", "role": "admin"}),
    ("PUT", "/chat/r/participants/bob/mute", {"until": UNTIL}, {"type": "mute", "user": "bob", "until": UNTIL}),
    ("DELETE", "/chat/r/participants/bob/mute", None, {"type": "unmute", "user": "bob"}),
    ("PUT", "/chat/r/bans/zo%C3%AB", {"reason": "x"}, {"type": "ban", "user": "zoë", "reason": "x"}),
    ("DELETE", "/chat/r/bans/bob", None, {"type": "unban", "user": "bob"}),
    ("POST", "/chat/join/r.invite-1", None, {"type": "join", "room": "r", "invite": "invite-1"}),
    (
        "POST",
        "/chat/r/share",
        {"max_uses": 3, "permissions": ["read"]},
        {"type": "invite", "max_uses": 3, "role": "reader"},
    ),
    ("POST", "/chat/r/invites", {"role": "member"}, {"type": "invite", "role": "member"}),
    ("DELETE", "/chat/r/invites/invite-1", None, {"type": "revoke_invite", "invite": "invite-1"}),
]
READS: list[tuple[str, dict[str, Any]]] = [
    ("/chat/my-conversations?limit=3&offset=2", {"type": "my_rooms", "limit": 3, "offset": 2}),
    ("/chat/rooms", {"type": "rooms", "limit": 50, "offset": 0}),
    ("/chat/conversations/r", {"type": "room", "room": "r", "through_seq": 9}),
    ("/chat/r/messages?after=2&limit=5", {"type": "page", "after": 2, "limit": 5, "messages": True, "through_seq": 9}),
    ("/chat/r/messages/5", {"type": "page", "after": 4, "before": 6, "limit": 1, "through_seq": 9}),
    ("/chat/r/messages/msg_5", {"type": "message", "message_id": "msg_5", "through_seq": 9}),
    ("/chat/search?query=sea&room=r", {"type": "search", "query": "sea", "room": "r", "through_seq": 9}),
    ("/chat/search?query=sea", {"type": "search", "query": "sea", "limit": 20}),
    ("/chat/r/participants?after=bob", {"type": "members", "after": "bob", "through_seq": 9}),
    ("/chat/r/bans", {"type": "bans", "through_seq": 9}),
    ("/chat/r/bans/bob", {"type": "bans", "user": "bob", "through_seq": 9}),
    ("/chat/r/invites", {"type": "invites", "through_seq": 9}),
    ("/chat/invites/r.invite-1", {"type": "invite", "room": "r", "invite": "invite-1", "through_seq": 9}),
]
PATHS = [(method, path, body) for method, path, body, _ in WRITES] + [("GET", path, None) for path, _ in READS]
DOCUMENT = openapi()


def documented(method: str, path: str) -> dict[str, Any]:
    """The operation that a request is, by the document."""
    plain = path.partition("?")[0]
    for template, operations in DOCUMENT["paths"].items():
        if method.lower() in operations and _is_one(plain.split("/"), template.split("/")):
            return operations[method.lower()]
    raise AssertionError(f"{method} {path} is not documented")


def _is_one(path: list[str], template: list[str]) -> bool:
    return len(path) == len(template) and all(
        wanted == given or wanted.startswith("{") for given, wanted in zip(path, template, strict=True)
    )


@pytest.mark.parametrize(("method", "path", "body", "command"), WRITES, ids=[f"{w[0]} {w[1]}" for w in WRITES])
async def test_a_write_is_one_command_of_the_tokens_user_under_its_idempotency_key(method, path, body, command):
    gate = Quiet()
    async with client(gate) as http:
        headers = {"Idempotency-Key": "k1", "Idempotency-Retry": "true"}
        response = await http.request(method, path, json=body, headers=headers)
    assert response.status_code in (200, 201), response.text
    [sent] = gate.commands
    told = sent.to_dict()
    assert {name: told.get(name) for name in command} == command
    assert (told["actor"], told["command_id"], told["retry"]) == ("ann", "k1", True)
    assert path.startswith("/chat/create") or told["room"] == "r"
    assert response.json().get("success", True) is True


@pytest.mark.parametrize(("path", "query"), READS)
async def test_a_read_is_one_query_of_the_tokens_user_behind_what_they_wrote(path, query):
    gate = Quiet()
    gate.written["ann", "r"] = 9
    async with client(gate) as http:
        await http.get(path)
    told = gate.queries[0].to_dict()
    assert {name: told.get(name) for name in query} == query
    assert told["actor"] == "ann"
    if query["type"] in ("my_rooms", "rooms"):
        assert (told["through_room"], told["through_seq"]) == ("r", 9)


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_every_operation_wants_a_token(method, path, body):
    gate = Quiet()
    async with client(gate, None) as http:
        problem(await http.request(method, path, json=body), 401, "MISSING_AUTH", "unauthenticated")
    for token, code, gatehouse_code in (
        ("nobody", "INVALID_TOKEN", "unauthenticated"),
        ("late", "TOKEN_EXPIRED", "token_expired"),
    ):
        async with client(gate, token) as http:
            response = await http.request(method, path, json=body)
        problem(response, 401, code, gatehouse_code)
        assert response.headers["www-authenticate"] == "Bearer"
    assert gate.commands == gate.queries == []


@pytest.mark.parametrize(("method", "path", "body", "command"), WRITES, ids=[f"{w[0]} {w[1]}" for w in WRITES])
async def test_whatever_a_write_is_refused_with_is_a_documented_problem(method, path, body, command):
    promised = documented(method, path)["responses"]
    for code in Code:
        gate = Quiet()
        gate.refuse = Refused.of(code)
        async with client(gate) as http:
            response = await http.request(method, path, json=body)
        assert response.headers["content-type"] == "application/problem+json"
        told = promised.get(str(response.status_code), {}).get("description", "")
        if f"`{code}`" in str(promised):
            assert f"`{code}`" in told, code
        assert response.json()["gatehouse_code"] == code


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_an_operation_documents_its_answer_its_problems_and_its_security(method, path, body):
    operation = documented(method, path)
    assert operation["operationId"]
    assert operation["tags"]
    assert operation["summary"]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert {"400", "401", "413", "429", "500", "503"} <= operation["responses"].keys()
    success = next(told for status, told in operation["responses"].items() if status in ("200", "201"))
    assert "$ref" in success["content"]["application/json"]["schema"]
    assert ("415" in operation["responses"]) == ("requestBody" in operation)
    assert ("504" in operation["responses"]) == (method != "GET")


def test_no_two_operations_share_an_id():
    ids = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("method", "path", "body"), [one for one in PATHS if one[2] is not None])
async def test_a_body_that_is_not_called_json_is_415(method, path, body):
    gate = Quiet()
    async with client(gate) as http:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "nonsense", ""):
            headers = {"Content-Type": kind} if kind else {}
            response = await http.request(method, path, content=b'{"content": "x"}', headers=headers)
            problem(response, 415, "UNSUPPORTED_MEDIA_TYPE", "bad_frame")
        response = await http.request(method, path, content=b"{", headers={"Content-Type": "application/json"})
        problem(response, 400, "INVALID_JSON", "bad_frame")
        deep = b"[" * 100_000
        response = await http.request(method, path, content=deep, headers={"Content-Type": "application/json"})
        problem(response, 400, "INVALID_JSON", "bad_frame")
    assert gate.commands == []


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_a_method_that_is_not_served_is_405_and_told_which_are(method, path, body):
    plain = path.partition("?")[0]
    async with client(Quiet()) as http:
        response = await http.request("OPTIONS", plain)
    problem(response, 405, "NOT_SUPPORTED", "unknown_command")
    assert method in response.headers["allow"].split(", ")


async def test_words_of_the_tree_are_no_rooms():
    gate = Quiet()
    async with client(gate) as http:
        for method, path, allowed in (
            ("PATCH", "/chat/rooms", "GET"),
            ("DELETE", "/chat/create", "POST"),
            ("GET", "/chat/create", "POST"),
            ("PUT", "/chat/search", "GET"),
        ):
            response = await http.request(method, path)
            problem(response, 405, "NOT_SUPPORTED", "unknown_command")
            assert response.headers["allow"] == allowed
        problem(await http.get("/chat/ws/messages"), 404, "NOT_FOUND", "unknown_command")
        assert (await http.patch("/chat/roomsy", json={"title": "x"})).status_code == 200
    assert [command.room for command in gate.commands] == ["roomsy"]


def test_methods_are_known_by_path():
    assert methods_at("/chat/r") == {"PATCH", "DELETE"}
    assert methods_at("/chat/r/messages/5") == {"GET", "PATCH", "DELETE"}
    assert methods_at("/nothing") == frozenset()


@pytest.mark.parametrize(
    "path",
    [
        "/chat/r/messages?limit=many",
        "/chat/r/messages?limit=0",
        "/chat/r/messages?limit=201",
        "/chat/r/messages?after=-1",
        "/chat/r/messages?after=9007199254740992",
        "/chat/my-conversations?limit=101",
        "/chat/my-conversations?offset=100001",
        "/chat/rooms?offset=1e3",
        "/chat/r/participants?limit=x",
        "/chat/r/bans?after=a%20b",
        "/chat/search?query=",
        "/chat/search",
        "/chat/a.b/messages",
        "/chat/r/messages/0",
        "/chat/r/messages/msg_x",
        "/chat/r/messages/9999999999999999999",
        "/chat/r/bans/a%20b",
    ],
)
async def test_bad_numbers_and_names_are_400(path):
    async with client(Quiet()) as http:
        problem(await http.get(path), 400, "MALFORMED_REQUEST", "bad_field")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/chat/r", {"capacity": "many"}),
        ("PATCH", "/chat/r", {"title": " "}),
        ("PUT", "/chat/r/status", {"state": "asleep"}),
        ("POST", "/chat/r/join", {"invite": "short"}),
        ("POST", "/chat/r/message", {"content": ""}),
        ("POST", "/chat/r/message", {"content": "x", "reply_to": -1}),
        ("POST", "/chat/r/message", {"content": "x", "metadata": {"a": float("inf")}}),
        ("POST", "/chat/r/message", {}),
        ("POST", "/chat/r/message", None),
        ("PATCH", "/chat/r/messages/5", {"content": "\ud800"}),
        ("POST", "/chat/r/read", {"seq": "5"}),
        ("POST", "/chat/r/read", {"seq": True}),
        ("POST", "/chat/r/typing", {"active": "yes"}),
        ("POST", "/chat/r/participants", {}),
        ("PUT", "/chat/r/participants/bob/role", {"role": "king"}),
        ("PUT", "/chat/r/participants/bob/mute", {"until": 7}),
        ("PUT", "/chat/r/bans/bob", {"until": "tomorrow"}),
        ("POST", "/chat/r/share", {"expires_hours": 0}),
        ("POST", "/chat/r/share", {"permissions": ["rule"]}),
        ("POST", "/chat/r/share", {"permissions": []}),
        ("POST", "/chat/r/invites", {"max_uses": 0}),
        ("POST", "/chat/create", {"title": "x", "mode": "dance"}),
    ],
)
async def test_bad_fields_are_400(method, path, body):
    gate = Quiet()
    async with client(gate) as http:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        problem(
            await http.request(method, path, content=content, headers=headers), 400, "MALFORMED_REQUEST", "bad_field"
        )
    assert gate.commands == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/chat/search?query={'x' * 201}"),
        ("DELETE", f"/chat/r/participants/bob?reason={'x' * 501}"),
        ("PUT", f"/chat/r/messages/5/reactions/{'x' * 33}"),
    ],
)
async def test_what_is_too_large_is_413_outside_of_bodies_too_as_at_every_door(method, path):
    gate = Quiet()
    async with client(gate) as http:
        problem(await http.request(method, path), 413, "MESSAGE_TOO_LARGE", "too_large")
    assert gate.commands == []


async def test_what_is_too_large_is_413_with_both_sizes():
    gate = Quiet()
    async with client(gate) as http:
        text = problem(
            await http.post("/chat/r/message", json={"content": "é" * 10_000}), 413, "MESSAGE_TOO_LARGE", "too_large"
        )
        assert (text["actual_size"], text["max_size"]) == (20_000, 16_384)
        title = problem(await http.patch("/chat/r", json={"title": "x" * 201}), 413, "MESSAGE_TOO_LARGE", "too_large")
        assert (title["actual_size"], title["max_size"]) == (201, 200)
        data = {"content": "x", "metadata": {"a": "x" * 5_000}}
        assert (
            problem(await http.post("/chat/r/message", json=data), 413, "MESSAGE_TOO_LARGE", "too_large")["max_size"]
            == 4096
        )
        body = problem(
            await http.post("/chat/r/message", content=b"x" * 300_000), 413, "MESSAGE_TOO_LARGE", "too_large"
        )
        assert (body["actual_size"], body["max_size"]) == (300_000, 256 * 1024)
        whole = {"title": "x", "sites": ["x" * 256] * 32}
        problem(await http.post("/chat/create", json=whole), 413, "MESSAGE_TOO_LARGE", "too_large")
    assert gate.commands == []


async def test_who_is_to_come_back_later_is_told_when():
    gate = Quiet()
    for refused, status, code, after in (
        (Refused.of(Code.RATE_LIMITED, retry_after_seconds=2.4), 429, "RATE_LIMITED", "2"),
        (Refused.of(Code.OVERLOADED, retry_after_seconds=1.0, command_id="c"), 429, "QUEUE_FULL", "1"),
        (Refused.of(Code.OVERLOADED, retry_after_seconds=1.0), 503, "SERVICE_UNAVAILABLE", "1"),
        (Refused.of(Code.ROOM_FULL), 429, "CAPACITY_EXCEEDED", "300"),
        (Refused.of(Code.OVERLOADED), 503, "SERVICE_UNAVAILABLE", None),
        (Refused.of(Code.NO_ANSWER), 504, "NO_ANSWER", None),
    ):
        gate.refuse = refused
        async with client(gate) as http:
            response = await http.post("/chat/r/message", json={"content": "x"})
        body = problem(response, status, code, refused.code.value)
        assert response.headers.get("retry-after") == after
        assert ("retry_after" in body) == (after is not None)


async def test_who_asks_too_often_is_429_before_anything_is_done():
    gate = Quiet()
    gate.wait = 2.0
    async with client(gate) as http:
        response = await http.post("/chat/r/message", json={"content": "x"})
    problem(response, 429, "RATE_LIMITED", "rate_limited")
    assert response.headers["retry-after"] == "2"
    assert gate.commands == []


async def test_what_breaks_inside_is_500_and_says_nothing_of_why():
    gate = Quiet()
    gate.told["rooms"] = lambda _: 1 / 0
    async with client(gate) as http:
        body = problem(await http.get("/chat/rooms"), 500, "INTERNAL_ERROR", "internal")
    assert "zero" not in str(body)


def test_a_code_has_one_status_but_for_those_told_apart():
    assert (status_of(Code.OVERLOADED), status_of(Code.NOT_A_MEMBER), status_of(Code.INVITE_INVALID)) == (503, 404, 403)
