"""Asking a room's writer what it knows of the room."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import uuid4

from aio_pika.abc import AbstractConnection
from pydantic import ValidationError

from clients.cli.failure import Failure
from clients.operator.link import ANSWER_SECONDS
from schemas import routes
from schemas.answers import Refused
from schemas.commands import Inspect
from schemas.ids import CommandId, RoomId, UserId
from schemas.operations import Inspection
from services.runtime.broker import open_channel
from services.runtime.rpc import LinkLost, Rpc

OPERATOR: Final = UserId("operator")


async def inspect(connection: AbstractConnection, room: RoomId) -> Inspection:
    """What the writer says, behind every command that was in its queue before.

    Raises:
        Failure: it refuses, or nobody answers in time.
    """
    rpc = Rpc(await open_channel(connection, confirms=False), in_flight_limit=1)
    await rpc.open()
    command = Inspect(room=room, actor=OPERATOR, command_id=CommandId(uuid4().hex))
    key = routes.command_key(room, command.type)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await rpc.call(routes.COMMANDS, key, command.to_json(), timeout_seconds=ANSWER_SECONDS)
    except TimeoutError as late:
        problem = (
            f"nobody answered for {room} within {ANSWER_SECONDS:.0f} seconds; `gatehouse shards` says who is there"
        )
        raise Failure(problem) from late
    except LinkLost as lost:
        raise Failure("the broker took no command; has a room worker ever run here?") from lost
    finally:
        await rpc.close()
    return _read(room, answer)


def _read(room: RoomId, answer: bytes) -> Inspection:
    try:
        return Inspection.model_validate_json(answer)
    except ValidationError:
        pass
    try:
        refused = Refused.model_validate_json(answer)
    except ValidationError as strange:
        raise Failure("the writer's answer cannot be read; it may be of another version") from strange
    raise Failure(f"{room}: {refused.message}")
