"""A client made of bytes: what no WebSocket library would send, and everything the gate says to it."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import Any

from websockets.frames import Frame, Opcode

from tests.integration.gateway.conftest import token

WAIT = 20
ACCEPTED = b"HTTP/1.1 101 "
MASK = bytes(4)
"""Masked with zeros, a payload stays legible."""


def handshake(target: str = "/ws") -> bytes:
    return (
        f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def raw_frame(first: int, data: bytes, *, masked: bool = True, told: int | None = None) -> bytes:
    """A frame with any first byte, whose header may lie about its length."""
    length = len(data) if told is None else told
    mask_bit = 0x80 if masked else 0
    if length < 126:
        head = struct.pack("!BB", first, mask_bit | length)
    elif length < 2**16:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    return head + (MASK if masked else b"") + data


def text_frame(data: bytes) -> bytes:
    return Frame(Opcode.TEXT, data).serialize(mask=True)


class RawClient:
    """A socket, and what was read from it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, bench: Any) -> RawClient:
        """Connect, and say nothing."""
        return cls(*await asyncio.open_connection("127.0.0.1", bench.port))

    @classmethod
    async def upgraded(cls, bench: Any, user: str | None = "ann") -> RawClient:
        """Shake hands, as somebody or as nobody yet."""
        client = await cls.open(bench)
        client.write(handshake(f"/ws?token={token(user)}" if user else "/ws"))
        assert (await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), WAIT)).startswith(ACCEPTED)
        return client

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection, which must come; it may be a reset."""
        said = b""
        with suppress(ConnectionResetError):
            while part := await asyncio.wait_for(self.reader.read(2**16), WAIT):
                said += part
        return said

    def abort(self) -> None:
        self.writer.transport.abort()


def close_code(said: bytes) -> int | None:
    """The code of the close frame that ends what a gate said; None where there is none."""
    position = 0
    while position + 2 <= len(said):
        opcode, length = said[position] & 0x0F, said[position + 1]
        position += 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(said[position : position + size])
            position += size
        data, position = said[position : position + length], position + length
        if opcode == Opcode.CLOSE:
            return int.from_bytes(data[:2])
    return None
