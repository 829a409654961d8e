"""Gates with the real room and history services: the contract the stand-ins play is the one these speak."""

from __future__ import annotations

import httpx
import pytest

from tests.bed.native import NativeClient
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]


async def test_two_gates_seed_the_demo_once_and_people_on_both_talk(start_stack):
    stack = await start_stack(gates=2, demo=True)
    async with httpx.AsyncClient(base_url=stack.http, trust_env=False, timeout=30) as http:
        login = (await http.post("/demo/login", json={"user": "bob"})).json()
        http.headers["Authorization"] = f"Bearer {login['token']}"

        async def seeded():
            response = await http.get("/chat/conversations/support")
            assert response.status_code == 200
            return response.json()["messages"]

        assert [one["content"] for one in await eventually(seeded, 30)] == ["How can I help you today?"]
        rooms = (await http.get("/chat/rooms")).json()["rooms"]
        general = (await http.get("/chat/conversations/general")).json()
    assert {(room["id"], room["title"], room["topic"], room["capacity"]) for room in rooms} == {
        ("general", "General Discussion", "General chat room for all users", 100),
        ("support", "Tech Support", "Technical support and help", 50),
    }
    assert [(one["sender_id"], one["content"]) for one in general["messages"]] == [
        ("alice", "Hello everyone! Welcome to the general discussion room."),
        ("bob", "Hi Alice! Great to be here."),
    ]
    assert [one["participantId"] for one in general["participants"]] == ["alice", "bob", "charlie"]
    await _talk(stack)


async def _talk(stack):
    alice = await NativeClient.open(stack.gates[0].url, stack.token("alice"))
    bob = await NativeClient.open(stack.gates[1].url, stack.token("bob"))
    starts = [(await client.ask("attach", room="general"))["seq"] for client in (alice, bob)]
    assert starts[0] == starts[1]
    for number in range(20):
        client = (alice, bob)[number % 2]
        assert (await client.ask("send", room="general", text=f"line {number}"))["seq"] == starts[0] + number + 1
    await eventually(lambda: len(alice.seqs("general")) == len(bob.seqs("general")) == 10, 30)
    await alice.close()
    fresh = await NativeClient.open(stack.gates[1].url, stack.token("alice"))
    position = {"epoch": (await bob.ask("history", room="general", limit=1))["epoch"], "seq": starts[0]}
    await fresh.ask("attach", room="general", position=position)
    await eventually(lambda: len(fresh.seqs("general")) == 20, 30)
    assert fresh.seqs("general") == list(range(starts[0] + 1, starts[0] + 21))
    left = await bob.ask("leave", room="general")
    assert left["type"] == "accepted"
    await eventually(lambda: any(frame["type"] == "detached" for frame in bob.frames), 30)
    assert (await bob.ask("attach", room="general"))["code"] == "not_a_member"
    for client in (bob, fresh):
        await client.close()


async def test_rest_reads_its_own_writes_and_hides_private_rooms(start_stack):
    stack = await start_stack()
    async with httpx.AsyncClient(base_url=stack.http, trust_env=False, timeout=30) as http:
        ann = {"Authorization": f"Bearer {stack.token('ann')}"}
        bob = {"Authorization": f"Bearer {stack.token('bob')}"}
        made = await http.post("/chat/create", json={"title": "Ours", "visibility": "private"}, headers=ann)
        room = made.json()["id"]
        assert made.status_code == 201
        for number in range(10):
            sent = await http.post(f"/chat/{room}/message", json={"content": f"m{number}"}, headers=ann)
            page = (await http.get(f"/chat/{room}/messages", headers=ann)).json()
            assert page["messages"][-1]["sequence_id"] == sent.json()["sequence_id"]
        for method, path in (
            ("GET", f"/chat/conversations/{room}"),
            ("GET", f"/chat/{room}/messages"),
            ("DELETE", f"/chat/{room}/leave"),
        ):
            hidden = await http.request(method, path, headers=bob)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "NOT_FOUND"), path
        assert (await http.get("/chat/rooms", headers=bob)).json()["total"] == 0
        again = await http.post("/chat/create", json={"title": "Open"}, headers=ann | {"Idempotency-Key": "k"})
        repeat = await http.post("/chat/create", json={"title": "Open"}, headers=ann | {"Idempotency-Key": "k"})
        assert (again.status_code, again.json()["id"]) == (201, repeat.json()["id"])
        joined = await http.post(f"/chat/{again.json()['id']}/join", headers=bob)
        assert [one["id"] for one in joined.json()["conversation"]["participants"]] == ["ann", "bob"]
        mine = (await http.get("/chat/my-conversations", headers=ann)).json()
        assert mine["total"] == 2
