"""What the HTTP doors want of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from schemas.answers import Answer
from schemas.commands import Command
from schemas.ids import CommandId, GateId, RoomId, UserId
from schemas.queries import Query, QueryAnswer
from services.gateway.neighbours import Neighbour
from services.gateway.registry import Census
from services.gateway.tokens import Identity, TokenRefused


@dataclass(frozen=True, slots=True)
class Look:
    """How a gate is: what it holds, and whether history and the broker answer it.

    Attributes:
        connection_limit: more are not let in.
        rooms: those with a session here.
        storage_seconds: how long history's last answer took; None before the first.
        commands_in_flight: commands without an answer yet.
    """

    connections: int
    connection_limit: int
    sessions: int
    rooms: int
    storage: bool
    storage_seconds: float | None
    broker: bool
    commands_in_flight: int


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """What a client should know of the gate's bounds."""

    frame_bytes: int
    text_bytes: int
    metadata_bytes: int
    page_events: int
    rooms_per_connection: int
    commands_per_second: float
    commands_at_once: float
    commands_in_flight: int


class Backend(Protocol):
    """What the REST door wants of the gate."""

    @property
    def gate_id(self) -> GateId:
        """Which gate this is."""

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

    def last_written(self, user: UserId) -> tuple[RoomId, int] | None:
        """The room that the user wrote to last through this gate, and how far."""

    def users_here(self, room: RoomId) -> frozenset[str]:
        """Who has a session of the room at this gate."""

    def look(self) -> Look:
        """How this gate is."""

    def limits(self) -> EndpointLimits:
        """What a client should know of this gate's bounds."""

    def heartbeat_seconds(self) -> float:
        """How often this gate pings its WebSocket clients."""

    def takes_token_in_query(self) -> bool:
        """Whether a WebSocket handshake may carry its token in the URL."""

    def census(self, user: UserId | None, room: RoomId | None) -> Census:
        """The connections of this gate, counted."""

    def neighbours(self) -> list[Neighbour]:
        """The other gates that live, as far as is known here."""
