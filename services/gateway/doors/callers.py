"""Who makes an HTTP request and under which command id: the parameters that every operation of the REST door shares."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from schemas.errors import Code
from schemas.ids import CommandId, CommandIdField, UserId
from services.gateway.doors.backend import Backend
from services.gateway.doors.problems import INSECURE_TRANSPORT, Refusal, refuse
from services.gateway.refusals import rate_limited
from services.gateway.tokens import Identity, TokenRefused

TOKENS_IN_QUERY: Final = frozenset(("token", "access_token"))
# What FastAPI takes for true in a header.
TRUE_WORDS: Final = frozenset(("true", "1", "on", "yes", "t", "y"))
IdempotencyKey = Annotated[CommandIdField | None, Header(alias="Idempotency-Key")]
RetryFlag = Annotated[bool, Header(alias="Idempotency-Retry")]


async def _gate(request: Request) -> Backend:
    backend = request.app.state.backend
    if backend is None:
        raise AssertionError("this application was made for its document only")
    return backend  # type: ignore[no-any-return]  # Starlette's state is untyped; make_app puts it there


Gate = Annotated[Backend, Depends(_gate)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False, bearerFormat="JWT"))]


async def _identity(request: Request, gate: Gate, bearer: Bearer) -> Identity:
    if not TOKENS_IN_QUERY.isdisjoint(request.query_params):
        told = "a token does not travel in the URL: give it in the Authorization header"
        raise refuse(Code.BAD_FIELD, told, word=INSECURE_TRANSPORT)
    if bearer is None or not bearer.credentials:
        raise refuse(Code.UNAUTHENTICATED, "Authentication required", word="MISSING_AUTH")
    if len(request.headers.getlist("Authorization")) > 1:
        raise refuse(Code.BAD_FIELD, "the request has two Authorization headers")
    verdict = await gate.identify(bearer.credentials)
    if isinstance(verdict, TokenRefused):
        raise refuse(verdict.code, verdict.message)
    wait = gate.ask(verdict.user)
    if wait > 0:
        raise Refusal(rate_limited(_asked_of(request), None, wait))
    return verdict


def _asked_of(request: Request) -> dict[str, object]:
    """What a refusal wants to know of a request whose body nobody reads."""
    said = request.headers.get("Idempotency-Retry", "").lower()
    return {"retry": said in TRUE_WORDS, "command_id": request.headers.get("Idempotency-Key")}


Caller = Annotated[Identity, Depends(_identity)]


async def _user(caller: Caller) -> UserId:
    return caller.user


async def _command_id(gate: Gate, key: IdempotencyKey = None) -> CommandId:
    return key or gate.new_command_id()


User = Annotated[UserId, Depends(_user)]
Named = Annotated[CommandId, Depends(_command_id)]
