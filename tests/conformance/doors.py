"""The drivers of the doors: native WebSocket, AMQP inbox, REST. How REST says a verb stands in tests/bed/rest.py."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import aio_pika
import httpx

from schemas import routes
from schemas.commands import CLIENT_COMMAND, COMMANDS, GATE_VERBS, OPERATOR_VERBS
from schemas.errors import ERRORS, Code
from tests.bed.logins import outside_login
from tests.bed.native import NativeClient
from tests.bed.rest import CALLS, LINKS, renamed
from tests.conformance.outcome import Accepted, Outcome, Refused, outcome_of

WAIT: Final = 30
VERBS: Final = sorted(COMMANDS.keys() - GATE_VERBS - OPERATOR_VERBS)
"""Every verb that a person or a program may use."""


class NativeDoor:
    """The WebSocket."""

    name = "native"

    def __init__(self, stack: Any) -> None:
        self._stack = stack
        self._clients: dict[str, asyncio.Task[NativeClient]] = {}

    async def act(
        self, user: str, verb: str, command_id: str, fields: Mapping[str, Any], *, retry: bool = False
    ) -> Outcome:
        if user not in self._clients:
            self._clients[user] = asyncio.create_task(NativeClient.open(self._stack.http, self._stack.token(user)))
        flag = {"retry": True} if retry else {}
        client = await self._clients[user]
        return outcome_of(await client.ask(verb, **flag, **fields, command_id=command_id))

    async def close(self) -> None:
        for opening in self._clients.values():
            await (await opening).close()


class InboxDoor:
    """`chat.inbox`: every user is a login of the broker, which vouches for them."""

    name = "inbox"

    def __init__(self, amqp_url: str, management: Any) -> None:
        self._url = amqp_url
        self._management = management
        self._producers: dict[str, asyncio.Task[_Producer]] = {}

    async def act(
        self, user: str, verb: str, command_id: str, fields: Mapping[str, Any], *, retry: bool = False
    ) -> Outcome:
        if user not in self._producers:
            self._producers[user] = asyncio.create_task(self._log_in(user))
        flag = {"retry": True} if retry else {}
        body = {"type": verb, "command_id": command_id, **flag, **fields}
        producer = await self._producers[user]
        return outcome_of(await producer.ask(f"room.{fields['room']}.{verb}", body))

    async def close(self) -> None:
        for opening in self._producers.values():
            await (await opening).connection.close()

    async def _log_in(self, user: str) -> _Producer:
        return await _Producer.open(outside_login(self._management, self._url, user, routes.INBOX), user)


class _Producer:
    """An outside program with a queue for its answers."""

    def __init__(self, connection: Any, exchange: Any, answers: Any, user: str) -> None:
        self.connection = connection
        self._exchange = exchange
        self._answers = answers
        self._user = user
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    @classmethod
    async def open(cls, url: str, user: str) -> _Producer:
        connection = await aio_pika.connect(url, timeout=WAIT)
        channel = await connection.channel()
        made = cls(
            connection,
            await channel.get_exchange(routes.INBOX, ensure=False),
            await channel.declare_queue(exclusive=True),
            user,
        )
        await made._answers.consume(made._take, no_ack=True)
        return made

    async def ask(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        number = secrets.token_hex(8)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        properties = {"user_id": self._user, "reply_to": self._answers.name, "correlation_id": number}
        await self._exchange.publish(aio_pika.Message(json.dumps(body).encode(), **properties), routing_key=key)
        return await asyncio.wait_for(answer, WAIT)

    async def _take(self, delivery: Any) -> None:
        self._waiting.pop(delivery.correlation_id).set_result(json.loads(delivery.body))


# REST.

READS: Final = frozenset(
    ("GET", path)
    for path in (
        *("/chat/my-conversations", "/chat/rooms", "/chat/conversations/{room}", "/chat/search"),
        *("/chat/{room}/messages", "/chat/{room}/messages/{message}", "/chat/{room}/participants"),
        *("/chat/{room}/bans", "/chat/{room}/bans/{user}", "/chat/{room}/invites", "/chat/invites/{token}"),
        *("/gateway/endpoint", "/gateway/connections", "/health/chat"),
    )
)
"""Operations that are no commands."""

STATUSES: Final = {Code.NOT_A_MEMBER: 404}
"""Where REST differs from the registry: a conversation one takes no part in is not admitted to exist."""


class RestDoor:
    """HTTP. A refusal is told apart by `gatehouse_code`; its status is the registry's, but for `STATUSES`."""

    name = "rest"
    calls = CALLS
    statuses = STATUSES

    def __init__(self, stack: Any) -> None:
        self._stack = stack
        self._http = httpx.AsyncClient(base_url=stack.http, trust_env=False, timeout=WAIT)

    async def act(
        self, user: str, verb: str, command_id: str, fields: Mapping[str, Any], *, retry: bool = False
    ) -> Outcome:
        call = self.calls[verb]
        headers = {"Authorization": f"Bearer {self._stack.token(user)}", "Idempotency-Key": command_id}
        if retry:
            headers["Idempotency-Retry"] = "true"
        content = {} if call.body is None else {"json": renamed(call.body, fields)}
        params = renamed(call.query, fields)
        path = call.path_of(fields)
        response = await self._http.request(call.method, path, headers=headers, params=params, **content)
        return _accepted(response.json()) if response.is_success else self._refused(response)

    async def close(self) -> None:
        await self._http.aclose()

    def _refused(self, response: httpx.Response) -> Refused:
        code = Code(response.json()["gatehouse_code"])
        assert response.status_code == self.statuses.get(code, ERRORS[code].http), response.text
        assert response.headers["Content-Type"] == "application/problem+json"
        return Refused(code)


class LinkDoor(RestDoor):
    """The same, where a verb is said by a share link if it can be. Of one that lets nobody in, 410 tells."""

    name = "links"
    calls = MappingProxyType(CALLS | LINKS)
    statuses = MappingProxyType(STATUSES | {Code.INVITE_INVALID: 410})


def _accepted(body: dict[str, Any]) -> Accepted:
    """Operations tell of what they did in their own words; `sequence_id` and `message_id` are those of the event."""
    return Accepted(
        room=body.get("conversation_id"),
        epoch=body.get("epoch"),
        seq=body.get("sequence_id", body.get("seq")),
        message_id=body.get("message_id"),
        invite=body.get("invite", body.get("share_token", "").partition(".")[2] or None),
    )


def is_a_command(body: dict[str, Any]) -> bool:
    """Whether the contract takes it as it stands: behaviours are to fail for their own reasons."""
    CLIENT_COMMAND.validate_python(body)
    return True
