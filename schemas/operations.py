"""What operators ask of workers, and what they are told (`gatehouse room show`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.control import WorkerId
from schemas.fields import Moment, Title
from schemas.ids import CommandIdField, EpochField, GateIdField, RoomIdField, Seq
from schemas.model import Model
from schemas.roles import Visibility


class GateSessions(Model):
    """How many sessions of a room a gate holds."""

    gate: GateIdField
    sessions: Annotated[int, Field(ge=0)]


class Inspection(Model):
    """A room as its writer holds it, behind every command that was in its queue before the question.

    Attributes:
        writer, fence: who writes the room, and in which term.
        online: members with a session.
        gates: the gates with a session; `rosters_owed` those that have not told theirs yet.
        remembered: commands whose answers are in memory.
        in_progress: decided commands that are not settled yet.
    """

    type: Literal["inspection"] = "inspection"
    command_id: CommandIdField
    room: RoomIdField
    epoch: EpochField
    seq: Seq
    fence: int
    writer: WorkerId
    title: Title
    visibility: Visibility
    closed: bool = False
    updated_at: Moment
    members: int
    bans: int
    invites: int
    online: int
    gates: tuple[GateSessions, ...]
    rosters_owed: tuple[GateIdField, ...] = ()
    remembered: int
    in_progress: int
