"""What a reader gets to see: who may read a room, which events a page holds, how a room looks in a list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from schemas import limits
from schemas.answers import Accepted, MemberView
from schemas.events import Event
from schemas.queries import HoleQuery, InviteAnswer, PageQuery, RoomView
from schemas.roles import Role, Visibility
from schemas.state import AppliedCommand, InviteState, MemberState
from services.history.records import RoomRecord, Standing

OWN_SOUGHT_EVENTS: Final = 5_000
"""One's own messages are sought among so many events, up to a room's last message, to leave them out of what is unread.
It bounds what a list of rooms costs, however long somebody has read nothing."""

RULING: Final = frozenset({Role.OWNER, Role.ADMIN, Role.MODERATOR})
"""Who gets to see bans and invites: the roles that may ban and invite. The room decides who that is
(services/room/roles.py); a test holds the two together."""

Told = TypeVar("Told", bound=Event)


@dataclass(frozen=True, slots=True)
class Window:
    """Events with `after < seq <= through`: the first `limit` of them, or with `newest` the last; always told oldest
    first. `messages` leaves all other events out, before the limit counts."""

    after: int
    through: int
    limit: int
    newest: bool = False
    messages: bool = False


def window_of(query: PageQuery | HoleQuery, head: int) -> Window:
    """The window a query asks for in a room whose newest folded event is `head`; nothing newer is shown."""
    if isinstance(query, HoleQuery):
        return Window(query.after, head, query.limit)
    through = head if query.before is None else min(head, query.before - 1)
    return Window(query.after or 0, through, query.limit, newest=query.after is None, messages=query.messages)


def fitting(events: Sequence[Told], *, newest: bool) -> tuple[Told, ...]:
    """As many events as fit a page's bytes, at least one: the last ones with `newest`, else the first ones."""
    taken: list[Told] = []
    size = 0
    for event in reversed(events) if newest else events:
        size += len(event.to_json())
        if taken and size > limits.PAGE_BYTES:
            break
        taken.append(event)
    return tuple(reversed(taken) if newest else taken)


def may_read(room: RoomRecord, standing: Standing | None) -> bool:
    """Public rooms are open to everyone who is somebody, all others to their members alone (I10)."""
    return room.visibility is Visibility.PUBLIC or is_member(standing)


def is_member(standing: Standing | None) -> bool:
    """Whether the user is a member now."""
    return standing is not None and standing.membership is not None


def may_rule(standing: Standing | None) -> bool:
    """Whether the user is a member of a role that may ban and invite."""
    return standing is not None and standing.membership is not None and standing.membership.role in RULING


def read_through(room: RoomRecord, member: MemberState) -> int:
    """The seq up to which nothing is unread: the read mark, or the joining where that came later."""
    return min(room.seq, max(member.read, member.joined_seq))


def needs_count(room: RoomRecord, member: MemberState) -> bool:
    """Whether anything can be unread at all, so that the store has to be asked where the mark stands."""
    return read_through(room, member) < room.last_message_seq


def own_sought_after(room: RoomRecord, mark: int) -> int:
    """Behind which seq one's own messages are sought: the mark, unless that is too long ago."""
    return max(mark, room.last_message_seq - OWN_SOUGHT_EVENTS)


def unread(room: RoomRecord, messages_read: int, own_behind: int) -> int:
    """How many messages of others stand behind the mark. `messages_read`: how many messages, whoever's, stand up to
    it; `own_behind`: how many of one's own behind it, as far as they are sought."""
    return max(0, room.messages - messages_read - own_behind)


def room_view(room: RoomRecord, standing: Standing | None, unread_messages: int = 0) -> RoomView:
    """A room as one user sees it; what is the user's own is there for members only."""
    member = standing.membership if standing is not None else None
    return RoomView(
        room=room.room,
        epoch=room.epoch,
        seq=room.seq,
        title=room.title,
        topic=room.topic,
        visibility=room.visibility,
        capacity=room.capacity,
        closed=room.closed,
        member_count=room.members,
        created_at=room.created_at,
        updated_at=room.updated_at,
        role=member.role if member is not None else None,
        unread=unread_messages if member is not None else None,
        preview=room.preview or None,
        metadata=room.metadata,
        message_count=room.messages,
    )


def member_view(member: MemberState) -> MemberView:
    """A member as others see them. Who is online, only the room service knows."""
    return MemberView(
        user=member.user,
        role=member.role,
        joined_at=member.joined_at,
        muted=member.muted,
        muted_until=member.muted_until,
    )


def invite_view(room: RoomRecord, invite: InviteState) -> InviteAnswer:
    """What who holds an invite learns of the room it leads to."""
    return InviteAnswer(
        room=room.room,
        title=room.title,
        topic=room.topic,
        member_count=room.members,
        role=invite.role,
        expires_at=invite.expires_at,
    )


def applied_command(event: Event) -> AppliedCommand:
    """The event's command, with its answer."""
    return AppliedCommand(actor=event.actor, command_id=event.command_id, answer=Accepted.of(event))
