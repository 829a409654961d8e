"""What a client may do to its socket: flood it, leave it unread, close it half way, shake hands wrongly."""

from __future__ import annotations

import asyncio
import json
import logging
import socket

import pytest
from websockets.frames import Frame, Opcode

from schemas.errors import Code
from services.gateway.wire import text_frame
from tests.bed.waiting import eventually
from tests.integration.gateway.conftest import token

pytestmark = pytest.mark.broker

WAIT = 20
PAGE = 200
LONG = "x" * 15_000
SMALL_BUFFER = 64 * 1024
MORE = 5
"""Events behind the first that a client missed: more than a ring of two holds."""


class RawClient:
    """A WebSocket client made by hand, which reads only when it is told to."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, bench, user="ann"):
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", bench.port))
        client = cls(*await asyncio.open_connection(sock=plug, limit=2**26))
        client.writer.write(handshake(f"/ws?token={token(user)}"))
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), WAIT)
        assert b" 101 " in head
        assert (await client.receive())["type"] == "welcome"
        return client

    def stop_reading(self):
        self.writer.transport.pause_reading()

    def read_on(self):
        self.writer.transport.resume_reading()

    def put(self, opcode, data=b""):
        self.writer.write(Frame(opcode, data).serialize(mask=True))

    def send(self, **frame):
        self.put(Opcode.TEXT, json.dumps(frame).encode())

    async def receive(self):
        """The next text frame; control frames are passed over."""
        while True:
            first, length = await self._exactly(2)
            if length >= 126:
                length = int.from_bytes(await self._exactly(2 if length == 126 else 8))
            data = await self._exactly(length)
            if first == 0x80 | Opcode.TEXT:
                return json.loads(data)

    async def _exactly(self, count):
        return await asyncio.wait_for(self.reader.readexactly(count), WAIT)


def handshake(target):
    return (
        f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


@pytest.fixture
async def open_raw():
    """Open raw clients that are cut at the end."""
    clients = []

    async def open_one(bench, user="ann"):
        clients.append(await RawClient.open(bench, user))
        return clients[-1]

    yield open_one
    for client in clients:
        client.writer.transport.abort()


def connection_of(bench, user="ann"):
    [connection] = [one for one in bench.gate.connections.values() if one.identity and one.identity.user == user]
    return connection


def transport_of(connection):
    return connection._socket._transport


async def fill(connection, unsent_bytes):
    """Push until this much waits in the gate and the kernel takes no more."""
    for _ in range(2_000):
        if transport_of(connection).get_write_buffer_size() > unsent_bytes:
            return
        connection.write(text_frame(b"x" * 30_000))
        await asyncio.sleep(0)
    raise AssertionError("the kernel takes everything")


async def closes(bench):
    async with bench.http() as http:
        lines = (await http.get("/metrics")).text.splitlines()
    counted = [
        line.partition('code="')[2].partition('"} ') for line in lines if line.startswith("gateway_closes_total{")
    ]
    return {code: float(count) for code, _, count in counted}


async def test_a_client_that_sends_pings_and_reads_nothing_is_not_read_either(start_bench, open_raw):
    bench = await start_bench(write_buffer_bytes=SMALL_BUFFER)
    client = await open_raw(bench)
    client.stop_reading()
    transport = transport_of(connection_of(bench))
    pings = Frame(Opcode.PING, b"p" * 125).serialize(mask=True) * 500

    async def flood():
        while True:
            client.writer.write(pings)
            await client.writer.drain()

    flooding = asyncio.create_task(flood())
    try:
        await eventually(lambda: not transport.is_reading(), WAIT)
        assert transport.get_write_buffer_size() < 2**20
    finally:
        flooding.cancel()
    client.read_on()
    client.send(type="ping", id="still here")
    assert await client.receive() == {"type": "pong", "id": "still here"}


@pytest.mark.parametrize("how", ["a close frame", "a frame too large to be read over", "a broken frame", "the end"])
async def test_a_client_that_ends_without_reading_is_cut(start_bench, open_raw, how):
    bench = await start_bench(close_seconds=0.3, frame_discard_bytes=100_000, write_buffer_bytes=2**20)
    client = await open_raw(bench)
    client.stop_reading()
    await fill(connection_of(bench), 300_000)
    match how:
        case "a close frame":
            client.put(Opcode.CLOSE, b"\x03\xe8")
        case "a frame too large to be read over":
            client.put(Opcode.TEXT, b"x" * 200_000)
        case "a broken frame":
            client.writer.write(Frame(Opcode.TEXT, b"unmasked").serialize(mask=False))
        case _:
            client.writer.write_eof()
    await eventually(lambda: not bench.gate.connections, WAIT)


async def test_a_client_that_reads_nothing_is_sent_away_once_and_with_the_code_of_the_drain(start_bench, open_raw):
    bench = await start_bench(write_buffer_bytes=SMALL_BUFFER, close_seconds=0.3)
    client = await open_raw(bench)
    client.stop_reading()
    connection = connection_of(bench)
    await fill(connection, SMALL_BUFFER)
    connection.end(Code.DRAINING)
    await eventually(lambda: not bench.gate.connections, WAIT)
    assert await closes(bench) == {"4000": 1}


async def test_a_client_that_reads_again_is_told_that_it_lagged_and_gets_everything_once_in_order(
    start_bench, open_raw
):
    bench = await start_bench(write_buffer_bytes=SMALL_BUFFER, backlog_frames=10)
    client, behind = await _behind(bench, open_raw)
    client.read_on()
    frames = [await client.receive() for _ in range(behind)]
    lagged = [frame for frame in frames if frame["type"] == "lagged"]
    frames += [await client.receive() for _ in lagged]
    seqs = [frame["seq"] for frame in frames if frame["type"] == "event"]
    assert seqs == list(range(1, behind + 1))
    assert len(lagged) >= 1
    await eventually(lambda: counted(bench, "gateway_lags_total"), WAIT)
    await eventually(lambda: counted(bench, 'gateway_replays_total{source="ring"}'), WAIT)
    assert await closes(bench) == {}


async def test_what_the_ring_has_no_longer_comes_from_history(start_bench, open_raw):
    bench = await start_bench(write_buffer_bytes=SMALL_BUFFER, backlog_frames=10, ring_events=2)
    client, behind = await _behind(bench, open_raw)
    client.read_on()
    seqs = []
    while len(seqs) < behind:
        frame = await client.receive()
        seqs += [frame["seq"]] if frame["type"] == "event" else []
    assert seqs == list(range(1, behind + 1))
    await eventually(lambda: counted(bench, 'gateway_replays_total{source="history"}'), WAIT)


async def test_a_client_that_reads_nothing_for_too_long_is_ended_with_4001_and_its_memory_is_free(
    start_bench, open_raw
):
    bench = await start_bench(write_buffer_bytes=SMALL_BUFFER, backlog_frames=10, lag_seconds=0.5, close_seconds=0.3)
    await _behind(bench, open_raw)
    await eventually(lambda: len(bench.gate.connections) == 1, WAIT)
    assert await closes(bench) == {"4001": 1}


async def test_pages_a_client_asked_for_do_not_make_it_slow(start_bench, open_raw):
    bench, room, client, quick = await _unread_pages(start_bench, open_raw)
    await bench.room.post(room, "bob", "while the pages wait")
    assert (await quick.receive())["text"] == "while the pages wait"
    client.read_on()
    pages = [await client.receive() for _ in range(4)]
    assert [(page["id"], len(page["events"])) for page in pages] == [(number, PAGE) for number in range(4)]
    assert (await client.receive())["text"] == "while the pages wait"
    assert await counted(bench, "gateway_lags_total") == 0


async def test_pushes_beyond_the_pages_a_client_asked_for_do_make_it_slow(start_bench, open_raw):
    bench, room, _, quick = await _unread_pages(start_bench, open_raw, lag_seconds=0.3)
    for _ in range(SMALL_BUFFER // len(LONG) + 2):
        await bench.room.post(room, "bob", LONG)
        await quick.receive()
    await eventually(lambda: len(bench.gate.connections) == 1, WAIT)
    assert await closes(bench) == {"4001": 1}


async def _behind(bench, open_raw):
    """Ann reads nothing; bob reads all, until ann has fallen behind, and some more. Her client, and the room's
    position."""
    room = bench.room.open("r", "ann", "bob")
    quick = await bench.attached("bob", room)
    client = await open_raw(bench)
    client.send(type="attach", room=room)
    assert (await client.receive())["type"] == "attached"
    connection = connection_of(bench)
    client.stop_reading()
    count = 0
    while not connection._lagging:
        await bench.room.post(room, "bob", LONG)
        count += 1
        assert (await quick.receive())["seq"] == count
        assert count < 1_000
    for number in range(MORE):
        await bench.room.post(room, "bob", "more")
        assert (await quick.receive())["seq"] == count + number + 1
    return client, count + MORE


async def counted(bench, sample):
    async with bench.http() as http:
        lines = (await http.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample + " "))


async def _unread_pages(start_bench, open_raw, **overrides):
    """Ann asked for 12 MB of pages and reads none of it; bob reads."""
    bounds = {"write_buffer_bytes": SMALL_BUFFER, "backlog_bytes": SMALL_BUFFER, "close_seconds": 0.1}
    bench = await start_bench(**bounds, **overrides)
    room = bench.room.open("r", "ann", "bob")
    for _ in range(PAGE):
        bench.room.append(room, "bob", LONG)
    quick = await bench.attached("bob", room)
    client = await open_raw(bench)
    client.send(type="attach", room=room)
    assert (await client.receive())["type"] == "attached"
    client.stop_reading()
    connection = connection_of(bench)
    for number in range(4):
        client.send(type="history", id=number, room=room, limit=PAGE)
    await eventually(lambda: connection._in_flight == 0 and transport_of(connection).get_write_buffer_size(), WAIT)
    await eventually(lambda: transport_of(connection).get_write_buffer_size() > 2**20, WAIT)
    return bench, room, client, quick


@pytest.mark.parametrize("target", ["//[", "/ws[", "http://[", "//[/ws?token=x"])
async def test_a_handshake_for_an_address_that_is_none_is_refused_and_leaves_nothing(bench, target):
    known = bench.service.server.server_state.connections
    before = len(known)
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(handshake(target))
    assert b" 404 " in await asyncio.wait_for(reader.readline(), WAIT)
    writer.close()
    await eventually(lambda: len(known) == before, WAIT)


async def test_debug_logs_name_neither_tokens_nor_frames(bench, open_raw, caplog):
    caplog.set_level(logging.DEBUG)
    client = await open_raw(bench)
    client.send(type="ping", id="a secret")
    assert (await client.receive())["type"] == "pong"
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "token=" not in said
    assert "a secret" not in said
