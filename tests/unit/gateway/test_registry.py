"""What a gate holds and what it knows of the others, counted and told to operators; how it is, told to anybody."""

from __future__ import annotations

from schemas.control import GateGone, GateHeartbeat
from schemas.ids import ClientId, GateId
from services.gateway import neighbours
from services.gateway.neighbours import Neighbour, Neighbours
from services.gateway.registry import Held, take_census
from tests.unit.gateway.rest_bench import Quiet, client, problem

HELD = [
    Held(ClientId("g1/c"), "bob", frozenset({"r"})),
    Held(ClientId("g1/a"), "ann", frozenset({"r", "s"})),
    Held(ClientId("g1/b"), "ann", frozenset()),
    Held(ClientId("g1/d"), None, frozenset()),
]


def beat(gate: str, connections: int = 5, seconds: float = 2) -> GateHeartbeat:
    return GateHeartbeat(gate=gate, interval_seconds=seconds, connections=connections)


def test_a_census_counts_connections_by_user_and_sessions_by_room():
    census = take_census(HELD)
    assert [held.client for held in census.held] == ["g1/a", "g1/b", "g1/c", "g1/d"]
    assert (census.users, census.rooms, census.sessions) == ([("ann", 2), ("bob", 1)], [("r", 2), ("s", 1)], 3)


def test_a_census_may_be_of_one_user_of_one_room_or_both():
    assert [held.client for held in take_census(HELD, user="ann").held] == ["g1/a", "g1/b"]
    of_room = take_census(HELD, room="r")
    assert ([held.client for held in of_room.held], of_room.rooms) == (["g1/a", "g1/c"], [("r", 2)])
    assert [held.client for held in take_census(HELD, user="ann", room="s").held] == ["g1/a"]
    assert take_census(HELD, user="zoe").held == []


def test_other_gates_are_known_until_they_are_silent_or_say_good_bye():
    known = Neighbours(GateId("g1"))
    known.receive(beat("g1"), 0)
    known.receive(beat("g3"), 0)
    known.receive(beat("g2", 7), 0)
    assert [(each.gate, each.connections) for each in known.alive(5.9)] == [("g2", 7), ("g3", 5)]
    known.receive(beat("g2", 8), 5)
    known.receive(GateGone(gate="g3"), 5)
    known.receive(GateGone(gate="g9"), 5)
    assert [(each.gate, each.connections) for each in known.alive(10.9)] == [("g2", 8)]
    assert known.alive(11) == []


def test_no_more_gates_are_remembered_than_there_can_be(monkeypatch):
    monkeypatch.setattr(neighbours, "MOST", 2)
    known = Neighbours(GateId("g1"))
    for gate in ("g2", "g3", "g4"):
        known.receive(beat(gate), 0)
    known.receive(beat("g3", 9), 1)
    assert [(each.gate, each.connections) for each in known.alive(2)] == [("g2", 5), ("g3", 9)]
    known.receive(beat("g4"), 100)
    assert [each.gate for each in known.alive(100)] == ["g4"]


async def test_operators_see_the_registry_in_pages():
    gate = Quiet()
    gate.held = HELD
    gate.others = [Neighbour(GateId("g2"), 7, 9.0)]
    async with client(gate, "root") as http:
        response = await http.get("/gateway/connections?limit=1")
        one = (await http.get("/gateway/connections", params={"user": "bob", "room": "r"})).json()
        second = await http.get("/gateway/connections?limit=1&offset=1")
    told = response.json()
    assert (told["gate"], told["connections"], told["sessions"], told["user_count"], told["room_count"]) == (
        "g1",
        4,
        3,
        2,
        2,
    )
    assert told["gates"] == [{"gate": "g1", "connections": 4, "here": True}]
    assert told["users"] == [{"user": "ann", "connections": 2}]
    assert told["rooms"] == [{"room": "r", "sessions": 2}]
    assert told["clients"] == [{"client_id": "g1/a", "user": "ann", "rooms": 2}]
    assert response.links["next"]["url"] == "/gateway/connections?limit=1&offset=1"
    assert second.json()["gates"] == [{"gate": "g2", "connections": 7, "here": False}]
    assert ([each["client_id"] for each in one["clients"]], one["sessions"]) == (["g1/c"], 1)


async def test_the_registry_is_for_operators_only():
    gate = Quiet()
    async with client(gate) as http:
        problem(await http.get("/gateway/connections"), 403, "FORBIDDEN", "not_allowed")
    async with client(gate, None) as http:
        problem(await http.get("/gateway/connections"), 401, "MISSING_AUTH", "unauthenticated")


async def test_anybody_may_learn_how_to_connect():
    async with client(Quiet(), None) as http:
        told = (await http.get("/gateway/endpoint")).json()
    assert (told["websocket_url"], told["protocol"], told["subprotocol"]) == ("/ws", 1, "gatehouse")
    assert told["token_transports"] == {
        "header": "Authorization: Bearer <token>",
        "subprotocol": "bearer.<token>",
        "query": "token",
        "frame": "hello",
    }
    assert (told["heartbeat_seconds"], told["limits"]["frame_bytes"]) == (25.0, 65536)


async def test_health_asks_nobody_and_leaves_out_what_it_does_not_know():
    gate = Quiet()
    gate.held = HELD
    async with client(gate, None) as http:
        well = (await http.get("/health/chat")).json()
        gate.sick = True
        ill = await http.get("/health/chat")
    assert gate.queries == gate.commands == []
    assert (well["status"], well["connections"], well["conversations"]) == ("healthy", 4, 1)
    assert well["checks"]["websocket"]["connection_limit"] == 10_000
    assert well["checks"]["storage"] == {"status": "healthy", "latency_ms": 12.5}
    assert well["checks"]["queues"] == {"status": "healthy", "commands_in_flight": 3}
    assert (ill.status_code, ill.json()["status"], ill.json()["checks"]["storage"]["latency_ms"]) == (
        200,
        "degraded",
        None,
    )
