"""Where a gate is reached, and what it holds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from schemas.ids import ClientIdField, GateIdField, RoomIdField, UserIdField
from services.gateway.doors.backend import EndpointLimits
from services.gateway.neighbours import Neighbour
from services.gateway.registry import Census


class TokenTransports(BaseModel):
    """The ways to give a token in a WebSocket handshake, and the frame for it afterwards; `query` is the parameter,
    where the gate takes one."""

    header: str = "Authorization: Bearer <token>"
    subprotocol: str = "bearer.<token>"
    query: str | None = None
    frame: str = "hello"


class Endpoint(BaseModel):
    """How to connect: `websocket_url` is relative to the gate that said it."""

    websocket_url: Literal["/ws"] = "/ws"
    protocol: Literal[1] = 1
    subprotocol: Literal["gatehouse"] = "gatehouse"
    token_transports: TokenTransports
    heartbeat_seconds: float
    limits: EndpointLimits


class GateCount(BaseModel):
    """A gate and its open connections: of this one now, of others as they last said."""

    gate: GateIdField
    connections: int
    here: bool


class UserCount(BaseModel):
    """A user and their connections here."""

    user: UserIdField
    connections: int


class RoomCount(BaseModel):
    """A conversation and its sessions here."""

    room: RoomIdField
    sessions: int


class ClientShown(BaseModel):
    """One connection; without `user` it has not said who it is. `rooms` counts its sessions."""

    client_id: ClientIdField
    user: UserIdField | None = None
    rooms: int


class Registry(BaseModel):
    """What one gate holds that fits the question. The lists are cut to the same page: the most first, then by name;
    their whole lengths are told beside them."""

    gate: GateIdField
    connections: int
    sessions: int
    user_count: int
    room_count: int
    gates: list[GateCount]
    users: list[UserCount]
    rooms: list[RoomCount]
    clients: list[ClientShown]
    limit: int
    offset: int


def registry_of(gate: str, total: int, neighbours: list[Neighbour], census: Census, page: tuple[int, int]) -> Registry:
    """A page, as (limit, offset), of what was counted; `total` are all connections of this gate."""
    limit, offset = page
    shown = slice(offset, offset + limit)
    gates = [GateCount(gate=gate, connections=total, here=True)]
    gates += [GateCount(gate=each.gate, connections=each.connections, here=False) for each in neighbours]
    return Registry(
        gate=gate,
        connections=len(census.held),
        sessions=census.sessions,
        user_count=len(census.users),
        room_count=len(census.rooms),
        gates=gates[shown],
        users=[UserCount(user=user, connections=count) for user, count in census.users[shown]],
        rooms=[RoomCount(room=room, sessions=count) for room, count in census.rooms[shown]],
        clients=[
            ClientShown(client_id=held.client, user=held.user, rooms=len(held.rooms)) for held in census.held[shown]
        ],
        limit=limit,
        offset=offset,
    )
