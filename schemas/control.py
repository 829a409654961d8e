"""What workers tell each other on `chat.control`: small, rare, lossy. Nothing here may matter for good."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from schemas.ids import GateIdField
from schemas.model import Model

WorkerId = Annotated[str, Field(min_length=1, max_length=64)]
Shard = Annotated[int, Field(ge=0, lt=64, strict=True)]


class GateHeartbeat(Model):
    """A gate lives; silence for three intervals means it is gone."""

    type: Literal["gate_heartbeat"] = "gate_heartbeat"
    gate: GateIdField
    interval_seconds: float
    connections: int = 0


class GateGone(Model):
    """A gate says good-bye: its sessions are over."""

    type: Literal["gate_gone"] = "gate_gone"
    gate: GateIdField


class WorkerHeartbeat(Model):
    """A room worker lives and is active on `shards`. `ready`: it stands in line for every other one as well."""

    type: Literal["worker_heartbeat"] = "worker_heartbeat"
    worker: WorkerId
    interval_seconds: float
    shards: tuple[Shard, ...]
    ready: bool = False


class RollCall(Model):
    """Somebody wants to know who does what: every room worker sends a heartbeat at once."""

    type: Literal["roll_call"] = "roll_call"


class RosterRequest(Model):
    """A room worker took over `shard` of `shards`: every gate sends one `attach` for each room of it that it holds,
    through the shard's own queue, and then `RosterDone` here. With `gate`, only that one is asked (again)."""

    type: Literal["roster_request"] = "roster_request"
    worker: WorkerId
    shard: Shard
    shards: Annotated[int, Field(ge=1, le=64, strict=True)]
    gate: GateIdField | None = None


class RosterDone(Model):
    """A gate has sent what it holds of `shard`."""

    type: Literal["roster_done"] = "roster_done"
    gate: GateIdField
    worker: WorkerId
    shard: Shard


Control = GateHeartbeat | GateGone | WorkerHeartbeat | RollCall | RosterRequest | RosterDone
CONTROL: Final[TypeAdapter[Control]] = TypeAdapter(Annotated[Control, Field(discriminator="type")])
"""Parses a control message. Raises `pydantic.ValidationError` for anything else."""
