"""How the service is, as one gate sees it. What a gate does not know is left out."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from services.gateway.doors.backend import Look

Word = Literal["healthy", "degraded"]


class SocketCheck(BaseModel):
    """The WebSocket door of this gate: open connections, sessions in conversations, and in how many of these."""

    status: Word
    connections: int
    connection_limit: int
    sessions: int
    conversations: int


class StorageCheck(BaseModel):
    """History: whether it answered last time, and how long that took."""

    status: Word
    latency_ms: float | None = None


class QueueCheck(BaseModel):
    """The broker's link: whether it takes commands, and how many of this gate's wait for their answer."""

    status: Word
    commands_in_flight: int


class Checks(BaseModel):
    """The parts of the service as this gate sees them."""

    websocket: SocketCheck
    storage: StorageCheck
    queues: QueueCheck


class ChatHealth(BaseModel):
    """How the service is; always 200, the word says the rest."""

    status: Word
    connections: int
    conversations: int
    checks: Checks
    timestamp: datetime


def health_of(look: Look, now: datetime) -> ChatHealth:
    """What a look at the gate comes to."""
    latency = None if look.storage_seconds is None else round(look.storage_seconds * 1000, 3)
    return ChatHealth(
        status=_word(look.broker and look.storage),
        connections=look.connections,
        conversations=look.rooms,
        checks=Checks(
            websocket=SocketCheck(
                status=_word(look.connections < look.connection_limit),
                connections=look.connections,
                connection_limit=look.connection_limit,
                sessions=look.sessions,
                conversations=look.rooms,
            ),
            storage=StorageCheck(status=_word(look.storage), latency_ms=latency),
            queues=QueueCheck(status=_word(look.broker), commands_in_flight=look.commands_in_flight),
        ),
        timestamp=now,
    )


def _word(well: bool) -> Word:  # noqa: FBT001 - the word for a truth
    return "healthy" if well else "degraded"
