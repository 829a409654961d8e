"""The gate itself: how it is reached, and what it holds."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Query

from schemas.errors import Code
from schemas.ids import RoomIdField, UserIdField
from services.gateway.doors.backend import Backend
from services.gateway.doors.callers import Caller, Gate
from services.gateway.doors.problems import refuse
from services.gateway.doors.rest.models.registry import Endpoint, Registry, TokenTransports, registry_of
from services.gateway.doors.rest.operations import make_router, reads, tells
from services.gateway.doors.rest.paging import Pages, offset_moves
from services.gateway.doors.rest.paths import Limit, Offset

ADMIN_SCOPE: Final = "gatehouse:admin"

router = make_router("gateway")


async def _operators_gate(gate: Gate, caller: Caller) -> Backend:
    """The gate, for operators only."""
    if ADMIN_SCOPE not in caller.scopes:
        raise refuse(Code.NOT_ALLOWED, f"this wants a token of the scope {ADMIN_SCOPE}")
    return gate


OperatorsGate = Annotated[Backend, Depends(_operators_gate)]


@router.get("/gateway/endpoint", responses=tells())
async def get_endpoint(gate: Gate) -> Endpoint:
    """Get how to connect to this gate by WebSocket. No token is wanted."""
    transports = TokenTransports(query="token" if gate.takes_token_in_query() else None)
    return Endpoint(token_transports=transports, heartbeat_seconds=gate.heartbeat_seconds(), limits=gate.limits())


@router.get("/gateway/connections", responses=reads(Code.NOT_ALLOWED, paged=True))
async def list_connections(
    gate: OperatorsGate,
    pages: Pages,
    user: Annotated[UserIdField | None, Query(description="Connections of this user only.")] = None,
    room: Annotated[RoomIdField | None, Query(description="Connections with a session in this room only.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Registry:
    """List what this gate holds, by user and room. Of the other gates it tells what they last said; a token wants the
    scope `gatehouse:admin`."""
    census, others = gate.census(user, room), gate.neighbours()
    longest = max(len(census.held), len(census.users), len(census.rooms), len(others) + 1)
    pages.link(offset_moves(total=longest, limit=limit, offset=offset))
    return registry_of(gate.gate_id, gate.look().connections, others, census, (limit, offset))
