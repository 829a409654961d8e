"""What a socket that was let in keeps."""

from __future__ import annotations

import asyncio
import gc
import time

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.datastructures import Headers

from services.gateway.doors.conversation.door import Conversations
from services.gateway.doors.handshake import Rules
from services.gateway.doors.websocket import WebSocketDoor
from services.gateway.gate import Gate
from services.gateway.tokens import issue
from tests.bed.waiting import eventually
from tests.unit.gateway.gates import make_gate
from tests.unit.gateway.rooms import payloads

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer %b\r\n\r\n"
)


class Wire(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.data = b""
        self.unsent = 0
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False


def opened(gate: Gate, wire: Wire) -> tuple[WebSocketDoor, str]:
    """A door that let ann in, and her token."""
    token = issue("ann", "unit-tests-secret-0123456789abcdef", now=time.time(), lifetime_seconds=60)
    rules = Rules(proxies=(), origins=(), token_in_query=False)
    door = WebSocketDoor(gate, rules, Conversations(gate), Config(None), ServerState(), {})
    door.connection_made(wire)
    door.data_received(HANDSHAKE % token.encode())
    return door, token


async def test_an_open_socket_keeps_nothing_of_its_handshakes_headers() -> None:
    gate, wire = make_gate(), Wire()
    _, token = opened(gate, wire)
    head, _, frames = wire.data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert b'"welcome"' in payloads(frames)[0]
    kept = [each for each in gc.get_objects() if type(each) is Headers and token in str(each)]
    assert kept == []


async def test_a_full_socket_is_not_read_and_what_it_takes_is_counted_until_it_is_empty() -> None:
    gate, wire = make_gate(), Wire()
    door, _ = opened(gate, wire)
    [connection] = gate.connections.values()
    wire.unsent = 100
    door.pause_writing()
    assert not wire.reading
    assert not door.catches_up()
    connection.write(b"x" * 10)
    wire.unsent = 110
    assert not door.catches_up()
    wire.unsent = 60
    assert door.catches_up()
    assert not door.catches_up()
    door.resume_writing()
    assert wire.reading
    await eventually(lambda: connection.write == wire.write, 5, "written to without counting")
    assert not connection.backlog.paused


async def test_a_socket_that_is_full_again_before_it_was_noticed_stays_so() -> None:
    gate, wire = make_gate(), Wire()
    door, _ = opened(gate, wire)
    [connection] = gate.connections.values()
    door.pause_writing()
    door.resume_writing()
    door.pause_writing()
    await asyncio.sleep(0)
    assert connection.backlog.paused
    assert connection.write != wire.write


async def test_nothing_is_written_to_a_socket_that_is_gone() -> None:
    gate, wire = make_gate(), Wire()
    door, _ = opened(gate, wire)
    [connection] = gate.connections.values()
    door.connection_lost(None)
    said = wire.data
    connection.write(b"x")
    door.write(b"x")
    assert wire.data == said
