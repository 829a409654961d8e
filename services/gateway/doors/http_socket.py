"""One HTTP socket with a bound on every wait for its client, and on the size of a head: uvicorn itself has neither.

How many sockets one address may open is for the proxy in front of the gates to say.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from services.gateway.doors.headers import security_headers

HEAD_BYTES: Final = 64 * 1024


class HttpSocket(HttpToolsProtocol):
    """Cut when the head of the first or the next request is not whole within `request_seconds`, or when a response is
    left unread for that long. Bodies have their bound in `Guard`, where they can be answered."""

    def __init__(self, request_seconds: float, **options: Any) -> None:  # Any: uvicorn's own options
        super().__init__(**options)
        self._request_seconds = request_seconds
        self._head_due: asyncio.TimerHandle | None = None
        self._read_due: asyncio.TimerHandle | None = None
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._in_head = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client is here, and its first request is due."""
        super().connection_made(transport)
        self._head_due = self._cut_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, for every request on it: uvicorn tells only the last of those that came together."""
        for due in (self._head_due, self._read_due):
            _forget(due)
        for cycle in self._unanswered:
            cycle.disconnected = True
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the headers of every other answer too."""
        self._hang_up_with(HTTPStatus.BAD_REQUEST, msg)

    def data_received(self, data: bytes) -> None:
        """More of the client: a head is read up to `HEAD_BYTES`, and no further."""
        super().data_received(data)
        self._head_bytes += len(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._hang_up_with(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"A head has at most {HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """The head is whole; with a WebSocket's the socket changes hands."""
        _forget(self._head_due)
        before = self.cycle
        self._in_head = False
        super().on_headers_complete()
        if self.cycle is not before:
            self._unanswered.append(self.cycle)

    def on_response_complete(self) -> None:
        """Answered; the next request is due, unless it is here already. What was answered may yet have to be read."""
        self._unanswered.popleft()
        super().on_response_complete()
        _forget(self._head_due)
        if self.cycle.response_complete:
            self._head_due = self._cut_later()

    def pause_writing(self) -> None:
        """The client leaves its response unread."""
        super().pause_writing()
        self._read_due = self._cut_later()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        _forget(self._read_due)

    def _cut_later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._request_seconds, self._cut)

    def _cut(self) -> None:
        if self.transport.get_protocol() is self:
            self.transport.abort()

    def _hang_up_with(self, status: HTTPStatus, text: str) -> None:
        told = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text)), "Connection": "close"}
        headers = "".join(f"{name}: {value}\r\n" for name, value in (security_headers(https=False) | told).items())
        self.transport.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{headers}\r\n{text}".encode())
        self.transport.close()


def _forget(due: asyncio.TimerHandle | None) -> None:
    if due is not None:
        due.cancel()
