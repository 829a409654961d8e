"""Rooms and people of our own system for a measurement: tokens, and rooms that everybody is a member of."""

from __future__ import annotations

import time
from dataclasses import dataclass

import websockets
from pydantic_core import from_json, to_json

from infra.local.endpoints import Endpoints
from services.gateway.tokens import issue

TOKEN_SECONDS = 3600.0
OWNER = "owner"


def tokens(endpoints: Endpoints, users: list[str]) -> list[str]:
    """One token for each user."""
    now = time.time()
    return [issue(user, endpoints.jwt_secret, now=now, lifetime_seconds=TOKEN_SECONDS) for user in users]


def people(count: int) -> list[str]:
    """So many users."""
    return [f"user{number}" for number in range(count)]


@dataclass(frozen=True, slots=True)
class Room:
    """A room as it is when it has just been made, and the gate that said so."""

    room: str
    gate: str
    epoch: str
    seq: int


async def open_room(endpoints: Endpoints, members: list[str]) -> Room:
    """A public room with these members, 99 at most, and `OWNER`.

    Raises:
        RuntimeError: it cannot be made.
    """
    [token] = tokens(endpoints, [OWNER])
    url = f"{endpoints.http.replace('http', 'ws')}/ws"
    async with websockets.connect(url, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as socket:
        welcome = from_json(await socket.recv())
        await socket.send(to_json({"id": 1, "type": "create", "title": "bench", "members": members}).decode())
        made = from_json(await socket.recv())
        if made["type"] != "accepted":
            raise RuntimeError(f"the room cannot be made: {made}")
        return Room(made["room"], welcome["gate"], made["epoch"], made["seq"])
