"""What a WebSocket handshake says: the subprotocol it gets, and the token it carries. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

BEARER: Final = "bearer."
PROTOCOL: Final = Subprotocol("gatehouse")


def choose_subprotocol(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """A browser wants one of those it offered: `gatehouse`, else the one that carries the token."""
    if PROTOCOL in offered:
        return PROTOCOL
    return next((name for name in offered if name.startswith(BEARER)), None)


def token_of(request: Request) -> str | None:
    """The token of a handshake: `Authorization: Bearer`, subprotocol `bearer.<token>`, or `?token=`."""
    for line in request.headers.get_all("Authorization"):
        scheme, _, credentials = line.partition(" ")
        if scheme.lower() == "bearer" and credentials.strip():
            return credentials.strip()
    for line in request.headers.get_all("Sec-WebSocket-Protocol"):
        for name in line.split(","):
            if name.strip().startswith(BEARER):
                return name.strip().removeprefix(BEARER)
    given = parse_qs(request.path.partition("?")[2]).get("token")
    return given[0] if given else None
