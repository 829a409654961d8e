"""One HTTP socket with a bound on every wait for its client: uvicorn itself waits for ever for the end of a head.

How many sockets one address may open is for the proxy in front of the gates to say.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class HttpSocket(HttpToolsProtocol):
    """Cut when the head of the first or the next request is not whole within `request_seconds`, or when a response is
    left unread for that long. Bodies have their bound in `Guard`, where they can be answered."""

    def __init__(self, request_seconds: float, **options: Any) -> None:  # Any: uvicorn's own options
        super().__init__(**options)
        self._request_seconds = request_seconds
        self._head_due: asyncio.TimerHandle | None = None
        self._read_due: asyncio.TimerHandle | None = None
        self._unanswered: deque[RequestResponseCycle] = deque()

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

    def on_headers_complete(self) -> None:
        """The head is whole; with a WebSocket's the socket changes hands."""
        _forget(self._head_due)
        before = self.cycle
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


def _forget(due: asyncio.TimerHandle | None) -> None:
    if due is not None:
        due.cancel()
