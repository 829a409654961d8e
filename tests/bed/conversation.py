"""A client of the conversation socket for tests: it says what it is told to, keeps what it hears, judges nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.bed.waiting import eventually

ANSWER_SECONDS = 30.0


class ConversationClient:
    """One socket. `told` is every frame, in order of arrival."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.told: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, gate: str, room: str, token: str) -> Self:
        """Connect to a gate (`http://host:port`) and wait until the conversation is open."""
        url = gate.replace("http", "ws", 1) + f"/chat/ws/{room}"
        headers = {"Authorization": f"Bearer {token}"}
        client = cls(await connect(url, additional_headers=headers, open_timeout=ANSWER_SECONDS, compression=None))
        await eventually(lambda: client.of("participant_list"), ANSWER_SECONDS)
        return client

    async def say(self, kind: str, **fields: Any) -> None:
        """Send a frame."""
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def send(self, content: str, message_id: str, **fields: Any) -> dict[str, Any]:
        """Write a message; what became of it."""
        await self.say("message", content=content, message_id=message_id, **fields)

        def answered() -> list[dict[str, Any]]:
            return [one for one in self.of("message_ack", "error") if one.get("message_id") == message_id]

        return (await eventually(answered, ANSWER_SECONDS))[-1]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """What was told so far, of these types."""
        return [frame for frame in self.told if frame["type"] in kinds]

    def sequence_ids(self) -> list[int]:
        """Those of messages and acks, as they came."""
        return [frame["sequence_id"] for frame in self.of("message", "message_ack")]

    async def closed(self) -> tuple[int | None, str | None]:
        """How the socket ended."""
        await asyncio.wait_for(self._socket.wait_closed(), ANSWER_SECONDS)
        return self._socket.close_code, self._socket.close_reason

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                self.told.append(json.loads(text))
        except ConnectionClosed:
            pass
