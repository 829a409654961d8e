"""Signals: unnumbered, best-effort facts. A lost one does no harm; none is ever logged."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from schemas import limits
from schemas.errors import Code
from schemas.fields import Mood, Reason
from schemas.ids import RoomIdField, Seq, UserIdField
from schemas.model import Model
from schemas.roles import Status


class TypingSignal(Model):
    """Somebody writes, or stopped; without another one it ends by itself after `expires_seconds`."""

    type: Literal["signal"] = "signal"
    signal: Literal["typing"] = "typing"
    room: RoomIdField
    user: UserIdField
    active: bool
    expires_seconds: float


class PresenceChange(Model):
    """How a member is from now on. `reason` says why one is `offline`, where they did not go by themselves."""

    user: UserIdField
    state: Status
    mood: Mood | None = None
    text: Reason | None = None
    reason: Annotated[str, Field(max_length=64)] | None = None


class PresenceSignal(Model):
    """Members came, went, or said how available they are; `online_count` members of the room are there now.

    What happened since the last one, each member once. Where too many are there to name them, `changes` is empty.

    Attributes:
        anew: whoever was thought to be there is forgotten; all who are there are named here, and in the signals that
            follow. So after a change of the room's writer, and where there are few enough again to name them.
    """

    type: Literal["signal"] = "signal"
    signal: Literal["presence"] = "presence"
    room: RoomIdField
    online_count: int
    changes: Annotated[tuple[PresenceChange, ...], Field(max_length=limits.PRESENCE_CHANGES)] = ()
    anew: bool = False


class ReceiptSignal(Model):
    """How far a member has received and read."""

    type: Literal["signal"] = "signal"
    signal: Literal["receipt"] = "receipt"
    room: RoomIdField
    user: UserIdField
    read: Seq
    delivered: Seq


class ServiceSignal(Model):
    """The gate about itself: the broker is away (`overloaded`-like codes), or back (no code)."""

    type: Literal["signal"] = "signal"
    signal: Literal["service"] = "service"
    available: bool
    code: Code | None = None


Signal = TypingSignal | PresenceSignal | ReceiptSignal | ServiceSignal
SIGNAL: Final[TypeAdapter[Signal]] = TypeAdapter(Annotated[Signal, Field(discriminator="signal")])
"""Parses a signal. Raises `pydantic.ValidationError` for anything else."""

SIGNALS: Final[dict[str, type[Signal]]] = {model.model_fields["signal"].default: model for model in Signal.__args__}
"""Every signal by name."""
