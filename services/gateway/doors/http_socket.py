"""One HTTP socket with a bound on every wait for its client: uvicorn itself waits for ever for the end of a head.

How many sockets one address may open is for the proxy in front of the gates to say.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway.doors.headers import security_headers


class HttpSocket(HttpToolsProtocol):
    """Cut when the head of the first or the next request is not whole within `request_seconds`, or when a response is
    left unread for that long. Bodies have their bound in `Guard`, where they can be answered."""

    def __init__(self, request_seconds: float, **options: Any) -> None:  # Any: uvicorn's own options
        super().__init__(**options)
        self._request_seconds = request_seconds
        self._head_due: asyncio.TimerHandle | None = None
        self._read_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client is here, and its first request is due."""
        super().connection_made(transport)
        self._head_due = self._cut_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._forget_times()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the headers of every other answer too."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in security_headers(https=False).items())
        self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{headers}".encode() + _rest_of_400(msg.encode()))
        self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is whole; with a WebSocket's the socket changes hands."""
        self._forget_times()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Answered; the next request is due, unless it is here already."""
        super().on_response_complete()
        self._forget_times()
        if self.cycle.response_complete:
            self._head_due = self._cut_later()

    def pause_writing(self) -> None:
        """The client leaves its response unread."""
        super().pause_writing()
        self._read_due = self._cut_later()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._read_due is not None:
            self._read_due.cancel()

    def _cut_later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._request_seconds, self.transport.abort)

    def _forget_times(self) -> None:
        for due in (self._head_due, self._read_due):
            if due is not None:
                due.cancel()


def _rest_of_400(text: bytes) -> bytes:
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % len(text) + text
