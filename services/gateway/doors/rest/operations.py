"""What every operation of the REST door has in common: JSON in, problems out, and a document that says which.

The refusals that an operation documents follow from the verbs it sends (schemas/verbs.py) and the codes of the doors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from email.message import Message
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from schemas.errors import Code
from schemas.verbs import VERBS
from services.gateway.doors.problems import LINK_EXPIRED, QUEUE_FULL, UNSUPPORTED, Problem, refuse, status_of

Responses = dict[int | str, dict[str, Any]]  # Any: FastAPI's own table
Handler = Callable[[Request], Coroutine[Any, Any, Response]]  # Any: a coroutine yields what its loop wants

OF_EVERY_REQUEST: Final = (Code.BAD_FIELD, Code.TOO_LARGE, Code.IDLE_EVICTED, Code.RATE_LIMITED, Code.INTERNAL)
OF_A_CALLER: Final = (Code.UNAUTHENTICATED, Code.TOKEN_EXPIRED, Code.KEYS_UNAVAILABLE)
OF_THE_BROKER: Final = (Code.OVERLOADED,)
OF_A_COMMAND: Final = (Code.NO_ANSWER, Code.DUPLICATE_IN_FLIGHT, Code.DRAINING)
LINK: Final = {
    "Link": {"description": "RFC 8288: `next` and `prev`, where there is more.", "schema": {"type": "string"}}
}


class Operation(APIRoute):
    """A route that takes JSON only, and is summed up by the first sentence of its docstring."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # Any: FastAPI's own options
        if options.get("summary") is None:
            options["summary"] = (inspect.getdoc(endpoint) or "").partition(".")[0].replace("\n", " ")
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Refuse a body in another format before it is read as if it were JSON."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            if (
                self.body_field is not None
                and not is_json(request.headers.get("content-type"))
                and await request.body()
            ):
                raise refuse(Code.BAD_FRAME, "the body is to be application/json", spoken=UNSUPPORTED)
            return await handle(request)

        return handle_json


def make_router(tag: str) -> APIRouter:
    """A router for one kind of resource."""
    return APIRouter(route_class=Operation, tags=[tag], generate_unique_id_function=lambda route: route.name)


def is_json(content_type: str | None) -> bool:
    """Whether a body of this type is JSON. A body without a type is not taken for it."""
    message = Message()
    message["content-type"] = content_type or "application/octet-stream"
    kind, subtype = message.get_content_maintype(), message.get_content_subtype()
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def writes(*verbs: str, also: Iterable[Code] = (), body: bool = False, opens: bool = False) -> Responses:
    """The problems of an operation that sends these verbs. `also` are those of its own; `body`: it takes one; `opens`:
    it takes a token, and one that opens nothing any more is gone."""
    refused = {code for verb in verbs for code in VERBS[verb].refusals}
    codes = {*OF_EVERY_REQUEST, *OF_A_CALLER, *OF_THE_BROKER, *OF_A_COMMAND, *refused, *also}
    said = _by_status(codes, opens=opens)
    said.setdefault(QUEUE_FULL.status, []).append(Code.OVERLOADED)
    if body:
        said.setdefault(status_of(Code.BAD_FRAME), []).append(Code.BAD_FRAME)
        said[UNSUPPORTED.status] = [Code.BAD_FRAME]
    return _documented(said)


def reads(*codes: Code, paged: bool = False, opens: bool = False) -> Responses:
    """The problems of an operation that reads; a `paged` one has links, and one that `opens` takes a token."""
    said = _by_status({*OF_EVERY_REQUEST, *OF_A_CALLER, *OF_THE_BROKER, *codes}, opens=opens)
    return _documented(said) | ({200: {"headers": LINK}} if paged else {})


def tells(*codes: Code) -> Responses:
    """The problems of an operation that the gate answers by itself."""
    return _documented(_by_status({*OF_EVERY_REQUEST, *codes}))


def _by_status(codes: Iterable[Code], *, opens: bool = False) -> dict[int | None, list[Code]]:
    said: dict[int | None, list[Code]] = {}
    for code in Code:
        if code in codes:
            gone = opens and code is Code.INVITE_INVALID
            said.setdefault(LINK_EXPIRED.status if gone else status_of(code), []).append(code)
    return said


def _documented(said: dict[int | None, list[Code]]) -> Responses:
    return {
        status: {"model": Problem, "description": ", ".join(f"`{code}`" for code in said[status])}
        for status in sorted(status for status in said if status is not None)
    }
