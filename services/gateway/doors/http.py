"""The HTTP application of a gate: REST, operations, demo login and the page on one port, and its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from services.gateway.addresses import Network
from services.gateway.doors.backend import Backend
from services.gateway.doors.pages import Dressed, Guard, make_demo_router, make_static, open_to_pages
from services.gateway.doors.problems import MEDIA_TYPE, add_problem_handlers
from services.gateway.doors.rest import router

TITLE = "Gatehouse"
VERSION = "1"
BODY_BYTES = 256 * 1024
BODY_SECONDS = 10.0


def make_app(
    backend: Backend | None,
    *,
    operations: Iterable[BaseRoute] = (),
    issue_demo_token: Callable[[str], str] | None = None,
    body_seconds: float = BODY_SECONDS,
) -> FastAPI:
    """Everything HTTP. Without a `backend` it can be described but not served; `issue_demo_token` turns the demo on."""

    app = FastAPI(
        title=TITLE,
        version=VERSION,
        description="Rooms and messages over HTTP; live events come by WebSocket at /ws.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    add_problem_handlers(app)
    app.state.backend = backend
    app.include_router(router)
    if issue_demo_token is not None:
        app.include_router(make_demo_router(issue_demo_token))
    app.router.routes.extend(operations)
    app.mount("/", make_static(), name="web")
    app.add_middleware(Guard, body_bytes=BODY_BYTES, body_seconds=body_seconds)
    return app


def dress_app(app: ASGIApp, *, origins: Sequence[str], proxies: Sequence[Network]) -> ASGIApp:
    """What the outside sees: security headers on every answer, and CORS for the pages of `origins`."""
    return Dressed(open_to_pages(app, origins) if origins else app, proxies)


def openapi() -> dict[str, Any]:  # Any: a JSON document
    """The OpenAPI document, made without any connection."""
    document = make_app(None).openapi()
    for path in document["paths"].values():
        for operation in path.values():
            for status in ("4XX", "5XX"):
                content = operation["responses"][status]["content"]
                content[MEDIA_TYPE] = content.pop("application/json")
    return document
