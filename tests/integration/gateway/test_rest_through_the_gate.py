"""The REST door on a real gate and a real broker: what it holds, what it knows, and writes that are read again."""

from __future__ import annotations

import time

import jwt
import pytest

from schemas.control import GateHeartbeat
from schemas.errors import Code
from schemas.state import BanState
from services.gateway.doors.rest.registry import ADMIN_SCOPE
from tests.bed.waiting import eventually
from tests.integration.gateway.conftest import SECRET
from tests.integration.gateway.standins import NOW
from tests.unit.gateway.rest_bench import problem

pytestmark = pytest.mark.broker


def operators_token() -> str:
    claims = {"sub": "root", "exp": int(time.time()) + 3600, "scope": f"chat:read {ADMIN_SCOPE}"}
    return jwt.encode(claims, SECRET, algorithm="HS256")


async def test_messages_are_written_changed_and_read_by_their_ids(bench):
    bench.room.open("r", "ann", "bob")
    async with bench.http("ann") as http:
        sent = (await http.post("/chat/r/message", json={"content": "hi", "mentions": ["bob"]})).json()
        one = (await http.get(f"/chat/r/messages/{sent['message_id']}")).json()
        same = (await http.get(f"/chat/r/messages/{sent['sequence_id']}")).json()
        edited = await http.patch(f"/chat/r/messages/{sent['message_id']}", json={"content": "hello"})
        found = (await http.get("/chat/search", params={"query": "hi", "room": "r"})).json()
    assert (one, one["content"], one["sequence_id"]) == (same, "hi", 1)
    assert (edited.status_code, bench.room.commands[-1].seq) == (200, 1)
    assert [message["content"] for message in found["messages"]] == ["hi"]
    assert sent["is_duplicate"] is False


async def test_a_list_of_rooms_waits_for_the_room_just_made(bench):
    async with bench.http("ann") as http:
        made = (await http.post("/chat/create", json={"title": "Plans"})).json()
        await http.get("/chat/my-conversations")
    asked = bench.room.queries[-1]
    assert (asked.type, asked.through_room, asked.through_seq) == ("my_rooms", made["id"], 1)


async def test_whoever_is_attached_here_is_online_unless_they_hide(bench):
    bench.room.open("r", "ann", "bob", "cat")
    await bench.attached("bob", "r")
    cat = await bench.attached("cat", "r")
    assert (await cat.ask(type="set_status", room="r", state="offline"))["type"] == "accepted"
    async with bench.http("ann") as http:
        told = (await http.get("/chat/r/participants")).json()
    assert {one["id"]: one["isOnline"] for one in told["participants"]} == {"ann": None, "bob": True, "cat": None}


async def test_bans_come_from_history_with_its_refusals(bench):
    room = bench.room.open("r", "ann")
    bench.room.bans[room] = [BanState(user="eve", text="spam", until=NOW), BanState(user="mallory")]
    async with bench.http("ann") as http:
        first = await http.get("/chat/r/bans?limit=1")
        rest = await http.get(first.links["next"]["url"])
        bench.room.refuse_reads["bans"] = Code.NOT_ALLOWED
        problem(await http.get("/chat/r/bans"), 403, "FORBIDDEN", "not_allowed")
    assert [ban["user_id"] for page in (first, rest) for ban in page.json()["bans"]] == ["eve", "mallory"]


async def test_an_operator_sees_what_this_gate_holds_and_what_others_say(bench):
    bench.room.open("r", "ann", "bob")
    await bench.attached("ann", "r")
    await bench.client("ann")
    await bench.client("bob")
    other = GateHeartbeat(gate="g-other", interval_seconds=60, connections=7)
    assert await bench.service.control.tell(other)
    async with bench.http() as http:
        http.headers["Authorization"] = f"Bearer {operators_token()}"

        async def registry():
            response = await http.get("/gateway/connections")
            assert response.status_code == 200, response.text
            return response.json() if len(response.json()["gates"]) > 1 else None

        told = await eventually(registry, 20)
        of_bob = (await http.get("/gateway/connections?user=bob")).json()
    assert told["gates"] == [
        {"gate": bench.gate.gate_id, "connections": 3, "here": True},
        {"gate": "g-other", "connections": 7, "here": False},
    ]
    assert told["users"] == [{"user": "ann", "connections": 2}, {"user": "bob", "connections": 1}]
    assert told["rooms"] == [{"room": "r", "sessions": 1}]
    assert [client["user"] for client in of_bob["clients"]] == ["bob"]


async def test_bytes_that_nobody_expects_in_a_path_are_a_problem(bench):
    async with bench.http("ann") as http:
        for path in ("/chat/%00/messages", "/chat/r/messages/%ff", "/chat/r/bans/%0a", "/%00", "/chat/r%2Fs/messages"):
            response = await http.get(path)
            assert response.status_code in (400, 404), path
            assert response.headers["content-type"] == "application/problem+json"
