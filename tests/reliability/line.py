"""One WebSocket as light as it gets: websockets' sans-I/O protocol on an asyncio transport, no task, no queue."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER of no time at all: closing sends RST, as a pulled cable with a router behind it would."""
_QUIET = logging.getLogger("tests.reliability.line")
_QUIET.setLevel(logging.WARNING)


class NotOpened(Exception):
    """The gate does not take this connection."""


class Line(asyncio.Protocol):
    """To one gate (`http://host:port`), once. Frames go to `on_frame`; what is none, or not one that `on_frame` can
    take, to `on_garbled`, in words. `lost` is done when the socket is gone, with the close code if there was one."""

    def __init__(
        self, gate: str, token: str, on_frame: Callable[[dict[str, Any]], None], on_garbled: Callable[[str], None]
    ) -> None:
        url = gate.replace("http", "ws", 1) + "/ws"
        self._gate = gate
        self._protocol = ClientProtocol(parse_uri(url), max_size=None, logger=_QUIET)
        self._token = token
        self._on_frame = on_frame
        self._on_garbled = on_garbled
        self._transport: Any = None
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[int | None] = loop.create_future()

    async def open(self, *, within_seconds: float, receive_buffer: int | None = None) -> None:
        """Connect and shake hands.

        Raises:
            OSError, NotOpened, TimeoutError: the gate does not take us.
        """
        async with asyncio.timeout(within_seconds):
            await self._connect(receive_buffer)
            try:
                await self._opened
            except asyncio.CancelledError:
                self.cut()
                raise

    async def _connect(self, receive_buffer: int | None) -> None:
        loop = asyncio.get_running_loop()
        if receive_buffer is None:
            host, _, port = self._gate.rpartition("/")[2].partition(":")
            await loop.create_connection(lambda: self, host, int(port))
        else:
            await loop.create_connection(lambda: self, sock=await _plug(self._gate, receive_buffer))

    def send(self, **frame: Any) -> None:
        """Put a frame on the wire; on a line that is lost or closing, nothing."""
        if self._protocol.state.name == "OPEN" and not self.lost.done():
            self._protocol.send_text(json.dumps(frame).encode())
            self._flush()

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffers, and then in the gate's."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        """Take it."""
        self._transport.resume_reading()

    def cut(self) -> None:
        """End it by a TCP reset; what was on its way is gone."""
        if self._transport is not None and not self._transport.is_closing():
            plug = self._transport.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        request = self._protocol.connect()
        request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Response) and not self._opened.done():
                self._judge(event)
        self._flush()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(NotOpened(repr(exc)))
        if not self.lost.done():
            received = self._protocol.close_rcvd
            self.lost.set_result(None if received is None else int(received.code))

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            try:
                self._on_frame(from_json(frame.data))
            except (ValueError, LookupError, TypeError) as problem:
                self._on_garbled(f"{problem!r}: {bytes(frame.data)[:200]!r}")
        elif frame.opcode is Opcode.BINARY:
            self._on_garbled(f"binary: {bytes(frame.data)[:200]!r}")

    def _judge(self, response: Response) -> None:
        if self._protocol.handshake_exc is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(NotOpened(str(response.status_code)))

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:
                self._transport.close()


async def _plug(gate: str, receive_buffer: int) -> socket.socket:
    """A connected socket; a small receive buffer must be asked for before connecting."""
    host, _, port = gate.rpartition("/")[2].partition(":")
    plug = socket.socket()
    try:
        plug.setblocking(False)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(plug, (host, int(port)))
    except BaseException:
        plug.close()
        raise
    return plug
