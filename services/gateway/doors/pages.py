"""HTTP around the REST door: the static page, the demo login, security headers, bounds on bodies, and the last word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.answers import Refused
from schemas.errors import Code
from services.gateway.addresses import Network, is_trusted
from services.gateway.doors.headers import is_https, security_headers
from services.gateway.doors.problems import Sizes, problem_of, refuse, respond
from services.gateway.doors.rest.models.demo import Login, LoginToken
from services.gateway.doors.rest.operations import make_router, tells

DEMO_USERS: Final = ("alice", "bob", "charlie")
CORS_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
CORS_HEADERS: Final = ("Authorization", "Content-Type", "Idempotency-Key", "Idempotency-Retry")
CORS_SECONDS: Final = 3600
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
GOES_DOWN: Final = "the gate goes down, and no answer came before"
WEB: Final = Path(__file__).parent.parent / "web"


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


class Dressed:
    """ASGI around the whole application: security and caching headers on every response, also of what breaks inside."""

    def __init__(self, app: ASGIApp, proxies: Sequence[Network] = ()) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; its answer gets the headers it does not have."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = security_headers(https=self._came_by_https(scope)) | {"Cache-Control": "no-cache"}

        async def dressed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, dressed_send)

    def _came_by_https(self, scope: Scope) -> bool:
        peer = scope.get("client") or ("",)
        forwarded = Headers(scope=scope).getlist("X-Forwarded-Proto")
        return scope["scheme"] == "https" or is_https(forwarded, trusted=is_trusted(peer[0], self._proxies))


def open_to_pages(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let pages of these origins use the REST door (CORS); cookies and other credentials of a browser are of no use."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=CORS_METHODS,
        allow_headers=CORS_HEADERS,
        expose_headers=("Link", "Retry-After"),
        allow_credentials=False,
        max_age=CORS_SECONDS,
    )


class Guard:
    """ASGI middleware: bodies end, and within the limit."""

    def __init__(self, app: ASGIApp, body_bytes: int, body_seconds: float) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, guarded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        body = await self._read(receive)
        if isinstance(body, Refused):
            sizes = Sizes(_declared_size(scope), self._body_bytes) if body.code is Code.TOO_LARGE else None
            response = respond(problem_of(body, sizes=sizes))
            response.headers["Connection"] = "close"  # or the rest of the body could go on for ever
            await response(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

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


class LastWord:
    """ASGI middleware: whoever is still waiting when the gate goes down and gives their request up hears so by a code.
    A command may have been applied by then."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer it if it is cancelled before its answer began."""
        begun = False

        async def noted_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted_send)
        except asyncio.CancelledError:
            if begun or scope["type"] != "http":
                raise
            code = Code.OVERLOADED if scope["method"] in READS else Code.NO_ANSWER
            await respond(problem_of(Refused.of(code, GOES_DOWN)))(scope, receive, send)


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
