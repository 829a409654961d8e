"""The HTTP application of a gate: REST, operations, demo login and the page on one port, and its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from services.gateway.addresses import Network
from services.gateway.doors.backend import Backend
from services.gateway.doors.document import with_problems
from services.gateway.doors.pages import Dressed, Guard, LastWord, make_demo_router, make_static, open_to_pages
from services.gateway.doors.problems import add_problem_handlers
from services.gateway.doors.rest import health, invites, messages, participants, registry, rooms

TITLE = "Gatehouse"
VERSION = "1"
BODY_BYTES = 256 * 1024
BODY_SECONDS = 10.0
ROUTERS: Final = (rooms.router, messages.router, participants.router, invites.router, registry.router, health.router)
TAGS: Final = [
    {"name": "conversations", "description": "Rooms: made, changed, joined, left and listed."},
    {"name": "messages", "description": "What is said in them, as later events left it."},
    {"name": "participants", "description": "Members, their roles and voices, and who is kept out."},
    {"name": "invites", "description": "Invites and share links."},
    {"name": "gateway", "description": "The gate itself."},
    {"name": "health", "description": "How the service is."},
]


class Application(FastAPI):
    """FastAPI with the document of this API."""

    def openapi(self) -> dict[str, Any]:  # Any: a JSON document
        """The OpenAPI document; made once."""
        if self.openapi_schema is None:
            self.openapi_schema = with_problems(super().openapi())
        return self.openapi_schema


def make_app(
    backend: Backend | None,
    *,
    operations: Iterable[BaseRoute] = (),
    issue_demo_token: Callable[[str], str] | None = None,
    body_seconds: float = BODY_SECONDS,
) -> FastAPI:
    """Everything HTTP. Without a `backend` it can be described but not served; `issue_demo_token` turns the demo on."""

    app = Application(
        title=TITLE,
        version=VERSION,
        description="Rooms and messages over HTTP; live events come by WebSocket at /ws.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        openapi_tags=TAGS,
    )
    add_problem_handlers(app, methods_at)
    app.state.backend = backend
    for router in ROUTERS:
        app.include_router(router)
    if issue_demo_token is not None:
        app.include_router(make_demo_router(issue_demo_token))
    app.router.routes.extend(operations)
    app.mount("/", make_static(), name="web")
    app.add_middleware(Guard, body_bytes=BODY_BYTES, body_seconds=body_seconds)
    app.add_middleware(LastWord)
    return app


def methods_at(path: str) -> frozenset[str]:
    """The methods that the REST door serves at a path; none, where it serves nothing."""
    routes = (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))
    return frozenset(method for route in routes if route.path_regex.match(path) for method in route.methods or ())


def dress_app(app: ASGIApp, *, origins: Sequence[str], proxies: Sequence[Network]) -> ASGIApp:
    """What the outside sees: security headers on every answer, and CORS for the pages of `origins`."""
    return Dressed(open_to_pages(app, origins) if origins else app, proxies)


def openapi() -> dict[str, Any]:  # Any: a JSON document
    """The OpenAPI document, made without any connection."""
    return make_app(None).openapi()
