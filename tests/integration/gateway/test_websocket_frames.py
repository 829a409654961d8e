"""Bad frames are answered and the connection goes on; slow, silent and greedy clients are ended by code."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.frames import Frame, Opcode

from tests.bed.waiting import eventually
from tests.integration.gateway.conftest import token

pytestmark = pytest.mark.broker

BAD_FRAMES = {
    "not JSON": ("{", "bad_frame", None),
    "an empty frame": ("", "bad_frame", None),
    "no object": ("[1]", "bad_frame", None),
    "no type": ('{"id": 1}', "bad_frame", 1),
    "an unknown type": ('{"id": 1, "type": "dance"}', "bad_frame", 1),
    "an operator's verb": ('{"id": 1, "type": "inspect", "room": "r"}', "unknown_command", 1),
    "a type that is a list": ('{"id": 1, "type": ["inspect"]}', "bad_frame", 1),
    "a type that is no text": ('{"id": 1, "type": 7}', "bad_frame", 1),
    "a number that is none": ('{"id": 1, "type": "send", "metadata": {"x": NaN}}', "bad_frame", None),
    "an id that is none": ('{"id": {}, "type": "ping"}', "bad_field", None),
    "an id beyond numbers": ('{"id": 1%s, "type": "ping"}' % ("0" * 400), "bad_field", None),
    "a missing field": ('{"id": 1, "type": "send", "room": "r"}', "bad_field", 1),
    "an extra field": ('{"id": 1, "type": "send", "room": "r", "text": "x", "colour": 1}', "bad_field", 1),
    "an actor": ('{"id": 1, "type": "send", "room": "r", "text": "x", "actor": "bob"}', "bad_field", 1),
    "a client": ('{"id": 1, "type": "send", "room": "r", "text": "x", "client": "g/c"}', "bad_field", 1),
    "a room with a dot": ('{"id": 1, "type": "send", "room": "a.b", "text": "x"}', "bad_field", 1),
    "a blank text": ('{"id": 1, "type": "send", "room": "r", "text": " "}', "bad_field", 1),
    "a long text": (json.dumps({"id": 1, "type": "send", "room": "r", "text": "x" * 20_000}), "too_large", 1),
    "an attach by a gate": ('{"id": 1, "type": "attach", "room": "r", "sessions": []}', "bad_field", 1),
    "a page that is too long": ('{"id": 1, "type": "history", "room": "r", "limit": 9999}', "bad_field", 1),
    "broken UTF-8 in JSON": (b'{"id": 1, "type": "ping\xff"}', "bad_frame", None),
    "deep nesting": ("[" * 30_000, "bad_frame", None),
    "a 100 KiB frame": ('{"id": 1, "text": "%s"}' % ("x" * 100_000), "too_large", None),
    "a 1 MiB frame": ('{"id": 1, "text": "%s"}' % ("x" * 2**20), "too_large", None),
}


@pytest.fixture
async def socket(bench):
    return await bench.client("ann")


async def test_every_bad_frame_is_answered_and_the_connection_goes_on(bench):
    socket = await bench.client("ann")
    for name, (data, code, frame_id) in BAD_FRAMES.items():
        if isinstance(data, bytes):
            await socket.connection.send(data, text=True)
        else:
            await socket.send_raw(data)
        answer = await socket.receive()
        assert (answer["type"], answer["code"], answer.get("id")) == ("refused", code, frame_id), name
    await socket.nothing_more()
    assert bench.room.commands == []


async def test_a_binary_frame_is_refused_and_the_connection_goes_on(socket):
    await socket.send_raw(b'{"type": "ping"}')
    assert (await socket.receive())["code"] == "bad_frame"
    await socket.nothing_more()


async def test_a_fragmented_frame_is_put_together(socket):
    await socket.connection.send(['{"type": "pi', 'ng", "id"', ": 5}"])
    assert await socket.receive() == {"type": "pong", "id": 5}


async def test_a_fragmented_frame_above_the_limit_is_refused_once(socket):
    await socket.connection.send(["x" * 40_000, "x" * 40_000, "x" * 40_000])
    assert (await socket.receive())["code"] == "too_large"
    await socket.nothing_more()


async def test_a_frame_that_cannot_even_be_read_over_is_answered_and_closed_with_1009(bench):
    socket = await bench.client("ann")
    await socket.send_raw("x" * (3 * 2**20))
    assert (await socket.receive())["code"] == "too_large"
    assert (await socket.closed())[0] == 1009


async def test_of_a_stranger_a_frame_above_the_limit_is_not_even_kept(bench):
    stranger, known = await bench.socket(), await bench.client("ann")
    for socket in (stranger, known):
        await socket.send_raw("x" * 100_000)
        assert (await socket.receive())["code"] == "too_large"
    assert (await stranger.closed())[0] == 1009
    await known.nothing_more()


async def test_a_protocol_error_ends_that_connection_only(bench):
    good, bad = await bench.client("ann"), await bench.client("bob")
    bad.connection.transport.write(Frame(Opcode.TEXT, b"unmasked").serialize(mask=False))
    assert (await bad.closed())[0] == 1002
    await good.nothing_more()


async def test_more_commands_than_the_burst_are_rate_limited(start_bench):
    bench = await start_bench(command_rate=0.5, command_burst=3)
    socket = await bench.client("ann")
    for number in range(5):
        await socket.send(type="ping", id=number)
    answers = await socket.take(5)
    assert [answer["type"] for answer in answers] == ["pong"] * 3 + ["refused"] * 2
    assert answers[3]["code"] == "rate_limited"
    assert answers[3]["retry_after_seconds"] > 0


async def test_who_comes_too_soon_hears_of_which_command_and_whether_it_may_have_been_applied_before(start_bench):
    bench = await start_bench(command_rate=0.5, command_burst=1)
    socket = await bench.client("ann")
    room = bench.room.open("r", "ann")
    await socket.ask(type="ping")
    first = await socket.ask(type="send", id=1, command_id="c1", room=room, text="x")
    assert (first["code"], first["definite"], first["id"], first["command_id"]) == ("rate_limited", True, 1, "c1")
    again = await socket.ask(type="send", id=2, command_id="c1", room=room, text="x", retry=True)
    assert (again["code"], again["definite"], again["id"], again["command_id"]) == ("no_answer", False, 2, "c1")
    assert again["retry_after_seconds"] > 0


async def test_more_commands_in_flight_than_allowed_are_overloaded(start_bench):
    bench = await start_bench(in_flight_per_connection=2)
    room = bench.room.open("r", "ann")
    socket = await bench.client("ann")
    bench.room.mute = True
    for number in range(3):
        await socket.send(type="send", id=number, room=room, text="x")
    answer = await socket.receive()
    assert (answer["id"], answer["code"]) == (2, "overloaded")


async def test_more_rooms_than_allowed_are_refused(start_bench):
    bench = await start_bench(rooms_per_connection=1)
    for name in ("r1", "r2"):
        bench.room.open(name, "ann")
    socket = await bench.attached("ann", "r1")
    assert (await socket.ask(type="attach", id=2, room="r2"))["code"] == "too_many_rooms"
    assert (await socket.ask(type="detach", id=3, room="r1"))["type"] == "detached"
    assert (await socket.ask(type="attach", id=4, room="r2"))["type"] == "attached"


async def test_a_client_that_answers_no_ping_is_ended_with_4002(start_bench):
    bench = await start_bench(ping_seconds=0.2, pong_seconds=0.3, close_seconds=0.3)
    reader, writer = await _silent_client(bench)
    data = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert b'"code":4002' in data
    assert b"\x0f\xa2heartbeat_missed" in data


async def test_a_client_that_answers_pings_stays(start_bench):
    bench = await start_bench(ping_seconds=0.2, pong_seconds=5)
    socket = await bench.client("ann")
    [connection] = bench.gate.connections.values()
    first = connection._watch.ping_due
    await eventually(lambda: connection._watch.ping_due > first + 0.5, 20)
    await socket.nothing_more()


async def test_a_client_that_reads_nothing_is_ended_with_4001_and_slows_nobody(start_bench):
    bench = await start_bench(backlog_frames=10, lag_seconds=0.5, close_seconds=0.5)
    room = bench.room.open("r", "ann", "bob")
    quick = await bench.attached("bob", room)
    _, writer = await _silent_client(bench, room)
    await eventually(lambda: len(bench.room.sessions[room]) == 2, 20)
    writer.transport.pause_reading()
    count = 0
    while len(bench.gate.connections) > 1:
        await bench.room.post(room, "ann", "x" * 15_000)
        count += 1
        assert (await quick.receive())["seq"] == count
        assert count < 5_000
    writer.transport.abort()
    async with bench.http() as http:
        assert 'gateway_closes_total{code="4001"} 1.0' in (await http.get("/metrics")).text


async def test_a_client_without_a_room_that_asks_for_nothing_is_ended_with_4003_and_others_stay(start_bench):
    bench = await start_bench(idle_seconds=0.6, ping_seconds=0.2)
    room = bench.room.open("r", "ann")
    attached, idle = await bench.attached("ann", room), await bench.client("ann")
    assert (await idle.receive())["reason"] == "idle_evicted"
    assert (await idle.closed())[0] == 4003
    await attached.nothing_more()


async def _silent_client(bench, room=None):
    """A client that shakes hands, may attach, and answers nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(
        f"GET /ws?token={token('ann')} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    if room is not None:
        writer.write(Frame(Opcode.TEXT, json.dumps({"type": "attach", "room": room}).encode()).serialize(mask=True))
    return reader, writer
