"""What a WebSocket handshake says, and whether it is let in: address, origin, token and subprotocol. Pure.

Every path with a WebSocket checks the same, by `examine`; who a token speaks for is said once the socket is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from schemas.answers import Refused
from schemas.errors import Code
from services.gateway.addresses import Network, client_of, is_trusted
from services.gateway.doors.headers import is_https, security_headers
from services.gateway.doors.problems import INSECURE_TRANSPORT, Problem, problem_of, respond
from services.gateway.limits import Limit
from services.gateway.origins import is_allowed
from services.gateway.tokens import TOKEN_CHARACTERS
from services.gateway.visitors import TurnedAway

BEARER: Final = "bearer."
PROTOCOL: Final = Subprotocol("gatehouse")


class Reason(StrEnum):
    """Why a handshake is refused: the label of its metric."""

    NO_SUCH_PATH = "no_such_path"
    DRAINING = "draining"
    LIMIT = "limit"
    ORIGIN = "origin"
    TOKEN_IN_QUERY = "token_in_query"  # noqa: S105 - a reason, not a secret
    TWO_TOKENS = "two_tokens"
    TOKEN_TOO_LONG = "token_too_long"  # noqa: S105 - a reason, not a secret
    MALFORMED = "malformed"
    IDENTITY = "identity"
    ROOM = "room"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator said of handshakes."""

    proxies: Sequence[Network]
    origins: Sequence[str]
    token_in_query: bool


@dataclass(frozen=True, slots=True)
class Passed:
    """A handshake that is in order: the address it counts for, and its token, where it has one."""

    address: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """A handshake that is not, and what its client is told."""

    reason: Reason
    problem: Problem


def examine(request: Request, peer: str, rules: Rules) -> Passed | Stopped:
    """Whose address it counts for, whether its page may speak here, and its token; limits are the gate's to know."""
    headers = request.headers
    origins = headers.get_all("Origin")
    hosts = headers.get_all("Host")
    if len(origins) > 1 or not is_allowed(
        origins[0] if origins else None, hosts[0] if len(hosts) == 1 else None, rules.origins
    ):
        return stop(Reason.ORIGIN, Code.NOT_ALLOWED, "pages of this origin may not connect here")
    token = _token_of(request, query_allowed=rules.token_in_query)
    if isinstance(token, Stopped):
        return token
    return Passed(client_of(peer, headers.get_all("X-Forwarded-For"), rules.proxies), token)


def stop(reason: Reason, code: Code, message: str | None = None, *, word: str | None = None) -> Stopped:
    """A refusal of the handshake."""
    return Stopped(reason, problem_of(Refused.of(code, message), word=word))


def stop_at_path() -> Stopped:
    """The refusal of a handshake for a path without a WebSocket."""
    problem = problem_of(Refused.of(Code.UNKNOWN_COMMAND, "there is no WebSocket here"), word="NOT_FOUND")
    return Stopped(Reason.NO_SUCH_PATH, problem.model_copy(update={"status": HTTPStatus.NOT_FOUND.value}))


def stop_at_limit(turned_away: TurnedAway) -> Stopped:
    """The refusal of a handshake for which there is no place."""
    match turned_away.limit:
        case Limit.CONNECTIONS_PER_GATE:
            refused = Refused.of(Code.OVERLOADED, "this gate holds as many connections as it may")
        case Limit.CONNECTIONS_PER_ADDRESS:
            refused = Refused.of(Code.TOO_MANY_CONNECTIONS, "this address has as many connections as it may")
        case _:
            refused = Refused.of(Code.RATE_LIMITED, "this address connects too often")
    return Stopped(Reason.LIMIT, problem_of(refused.model_copy(update={"retry_after_seconds": _seconds(turned_away)})))


def _seconds(turned_away: TurnedAway) -> float:
    return 5.0 if turned_away.wait_seconds is None else round(turned_away.wait_seconds, 3)


def choose_subprotocol(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """A browser wants one of those it offered: `gatehouse`, else the one that carries the token."""
    if PROTOCOL in offered:
        return PROTOCOL
    return next((name for name in offered if name.startswith(BEARER)), None)


class Handshake(ServerProtocol):
    """The protocol, whose refusals have the headers of every other answer: also those that it writes by itself."""

    https = False

    def send_response(self, response: Response) -> None:
        """Answer the handshake."""
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            for name, value in security_headers(https=self.https).items():
                response.headers[name] = value
        super().send_response(response)

    def send_problem(self, stopped: Stopped) -> None:
        """Refuse it."""
        said = respond(stopped.problem)
        response = self.reject(HTTPStatus(stopped.problem.status), "")
        response.body = bytes(said.body)
        for name in ("Content-Type", "Content-Length"):
            del response.headers[name]
        for name, value in said.headers.items():
            response.headers[name] = value
        self.send_response(response)


def came_by_https(request: Request, peer: str, rules: Rules) -> bool:
    """Whether the client spoke TLS to a proxy that is believed."""
    forwarded = request.headers.get_all("X-Forwarded-Proto")
    return is_https(forwarded, trusted=is_trusted(peer, rules.proxies))


def _token_of(request: Request, *, query_allowed: bool) -> str | Stopped | None:
    """The one token of a handshake: `Authorization: Bearer`, subprotocol `bearer.<token>`, or `?token=`."""
    try:
        in_query = parse_qs(request.path.partition("?")[2], max_num_fields=64).get("token", [])
    except ValueError:
        return stop(Reason.MALFORMED, Code.BAD_FIELD, "the query has too many fields")
    if in_query and not query_allowed:
        told = "a token does not travel in the URL here: give it in the Authorization header"
        return stop(Reason.TOKEN_IN_QUERY, Code.BAD_FIELD, told, word=INSECURE_TRANSPORT)
    found = {*_in_headers(request), *_in_subprotocols(request), *in_query}
    if len(found) > 1:
        return stop(Reason.TWO_TOKENS, Code.BAD_FIELD, "the handshake carries two different tokens")
    token = next(iter(found), None)
    if token is not None and len(token) > TOKEN_CHARACTERS:
        told = f"a token has at most {TOKEN_CHARACTERS} characters"
        return stop(Reason.TOKEN_TOO_LONG, Code.UNAUTHENTICATED, told)
    return token


def _in_headers(request: Request) -> list[str]:
    lines = (line.partition(" ") for line in request.headers.get_all("Authorization"))
    return [rest.strip() for scheme, _, rest in lines if scheme.lower() == "bearer" and rest.strip()]


def _in_subprotocols(request: Request) -> list[str]:
    names = (name.strip() for line in request.headers.get_all("Sec-WebSocket-Protocol") for name in line.split(","))
    return [name.removeprefix(BEARER) for name in names if name.startswith(BEARER)]
