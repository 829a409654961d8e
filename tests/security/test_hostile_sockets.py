"""Clients that are slow, half gone, or very many: every wait for them ends by a setting, and their cost is bounded."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from schemas import limits
from schemas.errors import ERRORS, Code
from tests.bed.memory import resident_mib
from tests.bed.native import NativeClient
from tests.bed.scale import is_full
from tests.bed.unlimited import ENVIRONMENT
from tests.bed.waiting import eventually
from tests.reliability.gates import samples
from tests.security.raw import WAIT, RawClient, close_code, handshake, raw_frame

TEXT, PART, FIN = 0x1, 0x0, 0x80
QUICK_HEAD = {"request_seconds": 0.5}
QUICK_PONG = {"ping_seconds": 0.3, "pong_seconds": 0.3, "close_seconds": 0.3}
QUICK_HELLO = {"hello_seconds": 0.5, "ping_seconds": 3600, "close_seconds": 0.3}
"""Each test hurries only what it waits for; everything else a stalled machine may take its time for."""
NO_HELLO = ERRORS[Code.UNAUTHENTICATED].close
NO_PONG = ERRORS[Code.HEARTBEAT_MISSED].close

CROWD, AT_ONCE = (10_000, 500) if is_full() else (300, 100)
CROWD_SETTINGS = ENVIRONMENT | {"GATEHOUSE_HELLO_SECONDS": "2", "GATEHOUSE_CLOSE_SECONDS": "1"}
BESIDE_MIB = 32
"""What the process may grow by for reasons of its own."""
KEPT_TIMES = 4
"""Buffers grow by doubling, and the allocator keeps what it grew to: some 3.7 times what is held at once."""


@asynccontextmanager
async def dripping(client, data):
    """One byte at a time, for as long as the gate takes it; what it says meanwhile is read and left unanswered. Yields
    the reading, which ends with the connection."""

    async def drip():
        with suppress(OSError):
            for byte in data:
                client.write(bytes([byte]))
                await asyncio.wait((said,), timeout=0.05)
                if said.done():
                    return

    said = asyncio.create_task(client.rest())
    task = asyncio.create_task(drip())
    try:
        yield said
    finally:
        client.abort()
        task.cancel()
        await asyncio.gather(task, said, return_exceptions=True)


@pytest.mark.broker
async def test_a_handshake_of_one_byte_at_a_time_is_cut_at_request_seconds(start_bench, open_raw):
    bench = await start_bench(**QUICK_HEAD)
    client = await open_raw(bench, upgraded=False)
    async with dripping(client, handshake()[:60] + b"x" * 10_000) as said:
        assert await said == b""
        await eventually(lambda: not bench.service.server.server_state.connections, WAIT, "it is cut")
    assert bench.gate.connections == {}


@pytest.mark.broker
async def test_a_frame_of_one_byte_at_a_time_does_not_keep_a_connection_that_answers_no_ping(start_bench, open_raw):
    bench = await start_bench(**QUICK_PONG)
    client = await open_raw(bench)
    client.write(raw_frame(FIN | TEXT, b"", told=60_000))
    async with dripping(client, b"x" * 60_000):
        await eventually(lambda: not bench.gate.connections, WAIT, "it is ended")


@pytest.mark.broker
async def test_who_vanishes_without_a_word_is_ended_with_4002(start_bench, open_raw):
    bench = await start_bench(**QUICK_PONG)
    client = await open_raw(bench)
    await eventually(lambda: not bench.gate.connections, WAIT, "it is ended")
    assert close_code(await client.rest()) == NO_PONG


@pytest.mark.broker
async def test_who_only_says_that_nothing_more_comes_is_let_go(start_bench, open_raw):
    bench = await start_bench(ping_seconds=3600)
    client = await open_raw(bench)
    client.writer.write_eof()
    await client.rest()
    await eventually(lambda: not bench.gate.connections, WAIT, "it is gone")


@pytest.mark.broker
async def test_who_says_no_hello_is_ended_with_4500_though_bytes_come_all_the_time(start_bench, open_raw):
    bench = await start_bench(**QUICK_HELLO)
    client = await open_raw(bench, user=None)
    client.write(raw_frame(TEXT, b"") + raw_frame(PART, b"x") * 1_000)
    assert close_code(await client.rest()) == NO_HELLO


@pytest.mark.broker
async def test_a_frame_in_very_many_parts_costs_no_more_than_a_frame(start_bench, open_raw):
    bench = await start_bench(ping_seconds=3600)
    client = await open_raw(bench)
    client.write(raw_frame(TEXT, b'{"type"') + raw_frame(PART, b"") * 100_000 + raw_frame(PART, b" ") * 50_000)
    client.write(raw_frame(PART | FIN, b': "ping", "id": "whole"}'))
    await asyncio.wait_for(client.reader.readuntil(b'"whole"'), WAIT)
    client.write(raw_frame(TEXT, b"") + raw_frame(PART, b"") * 200_000)
    client.write(raw_frame(FIN | 0x9, b"all read"))
    await asyncio.wait_for(client.reader.readuntil(b"all read"), WAIT)
    [connection] = bench.gate.connections.values()
    assert held_by(connection._socket) <= 2 * bench.gate.settings.frame_bytes


def held_by(door):
    """How much a door keeps, by what its own buffers weigh."""
    kept = [getattr(door, name) for name in type(door).__slots__]
    return sum(value.__sizeof__() for value in kept if isinstance(value, list | bytes | bytearray))


@pytest.mark.broker
@pytest.mark.parametrize("path", ["/openapi.json", "/metrics"])
async def test_who_asks_over_http_and_reads_nothing_is_cut_at_request_seconds(start_bench, open_raw, path):
    bench = await start_bench(**QUICK_HEAD)
    client = await open_raw(bench, upgraded=False)
    client.writer.transport.pause_reading()
    asked = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with suppress(OSError):
        for _ in range(2_000):
            client.write(asked)
        async with asyncio.timeout(1):
            await client.writer.drain()
    await eventually(lambda: not bench.service.server.server_state.connections, WAIT, "it is cut")


@asynccontextmanager
async def well_behaved(gate, token):
    """A client beside the crowd that asks all the time, and is answered each time."""
    client = await NativeClient.open(gate.url, token)
    stop = asyncio.Event()

    async def ask():
        asked = 0
        while not stop.is_set():
            assert (await client.ask("ping"))["type"] == "pong"
            asked += 1
        return asked

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        stop.set()
        try:
            assert await asking > 0
        finally:
            await client.close()


@pytest.mark.stack
@pytest.mark.broker
@pytest.mark.store
@pytest.mark.parametrize("what", ["nothing", "half a frame"])
async def test_a_crowd_that_never_says_hello_is_ended_by_code_within_bounded_memory(start_stack, report, what):
    stack = await start_stack(environment=CROWD_SETTINGS)
    [gate] = stack.gates
    sent = b"" if what == "nothing" else raw_frame(FIN | TEXT, b"x" * (limits.FRAME_BYTES - 1), told=limits.FRAME_BYTES)
    before, tops = resident_mib(gate), []
    async with well_behaved(gate, stack.token("ann")):
        for start in range(0, CROWD, AT_ONCE):
            codes, top = await crowd(gate, min(AT_ONCE, CROWD - start), sent)
            assert codes == {NO_HELLO}
            tops.append(top)
    bound = before + BESIDE_MIB + min(CROWD, AT_ONCE) * len(sent or handshake()) * KEPT_TIMES / 2**20
    report(connections=CROWD, gate_mib_before=before, gate_mib_highest=max(tops), bound_mib=bound)
    assert max(tops) <= bound
    half = (len(tops) + 1) // 2
    assert max(tops[half:]) <= max(tops[:half]) * 1.1, "one crowd after the other adds nothing"
    assert (await samples(gate, "gateway_connections"))[""] == 0


async def crowd(gate, count, sent):
    """So many at once come and say no hello; the codes they are ended with, and the most the gate held meanwhile."""
    clients = await asyncio.gather(*(newcomer(gate) for _ in range(count)))
    for client in clients:
        client.write(sent)
    held = resident_mib(gate)
    ends = asyncio.gather(*(client.rest() for client in clients))
    while not ends.done():
        held = max(held, resident_mib(gate))
        await asyncio.wait({ends}, timeout=0.1)
    for client in clients:
        client.abort()
    return {close_code(said) for said in ends.result()}, held


async def newcomer(gate):
    host, _, port = gate.url.rpartition("/")[2].partition(":")
    client = RawClient(*await asyncio.open_connection(host, int(port)))
    client.write(handshake())
    await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), WAIT)
    return client
