"""The drivers of the doors: native WebSocket, AMQP inbox, REST. What REST can say stands in one table, `CALLS`."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from string import Formatter
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

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
    """How a verb is said over REST: where, and which fields of the command stand in the body and in the query, ours ->
    theirs. A body of None is left out altogether; what stands in the path is named there."""

    method: str
    path: str
    body: Mapping[str, str] | None = None
    query: Mapping[str, str] = MappingProxyType({})

    @property
    def fields(self) -> frozenset[str]:
        """The fields of the command that it can carry."""
        in_path = frozenset(name for _, name, _, _ in Formatter().parse(self.path) if name)
        return in_path | (self.body or {}).keys() | self.query.keys()


def _same(*names: str) -> dict[str, str]:
    """Spelled as in the command."""
    return {name: name for name in names}


CREATED_WITH: Final = ("title", "visibility", "capacity", "topic", "metadata", "retention_days")
CALLS: Final[dict[str, Call]] = {
    "create": Call("POST", "/chat/create", {**_same(*CREATED_WITH), "members": "additional_participants"}),
    "update": Call("PATCH", "/chat/{room}", _same("title", "topic", "capacity", "visibility", "metadata")),
    "close": Call("DELETE", "/chat/{room}"),
    "join": Call("POST", "/chat/{room}/join", _same("invite")),
    "leave": Call("DELETE", "/chat/{room}/leave", None, _same("successor")),
    "add": Call("POST", "/chat/{room}/participants", {"user": "user_id"}),
    "kick": Call("DELETE", "/chat/{room}/participants/{user}", None, _same("reason")),
    "ban": Call("PUT", "/chat/{room}/bans/{user}", _same("reason", "until")),
    "unban": Call("DELETE", "/chat/{room}/bans/{user}"),
    "set_role": Call("PUT", "/chat/{room}/participants/{user}/role", _same("role")),
    "mute": Call("PUT", "/chat/{room}/participants/{user}/mute", _same("until")),
    "unmute": Call("DELETE", "/chat/{room}/participants/{user}/mute"),
    "invite": Call("POST", "/chat/{room}/invites", _same("role", "expires_at", "max_uses")),
    "revoke_invite": Call("DELETE", "/chat/{room}/invites/{invite}"),
    "send": Call(
        "POST", "/chat/{room}/message", {"text": "content", **_same("kind", "metadata", "reply_to", "mentions")}
    ),
    "edit": Call("PATCH", "/chat/{room}/messages/{seq}", {"text": "content"}),
    "delete": Call("DELETE", "/chat/{room}/messages/{seq}"),
    "react": Call("PUT", "/chat/{room}/messages/{seq}/reactions/{emoji}"),
    "unreact": Call("DELETE", "/chat/{room}/messages/{seq}/reactions/{emoji}"),
    "mark_read": Call("POST", "/chat/{room}/read", _same("seq")),
    "mark_delivered": Call("POST", "/chat/{room}/delivered", _same("seq")),
    "typing": Call("POST", "/chat/{room}/typing", _same("active")),
    "set_status": Call("PUT", "/chat/{room}/status", _same("state", "mood", "text")),
}
"""Every verb that has an operation. A new operation is entered here, and taken out of `MISSING`."""

MISSING: Final[frozenset[str]] = frozenset()
"""Verbs that REST cannot say."""

LEFT_OUT: Final[frozenset[tuple[str, str]]] = frozenset()
"""Fields of verbs above that REST cannot carry."""

MADE_UP: Final = frozenset({"room"})
"""The id of a room to be made is the gate's to find."""

SPELLED_AGAIN: Final = frozenset({("POST", "/chat/join/{token}"), ("POST", "/chat/{room}/share")})
"""Operations that say a verb above in other words."""

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

    def __init__(self, stack: Any) -> None:
        self._stack = stack
        self._http = httpx.AsyncClient(base_url=stack.http, trust_env=False, timeout=WAIT)

    def says(self, verb: str, fields: Mapping[str, Any]) -> bool:
        """Only what has an operation that carries these fields."""
        return verb in CALLS and fields.keys() - MADE_UP <= CALLS[verb].fields

    async def act(
        self, user: str, verb: str, command_id: str, fields: Mapping[str, Any], *, retry: bool = False
    ) -> Outcome:
        call = CALLS[verb]
        headers = {"Authorization": f"Bearer {self._stack.token(user)}", "Idempotency-Key": command_id}
        if retry:
            headers["Idempotency-Retry"] = "true"
        path = call.path.format_map({name: quote(str(value), safe="") for name, value in fields.items()})
        query = {theirs: fields[ours] for ours, theirs in call.query.items() if ours in fields}
        response = await self._http.request(call.method, path, headers=headers, params=query, **_body(call, fields))
        return _accepted(response.json()) if response.is_success else _refused(response)

    async def close(self) -> None:
        await self._http.aclose()


def _body(call: Call, fields: Mapping[str, Any]) -> dict[str, Any]:
    if call.body is None:
        return {}
    said = {theirs: fields[ours] for ours, theirs in call.body.items() if ours in fields}
    if "additional_participants" in said:
        said["additional_participants"] = [{"user_id": user} for user in said["additional_participants"]]
    return {"json": said}


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
