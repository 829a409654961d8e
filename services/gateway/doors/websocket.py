"""The WebSocket door at `/ws`, and at `/chat/ws/<id>` in other words (`conversation`): a protocol class that uvicorn
hands the accepted connection to.

Handshake, fragments and control frames are websockets' sans-I/O `ServerProtocol`; pushed frames come ready-made and go
to the transport past it. There is no task per connection. Compression is not negotiated.

A message above `frame_bytes` is answered `too_large` and the connection stays; one above `frame_discard_bytes` cannot
even be read over: it is answered `too_large` and the connection closes with 1009. So does one above `frame_bytes` of a
client that has not said who it is.

While more than `write_buffer_bytes` wait to be sent, nothing is read from the client, and its connection counts what is
pushed (`backlog.py`): so at most that much, the backlog, the answers in flight and one replay wait for one client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState, PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN

from schemas.errors import Code
from services.gateway.connection import Connection
from services.gateway.doors.conversation.admission import PREFIX as CONVERSATIONS
from services.gateway.doors.conversation.door import Conversations, ConversationSocket
from services.gateway.doors.handshake import (
    Handshake,
    Passed,
    Reason,
    Rules,
    Stopped,
    came_by_https,
    choose_subprotocol,
    examine,
    stop,
    stop_at_limit,
    stop_at_path,
)
from services.gateway.gate import Gate

log = structlog.get_logger()
# At DEBUG, websockets writes handshakes and frames to the logger it is given: tokens and messages.
_QUIET: Final = logging.getLogger("services.gateway.websocket")
_QUIET.setLevel(logging.WARNING)

PATH: Final = "/ws"
CLOSE_REASON_BYTES: Final = 123


class WebSocketDoor(asyncio.Protocol):
    """One socket. uvicorn makes it, replays the handshake into `data_received`, and forgets it."""

    __slots__ = (
        "_connection",
        "_conversation",
        "_conversations",
        "_gate",
        "_opcode",
        "_paused",
        "_protocol",
        "_rules",
        "_server_state",
        "_size",
        "_taken",
        "_text",
        "_transport",
        "_written",
        "write",
    )

    def __init__(
        self,
        gate: Gate,
        rules: Rules,
        conversations: Conversations,
        config: Config,  # noqa: ARG002 - uvicorn's signature
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn's signature; Any: its own table
    ) -> None:
        self._gate = gate
        self._rules = rules
        self._conversations = conversations
        self._conversation: ConversationSocket | None = None
        self._server_state = server_state
        self._transport: asyncio.Transport | None = None
        self._protocol = Handshake(
            select_subprotocol=choose_subprotocol,
            max_size=gate.settings.frame_bytes,
            logger=_QUIET,
        )
        self._connection: Connection | None = None
        self._text = bytearray()
        self._size = 0
        self._opcode = Opcode.TEXT
        self._paused = False
        self._written = 0
        self._taken = 0
        self.write: Callable[[bytes], None] = _drop
        """Puts whole frames on the wire, however much waits there: the transport's own, unless it is paused."""

    # What asyncio and uvicorn call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The HTTP protocol hands its transport over."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclasses of asyncio's
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(high=self._gate.settings.write_buffer_bytes)
        self._server_state.connections.add(self)  # type: ignore[arg-type]  # uvicorn lists its own classes

    def data_received(self, data: bytes) -> None:
        """Bytes of the client: first its handshake, then frames."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._take(event)
        if isinstance(self._protocol.parser_exc, PayloadTooBig) and self._connection is not None:
            self._connection.receive_unreadable(Code.TOO_LARGE, "the frame is too large to be read over")
            self._gate.metrics.closes.labels("1009").inc()
        self._trust_identity()
        self._flush()

    def _trust_identity(self) -> None:
        """Whoever is known may send what is too large and be answered; of strangers so much is not even kept."""
        if self._connection is not None and self._connection.identity is not None:
            self._protocol.max_message_size = self._gate.settings.frame_discard_bytes

    def eof_received(self) -> None:
        """The client sends no more."""
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._server_state.connections.discard(self)
        if exc is not None:
            log.debug("socket_lost", error=repr(exc))
        if self._connection is not None:
            self._gate.disconnect(self._connection)
        if self._conversation is not None:
            self._conversation.release()
        self._transport = None
        self.write = _drop

    def pause_writing(self) -> None:
        """More than `write_buffer_bytes` wait to be sent: a client that does not read is not read either."""
        self._paused = True
        self._written, self._taken = self._unsent(), 0
        if self._transport is not None:
            self.write = self._write_counted
            self._transport.pause_reading()
        if self._connection is not None:
            self._connection.receive_pause()

    def resume_writing(self) -> None:
        """The client caught up. What it missed is written in a callback of its own: this one may come from within a
        write."""
        self._paused = False
        if self._transport is not None:
            self.write = self._transport.write
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        asyncio.get_running_loop().call_soon(self._tell_drained)

    def _tell_drained(self) -> None:
        if self._connection is not None and not self._paused and not self._connection.closing:
            self._connection.receive_drained()

    def shutdown(self) -> None:
        """uvicorn ends: whoever is still here after the drain is cut."""
        self.abort()

    # What the connection calls.

    def catches_up(self) -> bool:
        """Whether the client is not read, because much waits for it, and took some since this was last asked."""
        if not self._paused:
            return False
        before, self._taken = self._taken, self._written - self._unsent()
        return self._taken > before

    def ping(self) -> None:
        """Send a WebSocket ping."""
        if self._protocol.state is OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        try:
            self._protocol.send_close(code, reason[:CLOSE_REASON_BYTES])
        except InvalidState:
            self.abort()
        self._flush()

    def abort(self) -> None:
        """Cut the socket, whatever waits to be sent."""
        if self._transport is not None:
            self._transport.abort()

    # The handshake.

    def _shake_hands(self, request: Request) -> None:
        self._protocol.https = came_by_https(request, self._peer(), self._rules)
        passed = self._examine(request)
        if isinstance(passed, Stopped):
            self._turn_away(passed)
            return
        response = self._protocol.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._gate.metrics.handshakes_refused.labels(Reason.MALFORMED.value).inc()
            self._respond(response)
        elif request.path.startswith(CONVERSATIONS):
            self._let_in_later(request, passed, response)
        else:
            self._respond(response)
            self._connection = self._gate.connect(self, passed.address)
            if passed.token is not None:
                self._connection.identify(passed.token)
            _forget_head(request)

    def _examine(self, request: Request) -> Passed | Stopped:
        """What is asked of a handshake at every path: a place, an origin and a token that may be."""
        if request.path.partition("?")[0] != PATH and not request.path.startswith(CONVERSATIONS):
            return stop_at_path()
        if self._gate.draining:
            return stop(Reason.DRAINING, Code.DRAINING)
        passed = examine(request, self._peer(), self._rules)
        if isinstance(passed, Stopped):
            return passed
        turned_away = self._gate.admit(passed.address)
        return passed if turned_away is None else stop_at_limit(turned_away)

    def _peer(self) -> str:
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(name[0]) if isinstance(name, tuple) and name else ""

    def _let_in_later(self, request: Request, passed: Passed, response: Response) -> None:
        """A conversation's handshake waits for history. Nothing is read meanwhile: what the client sends already stays
        in the kernel."""
        if self._transport is not None:
            self._transport.pause_reading()
            self._gate.spawn(self._let_in(request, passed, response))

    async def _let_in(self, request: Request, passed: Passed, response: Response) -> None:
        try:
            verdict = await self._conversations.knock(request, passed, self)
            if isinstance(verdict, Stopped):
                self._turn_away(verdict)
            else:
                self._enter(verdict, response)
        finally:
            _forget_head(request)
            if self._protocol.state is CONNECTING:
                self.abort()

    def _enter(self, conversation: ConversationSocket, response: Response) -> None:
        """The address's place is asked for again: others may have taken it while history was asked."""
        self._conversation = conversation
        turned_away = self._gate.admit(conversation.address)
        if self._transport is None or self._transport.is_closing():
            conversation.release()
        elif self._gate.draining:
            self._turn_away(stop(Reason.DRAINING, Code.DRAINING))
        elif turned_away is not None:
            self._turn_away(stop_at_limit(turned_away))
        else:
            self._respond(response)
            self._connection = conversation.open()
            self._trust_identity()
            if self._paused:  # what it opened with has filled the transport already
                self._connection.receive_pause()
            elif not self._transport.is_closing():
                self._transport.resume_reading()

    def _turn_away(self, stopped: Stopped) -> None:
        """Refuse a handshake with a body that says why."""
        self._gate.metrics.handshakes_refused.labels(stopped.reason.value).inc()
        self._protocol.send_problem(stopped)
        self._flush()

    def _respond(self, response: Response) -> None:
        self._protocol.send_response(response)
        self._flush()

    # Frames.

    def _take(self, frame: Frame) -> None:
        connection = self._connection
        if connection is None:
            return
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                self._opcode, self._size = frame.opcode, 0
                self._take_part(frame, connection)
            case Opcode.CONT:
                self._take_part(frame, connection)
            case Opcode.PONG:
                connection.receive_pong()
            case Opcode.CLOSE | Opcode.PING:
                return  # the protocol answers them

    def _take_part(self, frame: Frame, connection: Connection) -> None:
        limit = self._gate.settings.frame_bytes
        self._size += len(frame.data)
        # One buffer, whatever number of fragments: they may be empty, and cost nothing then.
        if self._size <= limit:
            self._text += frame.data
        else:
            self._text.clear()
        if not frame.fin:
            return
        text, self._text = self._text, bytearray()
        if self._size > limit:
            connection.receive_unreadable(Code.TOO_LARGE, f"a frame has at most {limit} bytes")
        elif self._opcode is Opcode.BINARY:
            connection.receive_unreadable(Code.BAD_FRAME, "frames are text")
        else:
            (self._conversation or connection).receive_text(bytes(text))

    # Bytes.

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._put(data)
            else:
                self._hang_up()

    def _hang_up(self) -> None:
        """The closing handshake is over. What waits is sent first, and that may take `close_seconds`."""
        if self._connection is not None:
            self._connection.begin_closing()
        if self._transport is not None:
            self._transport.close()

    def _put(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self.write(data)

    def _write_counted(self, data: bytes) -> None:
        if self._transport is not None:
            self._written += len(data)
            self._transport.write(data)

    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()


def _drop(data: bytes) -> None:
    """There is no socket to put it on."""


def _forget_head(request: Request) -> None:
    """The parser keeps the request for as long as the socket lives; its headers are a third of what a client that does
    nothing would take."""
    request.headers.clear()
