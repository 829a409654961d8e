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
from services.gateway.tokens import issue
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

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False


async def test_an_open_socket_keeps_nothing_of_its_handshakes_headers() -> None:
    gate, wire = make_gate(), Wire()
    token = issue("ann", "unit-tests-secret-0123456789abcdef", now=time.time(), lifetime_seconds=60)
    rules = Rules(proxies=(), origins=(), token_in_query=False)
    door = WebSocketDoor(gate, rules, Conversations(gate), Config(None), ServerState(), {})
    door.connection_made(wire)
    door.data_received(HANDSHAKE % token.encode())
    head, _, frames = wire.data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert b'"welcome"' in payloads(frames)[0]
    kept = [each for each in gc.get_objects() if isinstance(each, Headers) and token in str(each)]
    assert kept == []
