"""A JWK set on a real HTTP server of the loopback: it can change, break, hang, and counts who asks."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_SECONDS = 30.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that did not wait is none of ours."""


class KeyServer:
    """Serves `document` at `/keys` with `status`. While `hangs` is set nobody is answered."""

    def __init__(self, document: bytes = b"") -> None:
        self.document = document
        self.status = 200
        self.location: str | None = None
        self.asked = 0
        self.hangs = False
        self.released = threading.Event()
        self._server: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/keys"

    def start(self) -> None:
        """Listen, on the same port as before where there was one."""
        self._server = _Server(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Connections are refused from now on."""
        self.released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked += 1
                if served.hangs:
                    served.released.wait(HANG_SECONDS)
                self.send_response(served.status)
                if served.location is not None:
                    self.send_header("Location", served.location)
                self.send_header("Content-Length", str(len(served.document)))
                self.end_headers()
                self.wfile.write(served.document)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler
