"""How a room begins, changes what it says of itself, and ends. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic_core import to_json

from schemas.commands import Close, Create, Update
from schemas.errors import Code
from schemas.events import Event, FirstMember, RoomClosed, RoomCreated, RoomUpdated
from schemas.ids import DIRECT_PREFIX, UserId, direct_room_id
from schemas.roles import Role, Visibility
from services.room.decisions import Decision, Refusal, Unchanged
from services.room.model import Room, epoch_at, settable
from services.room.standing import head, not_in_a_direct_room

DIRECT_CAPACITY: Final = 2


def create(room: Room | None, command: Create, now: datetime) -> Decision:
    """A room with its first members. What the id says is checked before anything is told of a room that has it: nobody
    learns by creating whether two others have a room for themselves."""
    others = sorted(set(command.members) - {command.actor})
    misnamed = _misnamed(command, others)
    if misnamed is not None:
        return Refusal(Code.BAD_FIELD, misnamed)
    if room is not None:
        return Refusal(Code.ROOM_EXISTS)
    direct = command.visibility is Visibility.DIRECT
    capacity = DIRECT_CAPACITY if direct else command.capacity
    if len(others) + 1 > capacity:
        return Refusal(Code.ROOM_FULL)
    return _created(command, capacity, _first_members(command, others, Role.OWNER if direct else Role.MEMBER), now)


def update(room: Room, command: Update, now: datetime) -> Decision:
    """What the command names is as it says from now on."""
    named = settable(command)
    if not named:
        return Refusal(Code.BAD_FIELD, "no change is named")
    refusal = _misplaced(room, command)
    if refusal is not None:
        return refusal
    if all(to_json(getattr(room, name)) == to_json(value) for name, value in named.items()):  # 1 is not True in JSON
        return Unchanged()
    return RoomUpdated(**named, **head(room, command, now))


def close(room: Room, command: Close, now: datetime) -> Event:
    """The end: what was said may still be read."""
    return RoomClosed(**head(room, command, now))


def _misnamed(command: Create, others: list[UserId]) -> str | None:
    """What is wrong with the room's id: that of a direct room follows from its members, and no other room has such."""
    if command.visibility is not Visibility.DIRECT:
        return "this id is a direct room's" if command.room.startswith(DIRECT_PREFIX) else None
    if len(others) != 1:
        return "a direct room has exactly one other member"
    return None if command.room == direct_room_id(command.actor, others[0]) else "the id is not that of its members"


def _misplaced(room: Room, command: Update) -> Refusal | None:
    """A change that this room cannot take."""
    if room.visibility is Visibility.DIRECT and (command.visibility, command.capacity) != (None, None):
        return not_in_a_direct_room()
    if command.visibility is Visibility.DIRECT:
        return Refusal(Code.BAD_FIELD, "a room cannot become direct")
    if command.capacity is not None and command.capacity < len(room.members):
        return Refusal(Code.BAD_FIELD, "the room has more members than that")
    return None


def _first_members(command: Create, others: list[UserId], role: Role) -> tuple[FirstMember, ...]:
    owner = FirstMember(user=command.actor, role=Role.OWNER)
    return owner, *(FirstMember(user=user, role=role) for user in others)


def _created(command: Create, capacity: int, members: tuple[FirstMember, ...], now: datetime) -> RoomCreated:
    return RoomCreated(
        room=command.room,
        epoch=epoch_at(now),
        seq=1,
        at=now,
        actor=command.actor,
        command_id=command.command_id,
        title=command.title,
        visibility=command.visibility,
        capacity=capacity,
        topic=command.topic,
        metadata=command.metadata,
        retention_days=command.retention_days,
        members=members,
    )
