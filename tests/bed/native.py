"""A client of the native WebSocket for tests: it asks, collects what it is pushed, and judges nothing."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ANSWER_SECONDS = 30.0


def token_for(user: str, secret: str, **claims: Any) -> str:
    """A token that is good for an hour, unless `claims` say otherwise."""
    now = datetime.now(UTC)
    return jwt.encode({"sub": user, "iat": now, "exp": now + timedelta(hours=1), **claims}, secret, algorithm="HS256")


class NativeClient:
    """One connection. `events[room]` holds every event pushed, in order of arrival; `frames` all else unasked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.frames: list[dict[str, Any]] = []
        self.welcome: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, gate: str, token: str) -> Self:
        """Connect to a gate (`http://host:port`) and wait for its welcome."""
        url = gate.replace("http", "ws", 1) + "/ws"
        headers = {"Authorization": f"Bearer {token}"}
        client = cls(await connect(url, additional_headers=headers, open_timeout=ANSWER_SECONDS, compression=None))
        await asyncio.wait_for(asyncio.shield(client.welcome), ANSWER_SECONDS)
        return client

    async def ask(self, kind: str, /, **fields: Any) -> dict[str, Any]:
        """Send a frame and wait for the answer that carries its id."""
        number = uuid4().hex[:16]
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        await self._socket.send(json.dumps({"id": number, "type": kind, **fields}))
        return await asyncio.wait_for(answer, ANSWER_SECONDS)

    async def tell(self, text: str | bytes) -> None:
        """Send anything at all."""
        await self._socket.send(text)

    def seqs(self, room: str) -> list[int]:
        """The seqs of a room's events as they came."""
        return [event["seq"] for event in self.events[room]]

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                self._sort(json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the connection closed before the answer"))

    def _sort(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "event":
            self.events[frame["room"]].append(frame)
        elif frame["type"] == "welcome" and not self.welcome.done():
            self.welcome.set_result(frame)
        elif (answer := self._answers.pop(str(frame.get("id")), None)) is not None:
            answer.set_result(frame)
        else:
            self.frames.append(frame)
