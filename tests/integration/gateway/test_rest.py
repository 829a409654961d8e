"""The REST door: the same commands and queries, both spellings, and every error a problem with both codes."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import Code
from tests.integration.gateway.conftest import token

pytestmark = pytest.mark.broker

PATHS = [
    ("POST", "/chat/create"),
    ("GET", "/chat/my-conversations"),
    ("GET", "/chat/rooms"),
    ("GET", "/chat/conversations/r"),
    ("POST", "/chat/r/join"),
    ("DELETE", "/chat/r/leave"),
    ("POST", "/chat/r/message"),
    ("GET", "/chat/r/messages"),
]


def problem(response, status, code, gatehouse_code):
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (response.status_code, body["status"], body["code"], body["gatehouse_code"]) == (
        status,
        status,
        code,
        gatehouse_code,
    )
    assert body["error"]
    assert body["title"]
    return body


async def test_every_path_wants_a_token(bench):
    async with bench.http() as http:
        for method, path in PATHS:
            body = problem(await http.request(method, path), 401, "MISSING_AUTH", "unauthenticated")
            assert body["error"] == "Authentication required"
    assert bench.room.commands == bench.room.queries == []


@pytest.mark.parametrize(
    ("given", "code", "gatehouse_code"),
    [
        ("Bearer nonsense", "INVALID_TOKEN", "unauthenticated"),
        ("Basic YTpi", "MISSING_AUTH", "unauthenticated"),
        (f"Bearer {token('ann', seconds=-60)}", "TOKEN_EXPIRED", "token_expired"),
    ],
)
async def test_a_bad_token_is_401_with_its_code(bench, given, code, gatehouse_code):
    async with bench.http() as http:
        response = await http.get("/chat/rooms", headers={"Authorization": given})
    problem(response, 401, code, gatehouse_code)
    assert response.headers["www-authenticate"] == "Bearer"


async def test_create_takes_the_singular_spelling(bench):
    body = {
        "title": "Plans",
        "sites": ["a.example"],
        "mode": "summarize",
        "participant": {"participantId": "ann", "displayName": "Ann", "email": "ann@a.example"},
        "additional_participants": [{"participantId": "bob", "displayName": "Bob"}],
    }
    async with bench.http("ann") as http:
        response = await http.post("/chat/create", json=body)
    made = response.json()
    assert response.status_code == 201
    assert made["id"] == made["conversation_id"]
    assert (made["title"], made["sites"], made["mode"]) == ("Plans", ["a.example"], "summarize")
    assert [(one["participantId"], one["displayName"], one["id"], one["name"]) for one in made["participants"]] == [
        ("ann", "Ann", "ann", "Ann"),
        ("bob", "Bob", "bob", "Bob"),
    ]
    [command] = bench.room.commands
    assert (command.type, command.actor, command.members) == ("create", "ann", ("bob",))


async def test_create_takes_the_plural_spelling(bench):
    people = [{"user_id": "ann", "name": "Ann"}, {"user_id": "bob", "name": "Bob"}]
    async with bench.http("ann") as http:
        response = await http.post("/chat/create", json={"title": "Plans", "participants": people})
    assert response.status_code == 201
    assert [one["id"] for one in response.json()["participants"]] == ["ann", "bob"]
    assert bench.room.commands[0].members == ("bob",)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"participants": [{"user_id": "ann"}]}, "MALFORMED_REQUEST"),
        ({"title": "x", "participants": []}, "MALFORMED_REQUEST"),
        ({"title": "x", "participants": [{"name": "nobody"}]}, "MALFORMED_REQUEST"),
        ({"title": "x", "participants": [{"user_id": "a b"}]}, "MALFORMED_REQUEST"),
        ({"title": "x", "mode": "dance"}, "MALFORMED_REQUEST"),
        ({"title": " "}, "MALFORMED_REQUEST"),
        ({"title": "two\nlines"}, "MALFORMED_REQUEST"),
        ({"title": ""}, "MALFORMED_REQUEST"),
        ([], "MALFORMED_REQUEST"),
    ],
)
async def test_a_create_that_makes_no_sense_is_400(bench, body, code):
    async with bench.http("ann") as http:
        problem(await http.post("/chat/create", json=body), 400, code, "bad_field")
    assert bench.room.commands == []


async def test_more_people_than_one_create_takes_are_refused(bench):
    people = [{"user_id": f"u{number}"} for number in range(11)]
    async with bench.http("ann") as http:
        response = await http.post("/chat/create", json={"title": "x", "participants": people})
    body = problem(response, 400, "MALFORMED_REQUEST", "bad_field")
    assert "Participant limit exceeded" in body["error"]
    others = [{"participantId": f"u{number}"} for number in range(101)]
    async with bench.http("ann") as http:
        response = await http.post("/chat/create", json={"title": "x", "additional_participants": others})
    problem(response, 429, "CAPACITY_EXCEEDED", "room_full")
    assert response.headers["retry-after"] == "300"
    assert bench.room.commands == []


async def test_a_body_that_is_not_json_is_a_problem_too(bench):
    async with bench.http("ann") as http:
        response = await http.post("/chat/r/message", content=b"{", headers={"Content-Type": "application/json"})
    problem(response, 400, "INVALID_JSON", "bad_frame")


async def test_a_body_above_the_limit_is_413(bench):
    async with bench.http("ann") as http:
        response = await http.post("/chat/r/message", json={"content": "x" * 300_000})
    problem(response, 413, "MESSAGE_TOO_LARGE", "too_large")
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_text_above_the_limit_is_413(bench):
    async with bench.http("ann") as http:
        response = await http.post("/chat/r/message", json={"content": "x" * 20_000})
    problem(response, 413, "MESSAGE_TOO_LARGE", "too_large")


async def test_a_message_is_accepted_and_the_next_page_reads_through_it(bench):
    room = bench.room.open("r", "ann")
    async with bench.http("ann") as http:
        sent = (await http.post("/chat/r/message", json={"content": "hi"})).json()
        page = (await http.get("/chat/r/messages", params={"after": 0, "limit": 10})).json()
    assert (sent["success"], sent["sequence_id"], sent["message_id"]) == (True, 1, "msg_1")
    assert [(one["sequence_id"], one["sender_id"], one["content"]) for one in page["messages"]] == [(1, "ann", "hi")]
    assert page["conversation_id"] == room
    assert (bench.room.queries[-1].through_seq, bench.room.queries[-1].messages) == (1, True)


@pytest.mark.parametrize("way", ["header", "body"])
async def test_the_same_idempotency_key_makes_one_message(bench, way):
    bench.room.open("r", "ann")
    headers = {"Idempotency-Key": "k1", "Idempotency-Retry": "true"} if way == "header" else {}
    body = {"content": "hi"} | ({"message_id": "k1"} if way == "body" else {})
    async with bench.http("ann") as http:
        first, again = [(await http.post("/chat/r/message", json=body, headers=headers)).json() for _ in range(2)]
    same = ("message_id", "sequence_id", "epoch", "timestamp", "client_message_id")
    assert [again[name] for name in same] == [first[name] for name in same]
    assert first["is_duplicate"] is None
    assert (again["is_duplicate"], again["original_timestamp"]) == (True, first["timestamp"])
    assert first["client_message_id"] == "k1"
    assert bench.room.commands[0].retry is (way == "header")


async def test_the_same_idempotency_key_makes_one_conversation(bench):
    async with bench.http("ann") as http:
        made = [
            (await http.post("/chat/create", json={"title": "x"}, headers={"Idempotency-Key": "k"})).json()["id"]
            for _ in range(2)
        ]
    assert made[0] == made[1]


async def test_the_same_key_twice_in_flight_is_409(start_bench):
    bench = await start_bench(command_seconds=1)
    bench.room.open("r", "ann")
    bench.room.mute = True
    async with bench.http("ann") as http:
        headers = {"Idempotency-Key": "k"}
        answers = await asyncio.gather(
            *(http.post("/chat/r/message", json={"content": "x"}, headers=headers) for _ in range(2))
        )
    late, twice = sorted(answers, key=lambda response: -response.status_code)
    problem(late, 504, "NO_ANSWER", "no_answer")
    problem(twice, 409, "DUPLICATE_IN_FLIGHT", "duplicate_in_flight")


async def test_nobody_speaks_for_somebody_else(bench):
    bench.room.open("r", "ann")
    async with bench.http("ann") as http:
        for path, body in (
            ("/chat/r/message", {"content": "x", "sender_id": "bob"}),
            ("/chat/r/join", {"participant": {"participantId": "bob", "displayName": "Bob"}}),
            ("/chat/r/join", {"user_id": "bob", "name": "Bob"}),
            ("/chat/create", {"title": "x", "participant": {"participantId": "bob", "displayName": "B"}}),
        ):
            problem(await http.post(path, json=body), 403, "IMPERSONATION_DENIED", "not_allowed")
    assert bench.room.commands == []


async def test_joining_answers_the_whole_conversation_and_joining_again_is_409(bench):
    bench.room.open("r", "ann", events=2)
    async with bench.http("bob") as http:
        joined = (await http.post("/chat/r/join", json={"user_id": "bob", "name": "Bob"})).json()
        again = await http.post("/chat/r/join")
    assert (joined["success"], joined["participant_id"]) == (True, "bob")
    assert [one["participantId"] for one in joined["conversation"]["participants"]] == ["ann", "bob"]
    assert [one["sequence_id"] for one in joined["conversation"]["messages"]][:2] == [1, 2]
    assert "Already a participant" in problem(again, 409, "ALREADY_PARTICIPANT", "already_a_member")["error"]


async def test_a_full_conversation_is_429_with_a_moment_to_come_back(bench):
    bench.room.open("r", "ann")
    bench.room.refuse["join"] = Code.ROOM_FULL
    async with bench.http("bob") as http:
        response = await http.post("/chat/r/join")
    body = problem(response, 429, "CAPACITY_EXCEEDED", "room_full")
    assert body["retry_after"] == 300
    assert response.headers["retry-after"] == "300"
    assert "Participant limit exceeded" in body["error"]


async def test_leaving_counts_who_remains_and_leaving_again_is_404(bench):
    bench.room.open("r", "ann", "bob")
    async with bench.http("bob") as http:
        left = (await http.delete("/chat/r/leave")).json()
        again = await http.delete("/chat/r/leave")
    assert (left["success"], left["remaining_participants"], left["conversation_archived"]) == (True, 1, False)
    problem(again, 404, "NOT_PARTICIPANT", "not_a_member")


async def test_somebody_elses_conversation_is_not_admitted_to_exist(bench):
    bench.room.open("r", "ann")
    async with bench.http("bob") as http:
        mine = await http.get("/chat/conversations/r")
        none = await http.get("/chat/conversations/nowhere")
        sent = await http.post("/chat/r/message", json={"content": "x"})
    assert mine.json() == none.json()
    problem(mine, 404, "NOT_FOUND", "room_not_found")
    problem(sent, 404, "NOT_PARTICIPANT", "not_a_member")


async def test_my_conversations_and_the_directory_are_paged(bench):
    for number in range(5):
        bench.room.open(f"r{number}", "ann" if number % 2 else "bob")
    async with bench.http("ann") as http:
        mine = (await http.get("/chat/my-conversations", params={"limit": 1, "offset": 1})).json()
        rooms = (await http.get("/chat/rooms")).json()
        wrong = await http.get("/chat/my-conversations", params={"limit": "many"})
        far = await http.get("/chat/my-conversations", params={"limit": 101})
    assert (mine["total"], mine["limit"], mine["offset"]) == (2, 1, 1)
    assert [one["conversation_id"] for one in mine["conversations"]] == ["r3"]
    assert [one["id"] for one in rooms["rooms"]] == ["r0", "r1", "r2", "r3", "r4"]
    for response in (wrong, far):
        problem(response, 400, "MALFORMED_REQUEST", "bad_field")


async def test_a_room_id_with_a_dot_is_400(bench):
    async with bench.http("ann") as http:
        problem(await http.get("/chat/conversations/a.b"), 400, "MALFORMED_REQUEST", "bad_field")


async def test_wrong_paths_and_methods_are_problems(bench):
    async with bench.http("ann") as http:
        problem(await http.get("/chat/r/nothing"), 404, "NOT_FOUND", "unknown_command")
        problem(await http.put("/chat/rooms"), 405, "NOT_SUPPORTED", "unknown_command")
        assert (await http.get("/no-such-page.html")).status_code == 404


async def test_health_needs_no_token_and_counts_connections(bench):
    await bench.client("ann")
    async with bench.http() as http:
        health = (await http.get("/health/chat")).json()
    assert (health["status"], health["connections"]) == ("healthy", 1)
    assert health["checks"]["websocket"]["connections"] == 1


async def test_operations_are_on_the_same_port(bench):
    async with bench.http() as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        ready = (await http.get("/readyz")).json()
        metrics = (await http.get("/metrics")).text
    assert ready["checks"] == {"fanout": "ok", "commands": "ok", "control": "ok"}
    assert "gateway_connections 0.0" in metrics


async def test_every_response_carries_the_security_headers(bench):
    async with bench.http() as http:
        for path in ("/health/chat", "/chat/rooms", "/nothing"):
            headers = (await http.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert "default-src 'self'" in headers["content-security-policy"]


async def test_the_demo_login_is_there_in_demo_mode_only_and_for_three_users(start_bench):
    bench = await start_bench(demo=True)
    async with bench.http() as http:
        answer = (await http.post("/demo/login", json={"user": "alice"})).json()
        wrong = await http.post("/demo/login", json={"user": "mallory"})
        rooms = await http.get("/chat/rooms", headers={"Authorization": f"Bearer {answer['token']}"})
    problem(wrong, 401, "INVALID_TOKEN", "unauthenticated")
    assert rooms.status_code == 200


async def test_without_demo_there_is_no_login(bench):
    async with bench.http() as http:
        assert (await http.post("/demo/login", json={"user": "alice"})).status_code in (404, 405)
