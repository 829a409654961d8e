"""What the HTTP doors want of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from schemas.answers import Answer
from schemas.commands import Command
from schemas.ids import CommandId, RoomId, UserId
from schemas.queries import Query, QueryAnswer
from services.gateway.tokens import Identity, TokenRefused


@dataclass(frozen=True, slots=True)
class Look:
    """How a gate is: what it holds, and whether history and the broker answer it."""

    connections: int
    sessions: int
    storage: bool
    broker: bool


class Backend(Protocol):
    """What the REST door wants of the gate."""

    async def identify(self, token: str) -> Identity | TokenRefused:
        """Who a token speaks for, now; bounded in time, which is only taken when its key is not known yet."""

    def ask(self, user: UserId) -> float:
        """The user makes a request: 0, or the seconds until they may."""

    def new_command_id(self) -> CommandId:
        """An id for a command whose sender named none."""

    async def command(self, command: Command) -> Answer:
        """Have a command decided; bounded in time."""

    async def query(self, query: Query) -> QueryAnswer:
        """Read; bounded in time."""

    def written_through(self, user: UserId, room: RoomId) -> int | None:
        """How far the user wrote lately through this gate."""

    def look(self) -> Look:
        """How this gate is."""
