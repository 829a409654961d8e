"""A trusted producer: commands in anybody's name, straight to `chat.commands`, many under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final
from uuid import uuid4

from pydantic_core import from_json

from schemas import routes
from schemas.commands import ClientCommand, Create, Join, Send
from schemas.ids import CommandId, RoomId, UserId
from services.runtime.broker import connect, open_channel
from services.runtime.rpc import Rpc

AT_ONCE: Final = 200
ANSWER_SECONDS: Final = 60


class Producer:
    """One channel with confirms and answers."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def create(self, owner: str, rooms: Iterable[str]) -> None:
        """Make public rooms.

        Raises:
            RuntimeError: one is refused.
            TimeoutError: one is not answered.
        """
        await self._have_done(
            Create(room=RoomId(room), actor=UserId(owner), command_id=_fresh_id(), title=room) for room in rooms
        )

    async def join(self, room: str, users: Iterable[str]) -> None:
        """Make these users members of a public room.

        Raises:
            RuntimeError: one is refused.
            TimeoutError: one is not answered.
        """
        await self._have_done(Join(room=RoomId(room), actor=UserId(user), command_id=_fresh_id()) for user in users)

    def send(self, actor: str, room: str, text: str) -> None:
        """Write a message, and want no answer."""
        self._post(Send(room=RoomId(room), actor=UserId(actor), command_id=_fresh_id(), text=text))

    async def _have_done(self, commands: Iterable[ClientCommand]) -> None:
        left = iter(commands)
        while batch := list(islice(left, AT_ONCE)):
            async with asyncio.timeout(ANSWER_SECONDS):
                while batch:
                    batch = await self._ask(batch)

    async def _ask(self, batch: list[ClientCommand]) -> list[ClientCommand]:
        """Those that were too much at once and may be asked for again."""
        calls = [
            self._rpc.send(routes.COMMANDS, routes.command_key(each.room, each.type), each.to_json()) for each in batch
        ]
        answers = [from_json(answer) for answer in await asyncio.gather(*(call.answer for call in calls))]
        again = []
        for command, answer in zip(batch, answers, strict=True):
            if answer["type"] != "accepted":
                if not (answer["definite"] and answer["retry"]):
                    raise RuntimeError(f"a command was refused: {answer}")
                again.append(command)
        return again

    def _post(self, command: ClientCommand) -> None:
        key = routes.command_key(command.room, command.type)
        self._rpc.post(routes.COMMANDS, key, command.to_json(), persistent=True)


def _fresh_id() -> CommandId:
    return CommandId(uuid4().hex)


@asynccontextmanager
async def producer(amqp_url: str) -> AsyncIterator[Producer]:
    """A producer on a connection of its own."""
    connection = await connect(amqp_url, "bench-producer", timeout_seconds=10)
    rpc = Rpc(await open_channel(connection, confirms=True), in_flight_limit=4 * AT_ONCE)
    await rpc.open()
    try:
        yield Producer(rpc)
    finally:
        await rpc.close()
        await connection.close()
