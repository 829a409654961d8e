"""Links from a page to those beside it (RFC 8288).

They are relative to the gate that said them, and keep what else the request asked for. A link may lead to an empty
page: events that are no messages are numbered too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import Depends, Request, Response

from services.gateway.doors.rest.models.messages import MessagePage

OFFSET_MOST: Final = 100_000
Moves = dict[str, dict[str, str | int | None]]
"""By relation, the parameters that lead there; None takes one out."""


def offset_moves(*, total: int, limit: int, offset: int) -> Moves:
    """To the pages before and behind, of a list that is counted from its start."""
    moves: Moves = {}
    if offset + limit < total and offset + limit <= OFFSET_MOST:
        moves["next"] = {"offset": offset + limit, "limit": limit}
    if offset > 0:
        moves["prev"] = {"offset": max(0, offset - limit), "limit": limit}
    return moves


def after_moves(following: str | None, limit: int) -> Moves:
    """On behind the last of a list that is gone through by name; it is not gone through backwards."""
    return {} if following is None else {"next": {"after": following, "limit": limit}}


def message_moves(page: MessagePage, limit: int) -> Moves:
    """To newer and older messages."""
    if not page.messages:
        return {}
    first, last = page.messages[0].sequence_id, page.messages[-1].sequence_id
    moves: Moves = {}
    if last < page.head:
        moves["next"] = {"after": last, "before": None, "limit": limit}
    if first > 1:
        moves["prev"] = {"before": first, "after": None, "limit": limit}
    return moves


def link_header(path: str, query: dict[str, str], moves: Moves) -> str | None:
    """The header's value; None: there is nowhere to go."""
    links = []
    for relation, changed in moves.items():
        wanted = {name: value for name, value in (query | changed).items() if value is not None}
        links.append(f'<{quote(path, safe="/:")}?{urlencode(wanted)}>; rel="{relation}"')
    return ", ".join(links) or None


@dataclass(frozen=True, slots=True)
class Page:
    """A page under way: the request that asked for it, and the response that links to those beside it."""

    request: Request
    response: Response

    def link(self, moves: Moves) -> None:
        """Say where to go on."""
        header = link_header(self.request.url.path, dict(self.request.query_params), moves)
        if header is not None:
            self.response.headers["Link"] = header


async def _page(request: Request, response: Response) -> Page:
    return Page(request, response)


Pages = Annotated[Page, Depends(_page)]
