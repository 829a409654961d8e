"""Rooms and people of our own system for a measurement: tokens, and rooms that everybody is a member of."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

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


def port_of(gate: str) -> int:
    """Where a gate with this address listens."""
    return int(gate.rpartition(":")[2])


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


class Keeper:
    """`OWNER`, attached to rooms: what is said here stays in the gate's memory of the room."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._said = 0

    async def attach(self, rooms: Sequence[Room]) -> None:
        """Be attached to all of them."""
        for room in rooms:
            await self._socket.send(to_json({"id": room.room, "type": "attach", "room": room.room}).decode())
        await self._answers("attached", len(rooms))

    async def say(self, room: Room, count: int, text: str) -> Room:
        """So many messages, and where the room is behind them."""
        for _ in range(count):
            self._said += 1
            wish = {"id": self._said, "type": "send", "room": room.room, "text": text}
            await self._socket.send(to_json(wish).decode())
        accepted = await self._answers("accepted", count)
        return replace(room, seq=max(answer["seq"] for answer in accepted))

    async def _answers(self, kind: str, count: int) -> list[dict[str, Any]]:  # Any: a JSON object
        """The next answers of a kind. Other people's frames are passed over.

        Raises:
            RuntimeError: something was refused.
        """
        answers: list[dict[str, Any]] = []
        while len(answers) < count:
            frame = from_json(await self._socket.recv())
            if frame["type"] == "refused":
                raise RuntimeError(f"the keeper was refused: {frame}")
            answers += [frame] if frame["type"] == kind else []
        return answers


@asynccontextmanager
async def keeper(endpoints: Endpoints) -> AsyncIterator[Keeper]:
    """`OWNER` on a connection to the first gate."""
    [token] = tokens(endpoints, [OWNER])
    url = f"{endpoints.http.replace('http', 'ws')}/ws"
    async with websockets.connect(url, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as socket:
        await socket.recv()
        yield Keeper(socket)
