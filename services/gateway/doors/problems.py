"""Refusals as HTTP problems (RFC 9457) that also carry the `error` and `code` members older clients look for.

`gatehouse_code` is the registry's own code; `code` is the upper-case word of the conversation API, from one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from schemas import limits
from schemas.answers import Refused
from schemas.errors import ERRORS, Code

MEDIA_TYPE: Final = "application/problem+json"
FULL_ROOM_SECONDS: Final = 300.0
# The word for a token in a URL, which ends up in logs and histories.
INSECURE_TRANSPORT: Final = "INSECURE_TOKEN_TRANSPORT"


class Spoken(NamedTuple):
    """How a code is said here: the word, and the status where it differs from the registry's."""

    word: str
    status: int | None = None


WORDS: Final[dict[Code, Spoken]] = {
    Code.BAD_FRAME: Spoken("INVALID_JSON"),
    Code.BAD_FIELD: Spoken("MALFORMED_REQUEST"),
    Code.TOO_LARGE: Spoken("MESSAGE_TOO_LARGE"),
    Code.UNKNOWN_COMMAND: Spoken("NOT_SUPPORTED"),
    Code.UNAUTHENTICATED: Spoken("INVALID_TOKEN"),
    Code.TOKEN_EXPIRED: Spoken("TOKEN_EXPIRED"),
    Code.KEYS_UNAVAILABLE: Spoken("SERVICE_UNAVAILABLE"),
    Code.NOT_ALLOWED: Spoken("FORBIDDEN"),
    # A conversation one takes no part in is not admitted to exist.
    Code.NOT_A_MEMBER: Spoken("NOT_PARTICIPANT", 404),
    Code.ALREADY_A_MEMBER: Spoken("ALREADY_PARTICIPANT"),
    Code.MEMBER_NOT_FOUND: Spoken("NOT_FOUND"),
    Code.BANNED: Spoken("FORBIDDEN"),
    Code.MUTED: Spoken("FORBIDDEN"),
    Code.ROOM_NOT_FOUND: Spoken("NOT_FOUND"),
    Code.MESSAGE_NOT_FOUND: Spoken("NOT_FOUND"),
    Code.ROOM_EXISTS: Spoken("ALREADY_EXISTS"),
    Code.ROOM_FULL: Spoken("CAPACITY_EXCEEDED"),
    Code.ROOM_CLOSED: Spoken("CONVERSATION_ARCHIVED"),
    Code.INVITE_INVALID: Spoken("INVITATION_REQUIRED"),
    Code.RATE_LIMITED: Spoken("RATE_LIMITED"),
    Code.OVERLOADED: Spoken("SERVICE_UNAVAILABLE"),
    Code.INTERNAL: Spoken("INTERNAL_ERROR"),
}
QUEUE_FULL: Final = Spoken("QUEUE_FULL", 429)
"""`overloaded` of a command that says when to come again: the room's own queue had no place."""
NOT_THIS_METHOD: Final = 405
UNSUPPORTED: Final = Spoken("UNSUPPORTED_MEDIA_TYPE", 415)
LINK_EXPIRED: Final = Spoken("SHARE_LINK_EXPIRED", 410)
SENTENCES: Final[dict[Code, str]] = {
    Code.ALREADY_A_MEMBER: "Already a participant of this conversation",
    Code.ROOM_FULL: "Participant limit exceeded",
}


class Sizes(NamedTuple):
    """How large something was, where that is known, and how large it may be: bytes of texts and bodies, else characters
    or entries."""

    actual_size: int | None
    max_size: int


