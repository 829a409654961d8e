"""Makers for the tests of the gate: one on a link that only remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from schemas import routes
from schemas.commands import COMMAND, Command, Detach, Position
from schemas.ids import ClientId, RoomId, UserId
from services.gateway.gate import Gate
from services.gateway.session import Session
from services.gateway.settings import GatewaySettings
from services.runtime.rpc import Call, NotTaken, TooManyInFlight
from tests.unit.gateway.rooms import ROOM, Wall, attach_answer


class Link:
    """What the gate published on it; `full` refuses more, `blocked` is an alarm. Confirms wait for the test."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.calls: list[Call] = []
        self.confirms: list[Callable[[bool], None]] = []
        self.probes = 0
        self.full = False
        self.blocked = False

    def send(self, _exchange: str, _key: str, body: bytes, **_: Any) -> Call:
        self._take(body)
        self.calls.append(Call(str(len(self.commands)), asyncio.get_running_loop().create_future()))
        return self.calls[-1]

    def post(self, exchange: str, _key: str, body: bytes, *, on_confirm: Any = None, **_: Any) -> None:
        if exchange == routes.FANOUT:
            self.probes += 1
            return
        self._take(body)
        self.confirms.append(on_confirm)

    def _take(self, body: bytes) -> None:
        if self.blocked:
            raise NotTaken("blocked")
        if self.full:
            raise TooManyInFlight("full")
        self.commands.append(COMMAND.validate_json(body))

    def forget(self, call: Call) -> None:
        pass

    @property
    def detached(self) -> list[str]:
        return [one.user for command in self.commands if isinstance(command, Detach) for one in command.sessions]


class Client(Wall):
    def forget(self, session: Session) -> None:
        pass


def make_gate(**overrides: Any) -> Gate:
    known = {"amqp_url": "amqp://nowhere", "jwt_secret": "unit-tests-secret-0123456789abcdef", "_env_file": None}
    return Gate(GatewaySettings(**{**known, **overrides}))


def session(name: str, *, position: Position | None = None, room: RoomId = ROOM) -> Session:
    return Session(room, ClientId(f"g/{name}"), UserId(name), Client(), frame_id=1, position=position)


def attach(
    gate: Gate, link: Link, name: str, *, at: int = 4, position: Position | None = None, room: RoomId = ROOM
) -> Session:
    made = session(name, position=position, room=room)
    gate.attach(made)
    gate.receive_attached(attach_answer(link.commands[-1].command_id, at).model_copy(update={"room": room}))
    gate.carry_out()
    return made
