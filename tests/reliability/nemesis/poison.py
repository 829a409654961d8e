"""Deliveries that nobody can read, on every exchange that an outsider with rights could write to."""

from __future__ import annotations

import asyncio
from typing import Final

import aio_pika

from schemas import routes
from schemas.ids import RoomId
from tests.reliability.doors.amqp import LOST

SECONDS: Final = 5.0
ROOM: Final = RoomId("poisoned")
GARBAGE: Final = (
    (routes.COMMANDS, routes.command_key(ROOM, "send"), b"{"),
    (routes.COMMANDS, routes.command_key(ROOM, "send"), b'{"type":"send"}'),
    (routes.COMMANDS, routes.command_key(ROOM, "fly"), b'{"type":"fly","room":"poisoned"}'),
    (routes.COMMANDS, "room.99.poisoned.send", b"\xff\xfe"),
    (routes.COMMANDS, "room.00.poisoned.send", b'{"type":"send","room":"poisoned","actor":"x","command_id":"x"}'),
    (routes.INBOX, routes.inbox_key(ROOM, "send"), b"[" * 5000),
    (routes.INBOX, routes.inbox_key(ROOM, "send"), b'{"type":"send","room":"elsewhere","command_id":"1","text":"x"}'),
    (routes.LOG, routes.log_key(ROOM, "message_posted"), b"\x00" * 100),
    (routes.LOG, routes.log_key(ROOM, "message_posted"), b'{"type":"event"}'),
    (routes.CONTROL, "", b"not json"),
    (routes.QUERIES, "history", b'{"type":"page"}'),
)
"""Exchange, key and body. What the log gets is of a room that does not exist: one of a real room would be a fact."""


async def poison(amqp_url: str) -> None:
    """Publish all of it once; where the broker is away or takes nothing, not."""
    try:
        async with asyncio.timeout(SECONDS):
            connection = await aio_pika.connect(amqp_url, timeout=SECONDS)
            async with connection:
                channel = await connection.channel(publisher_confirms=False)
                for exchange, key, body in GARBAGE:
                    to = await channel.get_exchange(exchange, ensure=False)
                    await to.publish(aio_pika.Message(body), routing_key=key)
    except LOST:
        pass