class Problem(BaseModel):
    """What every error of the HTTP API looks like. Sizes are there where something was too large."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    error: str
    code: str
    gatehouse_code: Code
    definite: bool
    retry: bool
    retry_after: float | None = None
    actual_size: int | None = None
    max_size: int | None = None


class Refusal(Exception):
    """Ends a request with a problem; `word` and `spoken` replace what the table says."""

    def __init__(
        self, refused: Refused, *, word: str | None = None, error: str | None = None, spoken: Spoken | None = None
    ) -> None:
        super().__init__(refused.message)
        self.refused = refused
        self.word = word
        self.error = error
        self.spoken = spoken


def refuse(code: Code, message: str | None = None, *, word: str | None = None, spoken: Spoken | None = None) -> Refusal:
    """A refusal to raise."""
    return Refusal(Refused.of(code, message), word=word, error=message, spoken=spoken)


def spoken_of(refused: Refused) -> Spoken:
    """How a refusal is said here; the status is always told."""
    of_a_command = refused.command_id is not None
    if refused.code is Code.OVERLOADED and of_a_command and refused.retry_after_seconds is not None:
        return QUEUE_FULL
    spoken = WORDS.get(refused.code, Spoken(refused.code.value.upper()))
    return Spoken(spoken.word, spoken.status or ERRORS[refused.code].http)


def status_of(code: Code) -> int:
    """The status that a code has here unless something else is said."""
    return spoken_of(Refused.of(code)).status or ERRORS[code].http


def problem_of(
    refused: Refused,
    *,
    word: str | None = None,
    error: str | None = None,
    spoken: Spoken | None = None,
    sizes: Sizes | None = None,
) -> Problem:
    """Say a refusal as a problem."""
    spec, said = ERRORS[refused.code], spoken or spoken_of(refused)
    after = refused.retry_after_seconds
    return Problem(
        title=spec.message,
        status=said.status or spec.http,
        detail=refused.message,
        error=error or SENTENCES.get(refused.code, refused.message),
        code=word or said.word,
        gatehouse_code=refused.code,
        definite=refused.definite,
        retry=refused.retry,
        retry_after=FULL_ROOM_SECONDS if refused.code is Code.ROOM_FULL else after,
        actual_size=sizes.actual_size if sizes is not None else None,
        max_size=sizes.max_size if sizes is not None else None,
    )


def respond(problem: Problem) -> Response:
    """The HTTP response of a problem."""
    body = problem.model_dump(mode="json", exclude_none=True)
    return JSONResponse(body, problem.status, headers_of(problem), media_type=MEDIA_TYPE)


def headers_of(problem: Problem) -> dict[str, str]:
    """What its headers say beside its body."""
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after)))
    if problem.status == ERRORS[Code.UNAUTHENTICATED].http:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def add_problem_handlers(app: FastAPI, methods_at: Callable[[str], frozenset[str]]) -> None:
    """Have every error of `app` said as a problem, the framework's own included; `methods_at` a path are those that it
    serves there."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        problem = problem_of(refusal.refused, word=refusal.word, error=refusal.error, spoken=refusal.spoken)
        return respond(problem)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return respond(malformed_request(error.errors()))

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> Response:
        allowed = methods_at(request.scope["path"])
        status = NOT_THIS_METHOD if allowed and request.method not in allowed else error.status_code
        response = respond(_said_by_framework(status, str(error.detail)))
        response.headers.update({"Allow": ", ".join(sorted(allowed))} if allowed else error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> Response:
        return respond(problem_of(Refused.of(Code.INTERNAL)))


def malformed_request(errors: Iterable[Any]) -> Problem:  # Any: pydantic's own reports, with the input they are about
    """What is wrong with the parameters or the body of a request: the first thing that is."""
    first = next(iter(errors))
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    if first["type"] == "json_invalid":
        return problem_of(Refused.of(Code.BAD_FRAME, "the body is not JSON"))
    if first["type"] == "missing":
        return problem_of(Refused.of(Code.BAD_FIELD, f"Missing required field: {place or 'body'}"))
    sentence = f"{place}: {first['msg']}" if place else first["msg"]
    sizes = _sizes(first)
    if sizes is None:
        return problem_of(Refused.of(Code.BAD_FIELD, sentence))
    return problem_of(Refused.of(Code.TOO_LARGE, sentence), sizes=sizes)


def _sizes(error: Any) -> Sizes | None:  # Any: one report of pydantic
    """The sizes in a report that something is too large; None: it reports something else."""
    given, most = error.get("input"), error.get("ctx", {}).get("max_length")
    if error["type"] in ("string_too_long", "too_long") and isinstance(most, int):
        return Sizes(len(given) if isinstance(given, str | list | tuple) else None, most)
    if "longer than" not in error["msg"]:
        return None
    if isinstance(given, str):
        return Sizes(len(given.encode(errors="replace")), limits.TEXT_BYTES)
    return Sizes(None, limits.METADATA_BYTES)


def _said_by_framework(status: int, detail: str) -> Problem:
    """The framework's own words: a path or a method that is not served, or a body that cannot be read."""
    if status == ERRORS[Code.BAD_FRAME].http:
        return problem_of(Refused.of(Code.BAD_FRAME, detail))
    if status == NOT_THIS_METHOD:
        detail = "Method Not Allowed"
    problem = problem_of(Refused.of(Code.UNKNOWN_COMMAND, detail))
    word = "NOT_FOUND" if status == ERRORS[Code.ROOM_NOT_FOUND].http else problem.code
    return problem.model_copy(update={"status": status, "code": word})
