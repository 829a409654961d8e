"""Limits that hold for more than one connection: each with its code, its metric, and an end once it is kept again."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from tests.bed.waiting import eventually
from tests.integration.gateway.conftest import token

pytestmark = pytest.mark.broker

WAIT = 20


async def refused_handshake(bench, **options):
    with pytest.raises(InvalidStatus) as refused:
        await bench.socket(**options)
    return refused.value.response


def hits(bench):
    samples = [sample for metric in bench.gate.metrics.limits_hit.collect() for sample in metric.samples]
    return {sample.labels["limit"]: sample.value for sample in samples if sample.name.endswith("_total")}


def came_from(*addresses):
    return {"additional_headers": {"X-Forwarded-For": ", ".join(addresses)}}


async def until_all_are_gone(bench):
    for socket in bench.sockets:
        await socket.close()
    await eventually(lambda: not bench.gate.connections, WAIT)


async def test_a_gate_with_all_it_may_hold_says_503_and_takes_the_next_when_one_is_gone(start_bench):
    bench = await start_bench(connections_per_gate=2)
    for user in ("ann", "bob"):
        await bench.client(user)
    response = await refused_handshake(bench)
    assert response.status_code == 503
    assert b'"gatehouse_code":"overloaded"' in response.body
    assert int(response.headers["Retry-After"]) >= 1
    assert hits(bench) == {"connections_per_gate": 1}
    await until_all_are_gone(bench)
    await bench.client("ann")


async def test_an_address_with_all_it_may_have_hears_429(start_bench):
    bench = await start_bench(connections_per_address=2, trusted_proxies="127.0.0.0/8")
    for _ in range(2):
        await bench.socket(**came_from("203.0.113.9"))
    response = await refused_handshake(bench, **came_from("203.0.113.9"))
    assert response.status_code == 429
    assert b'"gatehouse_code":"too_many_connections"' in response.body
    assert (await refused_handshake(bench, **came_from("1.1.1.1", "203.0.113.9", "127.0.0.9"))).status_code == 429
    await bench.socket(**came_from("203.0.113.10"))
    await bench.socket()
    assert hits(bench) == {"connections_per_address": 2}
    await until_all_are_gone(bench)
    await bench.socket(**came_from("203.0.113.9"))


async def test_who_is_no_trusted_proxy_speaks_for_no_other_address(start_bench):
    bench = await start_bench(connections_per_address=2)
    for number in range(2):
        await bench.socket(**came_from(f"203.0.113.{number}"))
    assert (await refused_handshake(bench, **came_from("203.0.113.7"))).status_code == 429


async def test_an_ipv6_address_counts_with_its_neighbours(start_bench):
    bench = await start_bench(connections_per_address=1, trusted_proxies="127.0.0.0/8")
    await bench.socket(**came_from("2001:db8:0:1::1"))
    assert (await refused_handshake(bench, **came_from("2001:db8:0:1:9:9:9:9"))).status_code == 429
    await bench.socket(**came_from("2001:db8:0:2::1"))


async def test_an_address_that_connects_too_often_hears_429_and_when_to_come(start_bench):
    bench = await start_bench(connects_per_address_rate=0.1, connects_per_address_burst=3)
    for _ in range(3):
        await (await bench.socket()).connection.close()
    response = await refused_handshake(bench)
    assert response.status_code == 429
    assert b'"gatehouse_code":"rate_limited"' in response.body
    assert 8 <= int(response.headers["Retry-After"]) <= 10
    assert hits(bench) == {"connects_per_address": 1}


async def test_a_user_with_all_connections_they_may_have_is_closed_4503(start_bench):
    bench = await start_bench(connections_per_user=2)
    first = await bench.client("ann")
    await bench.client("ann")
    third = await bench.socket()
    refused = await third.ask(type="hello", id=1, token=token("ann"))
    assert (refused["code"], refused["id"]) == ("too_many_connections", 1)
    assert (await third.receive())["code"] == 4503
    assert await third.closed() == (4503, "too_many_connections")
    await bench.client("bob")
    await first.nothing_more()
    await first.connection.close()
    await eventually(lambda: len(bench.gate.connections) == 2, WAIT)
    await bench.client("ann")
    assert hits(bench) == {"connections_per_user": 1}


async def test_a_renewal_takes_no_second_place(start_bench):
    bench = await start_bench(connections_per_user=1)
    socket = await bench.client("ann")
    for _ in range(3):
        assert (await socket.ask(type="hello", token=token("ann", seconds=7200)))["type"] == "welcome"
    await until_all_are_gone(bench)
    await bench.client("ann")


async def test_a_user_is_rate_limited_over_all_connections_and_rest_together(start_bench):
    bench = await start_bench(user_rate=0.1, user_burst=4)
    one, other = await bench.client("ann"), await bench.client("ann")
    assert (await one.ask(type="rooms", id=1))["type"] == "rooms"
    assert (await other.ask(type="rooms", id=2))["type"] == "rooms"
    async with bench.http("ann") as http:
        for _ in range(2):
            assert (await http.get("/chat/rooms")).status_code == 200
        response = await http.get("/chat/rooms")
        assert (response.status_code, response.json()["code"]) == (429, "RATE_LIMITED")
        assert 8 <= int(response.headers["Retry-After"]) <= 10
        body = {"content": "x"}
        retried = await http.post("/chat/r/message", json=body, headers={"Idempotency-Retry": "true"})
        assert (retried.status_code, retried.json()["gatehouse_code"]) == (504, "no_answer")
    refused = await one.ask(type="send", id=3, room="r", text="x", command_id="c-1")
    assert (refused["code"], refused["command_id"]) == ("rate_limited", "c-1")
    assert refused["retry_after_seconds"] > 8
    assert bench.room.commands == []
    assert hits(bench) == {"rate_per_user": 3}
    async with bench.http("bob") as http:
        assert (await http.get("/chat/rooms")).status_code == 200


async def test_a_users_commands_in_flight_are_counted_over_all_doors(start_bench):
    bench = await start_bench(in_flight_per_user=3)
    room = bench.room.open("r", "ann", "bob")
    bench.room.mute = True
    one, other = await bench.client("ann"), await bench.client("ann")
    for number, socket in enumerate((one, other)):
        await socket.send(type="send", id=number, room=room, text="x")
    await eventually(lambda: len(bench.room.commands) == 2, WAIT)
    async with bench.http("ann") as http:
        waiting = asyncio.create_task(http.post(f"/chat/{room}/message", json={"content": "x"}))
        await eventually(lambda: len(bench.room.commands) == 3, WAIT)
        response = await http.post(f"/chat/{room}/message", json={"content": "x"})
        assert (response.status_code, response.json()["gatehouse_code"]) == (503, "overloaded")
        assert (await one.ask(type="send", id=9, room=room, text="x"))["code"] == "overloaded"
        waiting.cancel()
    assert len(bench.room.commands) == 3
    assert hits(bench) == {"in_flight_per_user": 2}
    bench.room.mute = False
    bob = await bench.client("bob")
    assert (await bob.ask(type="send", id=1, room=room, text="x"))["type"] == "accepted"


async def test_limits_of_one_connection_are_counted_too(start_bench):
    bench = await start_bench(rooms_per_connection=1, command_rate=0.1, command_burst=2)
    bench.room.open("r", "ann")
    bench.room.open("s", "ann")
    socket = await bench.attached("ann", "r")
    assert (await socket.ask(type="attach", room="s"))["code"] == "too_many_rooms"
    assert (await socket.ask(type="attach", room="s"))["code"] == "rate_limited"
    assert hits(bench) == {"rooms_per_connection": 1, "rate_per_connection": 1}


async def test_two_thousand_connections_of_one_address_are_no_flood(bench):
    """By default an office behind one address, or a load test, is let in."""
    address = "127.0.0.1"
    for _ in range(2_000):
        assert bench.gate.admit(address) is None
        bench.gate.visitors.enter(address)
    for _ in range(2_000):
        bench.gate.visitors.leave(address)
