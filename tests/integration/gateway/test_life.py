"""How a gate begins and ends: readiness, the demo's seed, drain."""

from __future__ import annotations

import asyncio
import time

import pytest
from websockets.exceptions import InvalidStatus

from schemas.control import CONTROL, GateGone
from schemas.errors import ERRORS, Code
from services.gateway.app import Service
from tests.bed.waiting import eventually
from tests.integration.gateway.test_fanout import _control

pytestmark = pytest.mark.broker


async def test_draining_says_bye_4000_with_a_moment_to_come_back(bench):
    room = bench.room.open("r", "ann")
    sockets = [await bench.attached("ann", room) for _ in range(20)]
    heard = await _control(bench)
    bench.stopping.set()
    byes = [await socket.receive() for socket in sockets]
    assert {(bye["type"], bye["code"], bye["reason"]) for bye in byes} == {("bye", 4000, "draining")}
    assert len({bye["retry_after_seconds"] for bye in byes}) > 5
    assert {(await socket.closed())[0] for socket in sockets} == {ERRORS[Code.DRAINING].close}
    await asyncio.wait_for(bench.running, 20)

    def gone():
        return [message for message in map(CONTROL.validate_json, heard) if isinstance(message, GateGone)]

    assert [message.gate for message in await eventually(gone, 20)] == [bench.gate.gate_id]
    await eventually(lambda: not bench.room.sessions[room], 20)


async def test_who_waits_for_an_answer_when_the_drain_begins_gets_it_before_bye_and_nothing_new_is_taken(start_bench):
    bench = await start_bench()
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    bench.room.mute = True
    await ann.send(type="send", id=1, room=room, text="before", command_id="c-1")
    await eventually(lambda: bench.room.commands and bench.room.commands[-1].command_id == "c-1", 20)
    bench.stopping.set()
    await eventually(lambda: bench.gate.draining, 20)
    await eventually(lambda: [one for one in bench.gate.connections.values() if one._retiring is not None], 20)
    refused = await ann.ask(type="send", id=2, room=room, text="too late", command_id="c-2")
    assert (refused["code"], refused["definite"], refused["command_id"]) == ("draining", True, "c-2")
    again = await ann.ask(type="send", id=3, room=room, text="too late", command_id="c-3", retry=True)
    assert (again["code"], again["definite"]) == ("no_answer", False)
    bench.room.mute = False
    await bench.room.fan_out(
        bench.room.append(room, "ann", "before", command_id="c-1"), skip=next(iter(bench.gate.connections))
    )
    assert [(await ann.receive())["type"] for _ in range(2)] == ["accepted", "bye"]
    assert (await ann.closed())[0] == 4000


async def test_clients_are_sent_away_in_stages(start_bench):
    bench = await start_bench(drain_batch=2, drain_step_seconds=0.5)
    room = bench.room.open("r", "ann")
    for _ in range(6):
        await bench.attached("ann", room)
    left = [len(bench.gate.connections)]
    bench.stopping.set()

    def gone():
        if (count := len(bench.gate.connections)) != left[-1]:
            left.append(count)
        return not count

    await eventually(gone, 20)
    assert {4, 2} <= set(left)


async def test_a_client_that_does_not_close_cannot_hold_the_drain_up(start_bench):
    bench = await start_bench(drain_seconds=1, close_seconds=30)
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    started = time.monotonic()
    bench.stopping.set()
    await asyncio.wait_for(bench.running, 20)
    assert time.monotonic() - started < 10
    writer.transport.abort()


async def test_a_draining_gate_takes_no_new_connection(start_bench):
    bench = await start_bench()
    bench.gate.draining = True
    with pytest.raises(InvalidStatus) as refused:
        await bench.socket()
    assert refused.value.response.status_code == 503


async def test_a_gate_whose_demo_waits_for_an_answer_ends_all_the_same(start_bench):
    bench = await start_bench()
    bench.room.mute = True
    muted = Service(bench.service.settings.model_copy(update={"demo": True}))
    stopping = asyncio.Event()
    running = asyncio.create_task(muted.run(stopping))
    await eventually(lambda: muted.gate.commands.in_flight, 20, "the demo asks")
    stopping.set()
    await asyncio.wait_for(running, 20)


async def test_a_draining_gate_refuses_what_comes_by_rest(bench):
    bench.room.open("r", "ann")
    bench.gate.draining = True
    async with bench.http("ann") as http:
        answer = await http.post("/chat/r/message", json={"content": "too late"})
    assert (answer.status_code, answer.json()["gatehouse_code"]) == (503, "draining")
    assert bench.room.commands == []


async def test_the_demo_is_seeded_once_by_two_gates_at_once(start_bench):
    first, second = await asyncio.gather(start_bench(demo=True), start_bench(demo=True))
    rooms = [first.room, second.room]

    def commands():
        return [command for room in rooms for command in room.commands]

    await eventually(lambda: len(commands()) >= 6, 20)
    ids = {(command.room, command.actor, command.command_id, command.retry) for command in commands()}
    assert ids <= {
        ("general", "alice", "demo-1", True),
        ("support", "alice", "demo-2", True),
        ("general", "alice", "demo-3", True),
        ("general", "bob", "demo-4", True),
        ("support", "alice", "demo-5", True),
    }


async def test_the_broker_going_away_is_told_and_the_gate_is_not_ready_until_it_is_back(bench, broker):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    await asyncio.to_thread(broker.stop)
    signal = await ann.receive()
    assert (signal["signal"], signal["available"], signal["code"]) == ("service", False, "overloaded")
    refused = await ann.ask(type="send", id=1, room=room, text="x")
    assert (refused["code"], refused["definite"]) == ("overloaded", True)
    async with bench.http() as http:
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/health/chat")).json()["status"] == "degraded"
    await asyncio.to_thread(broker.start)
    signal = await asyncio.wait_for(ann.receive(), 60)
    assert (signal["signal"], signal["available"]) == ("service", True)
