"""Who makes an HTTP request and under which command id: the parameters that every operation of the REST door shares."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from schemas.errors import Code
from schemas.ids import CommandId, CommandIdField, UserId
from services.gateway.doors.backend import Backend
from services.gateway.doors.problems import refuse
from services.gateway.tokens import Identity, TokenRefused

IdempotencyKey = Annotated[CommandIdField | None, Header(alias="Idempotency-Key")]
RetryFlag = Annotated[bool, Header(alias="Idempotency-Retry")]


async def _gate(request: Request) -> Backend:
    backend = request.app.state.backend
    if backend is None:
        raise AssertionError("this application was made for its document only")
    return backend  # type: ignore[no-any-return]  # Starlette's state is untyped; make_app puts it there


Gate = Annotated[Backend, Depends(_gate)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False, bearerFormat="JWT"))]


async def _identity(gate: Gate, bearer: Bearer) -> Identity:
    if bearer is None or not bearer.credentials:
        raise refuse(Code.UNAUTHENTICATED, "Authentication required", word="MISSING_AUTH")
    verdict = gate.identify(bearer.credentials)
    if isinstance(verdict, TokenRefused):
        raise refuse(verdict.code, verdict.message)
    return verdict


Caller = Annotated[Identity, Depends(_identity)]


async def _user(caller: Caller) -> UserId:
    return caller.user


async def _command_id(gate: Gate, key: IdempotencyKey = None) -> CommandId:
    return key or gate.new_command_id()


User = Annotated[UserId, Depends(_user)]
Named = Annotated[CommandId, Depends(_command_id)]
