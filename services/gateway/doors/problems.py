"""Refusals as HTTP problems (RFC 9457) that also carry the `error` and `code` members older clients look for.

`gatehouse_code` is the registry's own code; `code` is the upper-case word of the conversation API, from one table.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

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
SENTENCES: Final[dict[Code, str]] = {
    Code.ALREADY_A_MEMBER: "Already a participant of this conversation",
    Code.ROOM_FULL: "Participant limit exceeded",
}


class Problem(BaseModel):
    """What every error of the HTTP API looks like."""

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


class Refusal(Exception):
    """Ends a request with a problem; `word` replaces the table's."""

    def __init__(self, refused: Refused, *, word: str | None = None, error: str | None = None) -> None:
        super().__init__(refused.message)
        self.refused = refused
        self.word = word
        self.error = error


def refuse(code: Code, message: str | None = None, *, word: str | None = None) -> Refusal:
    """A refusal to raise."""
    return Refusal(Refused.of(code, message), word=word, error=message)


def problem_of(refused: Refused, *, word: str | None = None, error: str | None = None) -> Problem:
    """Say a refusal as a problem."""
    spec = ERRORS[refused.code]
    spoken = WORDS.get(refused.code, Spoken(refused.code.value.upper()))
    after = refused.retry_after_seconds
    return Problem(
        title=spec.message,
        status=spoken.status or spec.http,
        detail=refused.message,
        error=error or SENTENCES.get(refused.code, refused.message),
        code=word or spoken.word,
        gatehouse_code=refused.code,
        definite=refused.definite,
        retry=refused.retry,
        retry_after=FULL_ROOM_SECONDS if refused.code is Code.ROOM_FULL else after,
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


def add_problem_handlers(app: FastAPI) -> None:
    """Have every error of `app` said as a problem, the framework's own included."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return respond(problem_of(refusal.refused, word=refusal.word, error=refusal.error))

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return respond(problem_of(_malformed(error)))

    @app.exception_handler(HTTPException)
    async def wrong_path(_: Request, error: HTTPException) -> Response:
        problem = problem_of(Refused.of(Code.UNKNOWN_COMMAND, str(error.detail)))
        word = "NOT_FOUND" if error.status_code == ERRORS[Code.ROOM_NOT_FOUND].http else problem.code
        return respond(problem.model_copy(update={"status": error.status_code, "code": word}))

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> Response:
        return respond(problem_of(Refused.of(Code.INTERNAL)))


def _malformed(error: RequestValidationError) -> Refused:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    if first["type"] == "json_invalid":
        return Refused.of(Code.BAD_FRAME, "the body is not JSON")
    if first["type"] == "missing":
        return Refused.of(Code.BAD_FIELD, f"Missing required field: {place or 'body'}")
    large = first["type"] in ("string_too_long", "too_long") or "longer than" in first["msg"]
    return Refused.of(Code.TOO_LARGE if large else Code.BAD_FIELD, f"{place}: {first['msg']}")
