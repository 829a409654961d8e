"""The REST door without sockets: the whole HTTP application over a gate that only remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from schemas.answers import Accepted, Answer, Refused
from schemas.commands import Command
from schemas.errors import Code
from schemas.ids import CommandId, Epoch, GateId, InviteId, MessageId, RoomId, UserId
from schemas.queries import MembersAnswer, PageAnswer, Query, QueryAnswer, RoomAnswer, RoomsAnswer, RoomView
from schemas.roles import Role, Visibility
from services.gateway.doors.backend import EndpointLimits, Look
from services.gateway.doors.http import make_app
from services.gateway.neighbours import Neighbour
from services.gateway.registry import Census, Held, take_census
from services.gateway.tokens import Identity, TokenRefused

NOW = datetime(2026, 11, 20, tzinfo=UTC)
APPLICATION = make_app(None)
"""Made once, for that takes long; `client` puts the gate behind it."""


class Quiet:
    """A gate that accepts every command and answers every query with next to nothing. `refuse` is what commands get,
    or `first` as the first answer to repeated ones, `told` what queries of a type get. A token is a user's name; `root`
    is an operator."""

    gate_id = GateId("g1")

    def __init__(self) -> None:
        self.commands: list[Any] = []
        self.queries: list[Any] = []
        self.refuse: Refused | None = None
        self.first: Accepted | None = None
        self.told: dict[str, QueryAnswer | Callable[[Query], QueryAnswer]] = {}
        self.written: dict[tuple[str, str], int] = {}
        self.held: list[Held] = []
        self.others: list[Neighbour] = []
        self.here: frozenset[str] = frozenset()
        self.sick = False
        self.wait = 0.0
        self._numbers = 0

    async def identify(self, token: str) -> Identity | TokenRefused:
        if token in ("nobody", "late"):
            code = Code.TOKEN_EXPIRED if token == "late" else Code.UNAUTHENTICATED
            return TokenRefused(code, "no")
        scopes = frozenset({"gatehouse:admin"}) if token == "root" else frozenset()
        return Identity(UserId(token), 2e9, scopes)

    def ask(self, _user: UserId) -> float:
        return self.wait

    def new_command_id(self) -> CommandId:
        self._numbers += 1
        return CommandId(f"c{self._numbers}")

    async def command(self, command: Command) -> Answer:
        self.commands.append(command)
        if self.first is not None:
            return self.first
        return self.refuse or Accepted(
            command_id=command.command_id,
            room=command.room,
            epoch=Epoch("e1"),
            seq=7,
            message_id=MessageId("msg_7") if command.type == "send" else None,
            invite=InviteId("invite-7") if command.type == "invite" else None,
            at=NOW,
        )

    async def query(self, query: Query) -> QueryAnswer:
        self.queries.append(query)
        told = self.told.get(query.type)
        if told is not None:
            return told(query) if callable(told) else told
        match query.type:
            case "rooms" | "my_rooms":
                return RoomsAnswer(rooms=(), total=0)
            case "room":
                return RoomAnswer(view=view(query.room))
            case "members":
                return MembersAnswer(room=query.room, members=(), total=0)
            case "page":
                return PageAnswer(room=query.room, epoch=Epoch("e1"), head=7, events=())
            case _:
                return Refused.of(Code.ROOM_NOT_FOUND)

    def written_through(self, user: UserId, room: RoomId) -> int | None:
        return self.written.get((user, room))

    def last_written(self, user: UserId) -> tuple[RoomId, int] | None:
        found = [(RoomId(room), seq) for (writer, room), seq in self.written.items() if writer == user]
        return found[-1] if found else None

    def users_here(self, _room: RoomId) -> frozenset[str]:
        return self.here

    def look(self) -> Look:
        seconds = None if self.sick else 0.0125
        return Look(len(self.held), 10_000, 2, 1, not self.sick, seconds, not self.sick, 3)

    def limits(self) -> EndpointLimits:
        return EndpointLimits(65536, 16384, 4096, 200, 200, 20, 40, 32)

    def takes_token_in_query(self) -> bool:
        return True

    def heartbeat_seconds(self) -> float:
        return 25.0

    def census(self, user: UserId | None, room: RoomId | None) -> Census:
        return take_census(self.held, user=user, room=room)

    def neighbours(self) -> list[Neighbour]:
        return self.others


def view(room: str, **fields: Any) -> RoomView:
    """A room as a member sees it."""
    known = {
        "room": room,
        "epoch": "e1",
        "seq": 7,
        "title": "Plans",
        "visibility": Visibility.PUBLIC,
        "capacity": 100,
        "member_count": 2,
        "created_at": NOW,
        "updated_at": NOW,
        "role": Role.MEMBER,
    }
    return RoomView(**known | fields)


def client(gate: Quiet, user: str | None = "ann") -> httpx.AsyncClient:
    """An HTTP client of the application, which has this gate behind it from now on."""
    headers = {"Authorization": f"Bearer {user}"} if user else {}
    APPLICATION.state.backend = gate
    transport = httpx.ASGITransport(app=APPLICATION, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gate", headers=headers)


def problem(response: httpx.Response, status: int, code: str, gatehouse_code: str) -> dict[str, Any]:
    """The problem that a response is to be."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    told = (response.status_code, body["status"], body["code"], body["gatehouse_code"])
    assert told == (status, status, code, gatehouse_code), body
    assert body["error"]
    assert body["title"]
    return body
