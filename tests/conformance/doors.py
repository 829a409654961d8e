"""The drivers of the doors: native WebSocket, AMQP inbox, REST. What REST can say stands in one table, `CALLS`."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import aio_pika
import httpx

from schemas.commands import CLIENT_COMMAND, COMMANDS, GATE_VERBS, OPERATOR_VERBS
from schemas.errors import ERRORS, Code
from tests.bed.native import NativeClient
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

    def says(self, verb: str, fields: Mapping[str, Any]) -> bool:  # noqa: ARG002 - as every door has it
        """Everything."""
        return True

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

    def says(self, verb: str, fields: Mapping[str, Any]) -> bool:  # noqa: ARG002 - as every door has it
        """Everything."""
        return True

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
        password = secrets.token_hex(8)
        self._management.create_user(user, password)
        self._management.set_permissions(user, "^amq\\.gen", "^(chat\\.inbox|amq\\.gen.*)$", "^amq\\.gen")
        place = urlsplit(self._url)
        address = f"amqp://{user}:{password}@{place.hostname}:{place.port}{place.path}"
        return await _Producer.open(address, user)


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
            await channel.get_exchange("chat.inbox", ensure=False),
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


# What REST can say.


class Call(NamedTuple):
    """How a verb is said over REST: where, which fields of the command it can carry, and how they are spelled."""

    method: str
    path: str
    fields: frozenset[str]
    body: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None


def _create_body(fields: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: fields[name] for name in ("title", "visibility", "capacity", "topic", "metadata") if name in fields}
    people = [{"participantId": user, "displayName": user} for user in fields.get("members", ())]
    return said | {"additional_participants": people}


def _named(**spelled: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A body that spells fields of the command so: `content="text"` says that REST calls `text` `content`."""
    return lambda fields: {rest: fields[ours] for rest, ours in spelled.items() if ours in fields}


def _call(
    method: str, path: str, body: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None, *fields: str
) -> Call:
    return Call(method, path, frozenset(("room", *fields)), body)


CALLS: Final[dict[str, Call]] = {
    "create": _call(
        "POST",
        "/chat/create",
        _create_body,
        *("title", "visibility", "capacity", "topic", "metadata", "members"),
    ),
    "join": _call("POST", "/chat/{room}/join", _named(invite="invite"), "invite"),
    "leave": _call("DELETE", "/chat/{room}/leave"),
    "send": _call("POST", "/chat/{room}/message", _named(content="text", metadata="metadata"), "text", "metadata"),
}
"""Every verb that has an operation. A new operation is entered here, and taken out of `MISSING`."""

MISSING: Final = frozenset(
    {
        *("update", "close", "add", "kick", "ban", "unban", "set_role", "mute", "unmute", "invite", "revoke_invite"),
        *("edit", "delete", "react", "unreact", "mark_read", "mark_delivered", "typing", "set_status"),
    }
)
"""Verbs that REST cannot say yet."""

LEFT_OUT: Final = frozenset({("send", "reply_to"), ("send", "mentions"), ("leave", "successor")})
"""Fields of verbs above that REST cannot carry."""

READS: Final = frozenset(
    {
        ("GET", "/chat/my-conversations"),
        ("GET", "/chat/rooms"),
        ("GET", "/chat/conversations/{room}"),
        ("GET", "/chat/{room}/messages"),
        ("GET", "/health/chat"),
    }
)
"""Operations that are no commands."""

STATUSES: Final = {Code.NOT_A_MEMBER: 404}
"""Where REST differs from the registry: a conversation one takes no part in is not admitted to exist."""


class RestDoor:
    """HTTP. A refusal is told apart by `gatehouse_code`; its status is the registry's, but for `STATUSES`."""

    name = "rest"

    def __init__(self, stack: Any) -> None:
        self._stack = stack
        self._http = httpx.AsyncClient(base_url=stack.http, trust_env=False, timeout=WAIT)

    def says(self, verb: str, fields: Mapping[str, Any]) -> bool:
        """Only what has an operation that carries these fields."""
        return verb in CALLS and fields.keys() <= CALLS[verb].fields

    async def act(
        self, user: str, verb: str, command_id: str, fields: Mapping[str, Any], *, retry: bool = False
    ) -> Outcome:
        call = CALLS[verb]
        headers = {"Authorization": f"Bearer {self._stack.token(user)}", "Idempotency-Key": command_id}
        if retry:
            headers["Idempotency-Retry"] = "true"
        content = {} if call.body is None else {"json": call.body(fields)}
        response = await self._http.request(call.method, call.path.format(**fields), headers=headers, **content)
        return _accepted(response.json()) if response.is_success else _refused(response)

    async def close(self) -> None:
        await self._http.aclose()


def _accepted(body: dict[str, Any]) -> Accepted:
    """Operations tell of what they did in their own words; `sequence_id` and `message_id` are those of the event."""
    return Accepted(
        room=body.get("conversation_id"),
        epoch=body.get("epoch"),
        seq=body.get("sequence_id", body.get("seq")),
        message_id=body.get("message_id"),
        invite=body.get("invite"),
    )


def _refused(response: httpx.Response) -> Refused:
    code = Code(response.json()["gatehouse_code"])
    assert response.status_code == STATUSES.get(code, ERRORS[code].http), response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    return Refused(code)


def is_a_command(body: dict[str, Any]) -> bool:
    """Whether the contract takes it as it stands: behaviours are to fail for their own reasons."""
    CLIENT_COMMAND.validate_python(body)
    return True
