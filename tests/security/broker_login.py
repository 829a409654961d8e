"""A program at the broker under a login of its own: what it is refused shows as the broker says it."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed
from pamqp import commands

from services.runtime.broker import connect, open_channel

WAIT = 20
REPLY_TO = "amq.rabbitmq.reply-to"


class BrokerLogin:
    """One connection; a channel that the broker closes is replaced by the next."""

    def __init__(self, name: str, connection: Any) -> None:
        self.name = name
        self._connection = connection
        self._channel: Any = None

    @classmethod
    async def open(cls, url: str) -> BrokerLogin:
        """Log in."""
        name = urlsplit(url).username or ""
        return cls(name, await connect(url, name, timeout_seconds=WAIT))

    async def channel(self) -> Any:
        """One that confirms, open."""
        if self._channel is None or self._channel.is_closed:
            self._channel = await open_channel(self._connection, confirms=True)
        return self._channel

    async def may(self, deed: str, **told: Any) -> bool:
        """Whether the broker lets this login call that method; anything but a plain refusal is an error here."""
        channel = await self.channel()
        try:
            async with asyncio.timeout(WAIT):
                await getattr(channel, deed)(**told)
        except ChannelAccessRefused:
            return False
        return True

    async def may_publish(self, exchange: str, key: str, body: bytes = b"{}", **properties: Any) -> bool:
        """Whether the broker takes a publish of this login."""
        sent = {"properties": commands.Basic.Properties(**properties), "mandatory": False}
        return await self.may("basic_publish", body=body, exchange=exchange, routing_key=key, **sent)

    async def may_say_to_be(self, user: str, exchange: str, key: str, body: bytes) -> bool:
        """Whether the broker takes a publish whose `user_id` is that one."""
        with suppress(ChannelPreconditionFailed):
            return await self.may_publish(exchange, key, body, user_id=user)
        return False

    async def ask(self, exchange: str, key: str, body: dict[str, Any], **properties: Any) -> dict[str, Any]:
        """Publish under one's own name, and wait for the answer."""
        return await self.ask_in_bytes(exchange, key, json.dumps(body).encode(), **properties)

    async def ask_in_bytes(self, exchange: str, key: str, body: bytes, **properties: Any) -> dict[str, Any]:
        """The same with any body at all."""
        channel = await open_channel(self._connection, confirms=False)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def hear(delivery: Any) -> None:
            answer.set_result(delivery.body)

        await channel.basic_consume(REPLY_TO, hear, no_ack=True)
        told = {"user_id": self.name, "reply_to": REPLY_TO, "correlation_id": secrets.token_hex(4)} | properties
        await channel.basic_publish(
            body,
            exchange=exchange,
            routing_key=key,
            properties=commands.Basic.Properties(**told),
            wait=False,
        )
        try:
            return dict(json.loads(await asyncio.wait_for(answer, WAIT)))
        finally:
            await channel.close()

    async def say(self, room: str, verb: str, /, **fields: Any) -> dict[str, Any]:
        """A command through the inbox."""
        body = {"type": verb, "room": room, "command_id": secrets.token_hex(8), **fields}
        return await self.ask("chat.inbox", f"room.{room}.{verb}", body)

    async def close(self) -> None:
        """Log out."""
        await self._connection.close()
