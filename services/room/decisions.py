"""What a decision is made of, and what it can be: values only. Who decides what is in `decide`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas.answers import SessionRefused
from schemas.commands import SaidStatus, Session
from schemas.errors import Code
from schemas.events import Event, Receipt
from schemas.ids import InviteId
from schemas.signals import TypingSignal
from services.room.targets import Target


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision needs beside the room. `target` is the message that the command is about, where it is about one
    that can exist; `token` is a secret that nobody can guess, for an invite."""

    now: datetime
    target: Target | None = None
    token: InviteId | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The room's "no". `message` replaces the sentence of the code."""

    code: Code
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Signalled:
    """Accepted without an event: the signal is all there is to it."""

    signal: TypingSignal


@dataclass(frozen=True, slots=True)
class Marked:
    """A member's marks grew: a record of the log, without a seq."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class StatusSaid:
    """A member says how available they are; presence knows who hears it."""

    status: SaidStatus


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Accepted, and everything is already as the command wants it."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """An operator wants to see the room."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Which sessions of a gate the room takes, and which it does not."""

    sessions: tuple[Session, ...]
    refused: tuple[SessionRefused, ...]


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Sessions that are over."""

    sessions: tuple[Session, ...]


Decision = Event | Refusal | Signalled | Marked | StatusSaid | Unchanged | Inspected | Admission | Dismissal
