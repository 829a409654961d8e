"""Which sessions of a gate a room takes. Pure. A closed room may still be read, so it takes them too."""

from __future__ import annotations

from datetime import datetime

from schemas.answers import SessionRefused
from schemas.commands import Attach, Session
from schemas.errors import Code
from schemas.ids import GateId, gate_of
from services.room.decisions import Admission
from services.room.model import Room
from services.room.standing import stranger


def attach(room: Room, command: Attach, now: datetime) -> Admission:
    """Each session is judged for itself: members are taken."""
    judged = [(session, _refused(room, session, command, now)) for session in command.sessions]
    return Admission(
        sessions=tuple(session for session, code in judged if code is None),
        refused=tuple(SessionRefused(session=session, code=code) for session, code in judged if code is not None),
    )


def _refused(room: Room, session: Session, command: Attach, now: datetime) -> Code | None:
    if gate_of(session.client) != GateId(command.actor):
        return Code.BAD_FIELD
    return None if session.user in room.members else stranger(room, session.user, now).code
