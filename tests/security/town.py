"""A running stack with people in it, good and bad, and a private room that some of them may read."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from tests.bed.logins import url_of
from tests.bed.native import NativeClient
from tests.security.broker_login import BrokerLogin
from tests.security.raw import RawClient

WAIT = 30
SECRET = "the treasure lies under the third step"
PRODUCER = {"configure": "^$", "write": r"^chat\.inbox$", "read": "^$"}


@dataclass(frozen=True, slots=True)
class Cellar:
    """A private room of alice and bob, in which `SECRET` was said at `seq`."""

    room: str
    epoch: str
    seq: int
    message_id: str


class Town:
    """`management` is the broker's API. Everything that was opened here is closed at the end."""

    def __init__(self, stack: Any, management: Any) -> None:
        self.stack = stack
        self.management = management
        self._opened: list[Any] = []
        self._raw: list[RawClient] = []
        self._rest: dict[str, httpx.AsyncClient] = {}
        self._logins: dict[str, BrokerLogin] = {}

    async def enter(self, user: str, gate: int = 0) -> NativeClient:
        """A fresh WebSocket of a user."""
        return self.keep(await NativeClient.open(self.stack.gates[gate].url, self.stack.token(user)))

    async def raw(self) -> RawClient:
        """A socket to the first gate that says nothing yet."""
        host, _, port = self.stack.http.rpartition("/")[2].partition(":")
        self._raw.append(RawClient(*await asyncio.open_connection(host, int(port))))
        return self._raw[-1]

    def keep(self, client: Any) -> Any:
        """Close it at the end."""
        self._opened.append(client)
        return client

    def rest(self, user: str | None) -> httpx.AsyncClient:
        """HTTP as a user, or as nobody."""
        if (user or "") not in self._rest:
            headers = {"Authorization": f"Bearer {self.stack.token(user)}"} if user else {}
            made = httpx.AsyncClient(base_url=self.stack.http, trust_env=False, headers=headers, timeout=WAIT)
            self._rest[user or ""] = made
        return self._rest[user or ""]

    async def producer(self, user: str) -> BrokerLogin:
        """A program at the broker that may speak for itself."""
        if user not in self._logins:
            password = secrets.token_hex(8)
            self.management.create_user(user, password)
            self.management.set_permissions(user, **PRODUCER)
            self._logins[user] = await BrokerLogin.open(url_of(self.stack.amqp_url, user, password))
        return self._logins[user]

    async def dig_cellar(self, *members: str) -> Cellar:
        """Make one of alice's, with bob and these in it, known to history."""
        alice, room = await self.enter("alice"), f"cellar-{secrets.token_hex(4)}"
        made = {"title": "Cellar", "visibility": "private", "members": ["bob", *members]}
        assert (await alice.ask("create", room=room, **made))["type"] == "accepted"
        sent = await alice.ask("send", room=room, text=SECRET)
        assert SECRET in str(await alice.ask("history", room=room))
        return Cellar(room, sent["epoch"], sent["seq"], sent["message_id"])

    async def close(self) -> None:
        """Everybody goes."""
        for socket in self._raw:
            socket.abort()
        for client in self._opened:
            await client.close()
        for http in self._rest.values():
            await http.aclose()
        for login in self._logins.values():
            await login.close()
