"""HTTP around the REST door: the static page, the demo login, security headers, and bounds on bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.datastructures import Headers, MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.answers import Refused
from schemas.errors import Code
from services.gateway.doors.problems import Sizes, problem_of, refuse, respond
from services.gateway.doors.rest.models.demo import Login, LoginToken
from services.gateway.doors.rest.operations import make_router, tells

DEMO_USERS: Final = ("alice", "bob", "charlie")
WEB: Final = Path(__file__).parent.parent / "web"
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def make_static() -> StaticFiles:
    """The page at `/`; a path without a file is an ordinary 404."""
    return StaticFiles(directory=WEB, html=True, check_dir=False)


def make_demo_router(issue_token: Callable[[str], str]) -> APIRouter:
    """Logging in by name, for the three demo users only."""
    router = make_router("demo")

    @router.post("/demo/login", responses=tells(Code.UNAUTHENTICATED))
    async def login(body: Login) -> LoginToken:
        """A token for alice, bob or charlie."""
        if body.user not in DEMO_USERS:
            raise refuse(Code.UNAUTHENTICATED, f"the demo knows {', '.join(DEMO_USERS)} only")
        return LoginToken(token=issue_token(body.user), user=body.user)

    return router


class Guard:
    """ASGI middleware: security and caching headers on every response; bodies end, and within the limit."""

    def __init__(self, app: ASGIApp, body_bytes: int, body_seconds: float) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, guarded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        body = await self._read(receive)
        if isinstance(body, Refused):
            sizes = Sizes(_declared_size(scope), self._body_bytes) if body.code is Code.TOO_LARGE else None
            response = respond(problem_of(body, sizes=sizes))
            response.headers["Connection"] = "close"  # or the rest of the body could go on for ever
            await response(scope, receive, guarded_send)
            return
        await self._app(scope, _replay(body, receive), guarded_send)

    async def _read(self, receive: Receive) -> list[Message] | Refused:
        try:
            async with asyncio.timeout(self._body_seconds):
                return await self._read_all(receive)
        except TimeoutError:
            return Refused.of(Code.IDLE_EVICTED, f"the body did not come within {self._body_seconds:g} seconds")

    async def _read_all(self, receive: Receive) -> list[Message] | Refused:
        messages: list[Message] = []
        size = 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self._body_bytes:
                return Refused.of(Code.TOO_LARGE, f"a body has at most {self._body_bytes} bytes")
            if not message.get("more_body", False):
                return messages


def _declared_size(scope: Scope) -> int | None:
    """How long the body is to be, where its request says so."""
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isdecimal() else None


def _replay(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replayed() -> Message:
        for message in waiting:
            return message
        return await receive()

    return replayed
