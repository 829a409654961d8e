"""What the room tells those who ask: gates that attach, operators that inspect, senders whose command makes no event.
Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from schemas import limits
from schemas.answers import Accepted, AttachAnswer, MemberView, SessionRefused
from schemas.commands import SaidStatus
from schemas.control import WorkerId
from schemas.ids import CommandId, UserId
from schemas.operations import GateSessions, Inspection
from services.room.attendance import THERE, View
from services.room.model import Room
from services.room.presence import Presence
from services.room.rooms import HeldRoom
from services.room.rosters import Rosters
from services.room.sessions import Sessions


def accepted_at(command_id: CommandId, room: Room, at: datetime) -> Accepted:
    """The answer to a command that makes no event: the room's position as it is."""
    return Accepted(command_id=command_id, room=room.room, epoch=room.epoch, seq=room.seq, at=at)


def attach_answer(
    command_id: CommandId, room: Room, refused: tuple[SessionRefused, ...], presence: Presence
) -> AttachAnswer:
    """The answer to a gate: where the room is, and who is there."""
    return AttachAnswer(
        command_id=command_id,
        room=room.room,
        epoch=room.epoch,
        seq=room.seq,
        title=room.title,
        topic=room.topic,
        visibility=room.visibility,
        capacity=room.capacity,
        metadata=room.metadata,
        closed=room.closed,
        member_count=len(room.members),
        members=tuple(_members_to_show(room, presence)),
        refused=refused,
    )


def inspection(
    command_id: CommandId, worker: WorkerId, held: HeldRoom, room: Room, sessions: Sessions, rosters: Rosters
) -> Inspection:
    """What an operator wants to know of a room and its writer."""
    counts = sessions.counts(room.room)
    return Inspection(
        command_id=command_id,
        room=room.room,
        epoch=room.epoch,
        seq=room.seq,
        fence=held.fence,
        writer=worker,
        title=room.title,
        visibility=room.visibility,
        closed=room.closed,
        updated_at=room.updated_at,
        members=len(room.members),
        bans=len(room.bans),
        invites=len(room.invites),
        online=len(sessions.users(room.room)),
        gates=tuple(GateSessions(gate=gate, sessions=counts[gate]) for gate in sorted(counts)),
        rosters_owed=tuple(sorted(rosters.owing())),
        remembered=len(held.recent),
        in_progress=held.in_progress,
    )


def _members_to_show(room: Room, presence: Presence) -> Iterator[MemberView]:
    """Those who are there first; one who hides is among the others."""
    online = islice(presence.seen(room.room), limits.ATTACHED_MEMBERS)
    shown = dict.fromkeys([*online, *islice(room.members, limits.ATTACHED_MEMBERS)])
    for user in islice(shown, limits.ATTACHED_MEMBERS):
        yield _member_view(room, user, presence.view(room.room, user))


def _member_view(room: Room, user: UserId, view: View) -> MemberView:
    said = view.is_there and view != THERE
    status = SaidStatus(state=view.state, mood=view.mood, text=view.text) if said else None
    return MemberView(user=user, role=room.members[user].role, online=view.is_there, status=status)
