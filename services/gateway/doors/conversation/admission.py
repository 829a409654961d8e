"""Who may open the conversation socket: asked before the upgrade, so that a "no" is an HTTP answer.

History is asked for the room and its newest messages. What it does not know yet (a room or a membership of a moment
ago) it is asked again for, behind the log. A stranger is told 403 also by a room that hides: `create` says no less of
its id. Of a direct room it does, and so nothing is said here: anybody can work out the id of one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, unquote

from pydantic import TypeAdapter, ValidationError
from websockets.http11 import Request

from schemas.answers import Refused
from schemas.errors import Code
from schemas.ids import DIRECT_PREFIX, RoomId, RoomIdField, UserId
from schemas.queries import PageAnswer, PageQuery, RoomAnswer, RoomQuery
from services.gateway.doors.handshake import Passed, Reason, Stopped, stop
from services.gateway.doors.problems import INSECURE_TRANSPORT, problem_of
from services.gateway.gate import Gate
from services.gateway.tokens import KeyUnknown, TokenRefused

PREFIX: Final = "/chat/ws/"
SHOWN: Final = 50
"""Messages that are replayed to whoever comes."""

ROOM_ID: Final[TypeAdapter[RoomId]] = TypeAdapter(RoomIdField)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who knocks at which room, as their token says."""

    room: RoomId
    user: UserId
    token: str
    address: str


async def caller_of(request: Request, passed: Passed, gate: Gate) -> Caller | Stopped:
    """Read a handshake. A token in the URL ends up in access logs, so here it is refused."""
    path, _, query = request.path.partition("?")
    if "token" in parse_qs(query, keep_blank_values=True):
        told = "a token in the URL is not taken: use the Authorization header"
        return stop(Reason.TOKEN_IN_QUERY, Code.BAD_FIELD, told, word=INSECURE_TRANSPORT)
    if passed.token is None:
        return stop(Reason.IDENTITY, Code.UNAUTHENTICATED, "Authentication required", word="MISSING_AUTH")
    verdict = gate.identify(passed.token)
    if isinstance(verdict, KeyUnknown):
        verdict = await gate.identify_by_newer_keys(passed.token)
    if isinstance(verdict, TokenRefused):
        return stop(Reason.IDENTITY, verdict.code, verdict.message)
    try:
        room = ROOM_ID.validate_python(unquote(path.removeprefix(PREFIX)))
    except ValidationError:
        return stop(Reason.ROOM, Code.ROOM_NOT_FOUND)
    return Caller(room, verdict.user, passed.token, passed.address)


async def admit(gate: Gate, caller: Caller) -> PageAnswer | Stopped:
    """The newest messages, if the caller is a participant; bounded by `query_seconds` in all."""
    try:
        async with asyncio.timeout(gate.settings.query_seconds):
            answer = await _ask(gate, caller)
            if isinstance(answer, Refused) and answer.code in (Code.ROOM_NOT_FOUND, Code.NOT_A_MEMBER):
                answer = await _ask_again(gate, caller)
    except TimeoutError:
        answer = Refused.of(Code.OVERLOADED, "history does not answer right now", retry_after_seconds=1.0)
    return _stopped(answer) if isinstance(answer, Refused) else answer


async def newest(gate: Gate, room: RoomId, user: UserId) -> PageAnswer | Refused:
    """The newest messages, with what the user wrote lately."""
    through = gate.writes.through(user, room)
    query = PageQuery(room=room, actor=user, limit=SHOWN, messages=True, through_seq=through)
    answer = await gate.queries.ask(query)
    if isinstance(answer, PageAnswer | Refused):
        return answer
    return Refused.of(Code.INTERNAL)


async def _ask(gate: Gate, caller: Caller) -> PageAnswer | Refused:
    room, user = caller.room, caller.user
    query = RoomQuery(room=room, actor=user, through_seq=gate.writes.through(user, room))
    found, page = await asyncio.gather(gate.queries.ask(query), newest(gate, room, user))
    if isinstance(found, Refused):
        return found
    if isinstance(found, RoomAnswer) and found.view.role is None:
        return Refused.of(Code.NOT_A_MEMBER)
    return page


async def _ask_again(gate: Gate, caller: Caller) -> PageAnswer | Refused:
    """Behind everything logged by now. A room that is there, and hidden, is one the caller is no participant of; of a
    direct one it is not said that it is there."""
    missing = await gate.queries.caught_up(caller.room)
    if missing is not None:
        return missing
    answer = await _ask(gate, caller)
    if isinstance(answer, Refused) and answer.code is Code.ROOM_NOT_FOUND and not _is_direct(caller.room):
        return Refused.of(Code.NOT_A_MEMBER)
    return answer


def _is_direct(room: RoomId) -> bool:
    return room.startswith(DIRECT_PREFIX)


def _stopped(refused: Refused) -> Stopped:
    problem = problem_of(refused)
    if refused.code is Code.NOT_A_MEMBER:
        problem = problem.model_copy(update={"status": HTTPStatus.FORBIDDEN.value})
    return Stopped(Reason.NOT_ASKED if refused.retry else Reason.ROOM, problem)
