"""What each event changes in the records of a room, and the room that its records make (I7). Pure: nothing here waits,
logs, or reads a clock."""

from __future__ import annotations

from typing import Any, Final, assert_never

from schemas.events import (
    Event,
    InviteCreated,
    InviteRevoked,
    MemberBanned,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    MemberUnbanned,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
    Receipt,
    RoomClosed,
    RoomCreated,
    RoomUpdated,
)
from schemas.ids import UserId
from schemas.roles import Role
from schemas.state import BanState, FormerState, InviteState, MemberState, RoomState
from services.history.messages import MessageRecord, ReactionRecord, edited, emptied, reacted
from services.history.records import Change, InviteRecord, Projection, Put, RoomRecord, Standing

PREVIEW_CHARACTERS: Final = 120


def change_of(event: Event, before: Projection) -> Change:
    """What the event changes. `before` is the room right before it, with at least the records the event touches.

    A record that is already as new as the event was written by an earlier try and stays; counts that depend on it
    are then not to be trusted, and `services.history.intake` takes those stored with the event.
    """
    if isinstance(event, RoomCreated):
        return _begun(event)
    if before.room is None:
        raise AssertionError("only room_created is folded without a room")
    return _continued(event, before.room, before)


def _begun(event: RoomCreated) -> Change:
    room = RoomRecord(
        room=event.room,
        epoch=event.epoch,
        seq=event.seq,
        title=event.title,
        visibility=event.visibility,
        capacity=event.capacity,
        topic=event.topic,
        metadata=event.metadata,
        retention_days=event.retention_days,
        created_at=event.at,
        updated_at=event.at,
        members=len({member.user for member in event.members}),
    )
    return Change(room, tuple(_joined(event, first.user, first.role, None) for first in event.members))


def _continued(event: Event, room: RoomRecord, before: Projection) -> Change:  # noqa: C901, PLR0912 - one arm an event
    match event:
        case RoomCreated():
            raise AssertionError("a room begins once")
        case RoomUpdated():
            return Change(_moved(room, event, **_given(event)))
        case RoomClosed():
            return Change(_moved(room, event, closed=True))
        case MemberJoined():
            return _member_joined(event, room, before)
        case MemberLeft():
            return _member_left(event, room, before)
        case MemberBanned():
            return _member_banned(event, room, before)
        case MemberUnbanned():
            return _with_standings(event, room, before, (_altered(event, event.user, before, ban=None),))
        case MemberChanged():
            return _with_standings(event, room, before, (_member_changed(event, before),))
        case InviteCreated():
            return _invite_created(event, room)
        case InviteRevoked():
            revoked = InviteRecord(room=event.room, invite=event.invite, seq=event.seq)
            return Change(_moved(room, event), invites=(revoked,))
        case MessagePosted():
            return _message_posted(event, room)
        case MessageEdited():
            return _message_edited(event, room, before)
        case MessageDeleted():
            return _message_deleted(event, room, before)
        case ReactionAdded() | ReactionRemoved():
            return _reacted(event, room, before)
        case _:
            assert_never(event)


def fold(state: RoomState | None, entry: Event | Receipt) -> RoomState:
    """The room after one more entry of its log (I7)."""
    projection = projection_of(state) if state is not None else Projection()
    if isinstance(entry, Receipt):
        projection.mark(entry)
    else:
        projection.apply(change_of(entry, projection))
    return state_of(projection)


def state_of(projection: Projection) -> RoomState:
    """The room as snapshots carry it. The projection holds every record of the room."""
    if projection.room is None:
        raise AssertionError("a room that was never created has no state")
    standings = [projection.standings[user] for user in sorted(projection.standings)]
    invites = [projection.invites[invite] for invite in sorted(projection.invites)]
    return RoomState(
        **_own_fields(projection.room),
        members=tuple(standing.membership for standing in standings if standing.membership is not None),
        bans=tuple(standing.ban for standing in standings if standing.ban is not None),
        formers=tuple(standing.former for standing in standings if standing.former is not None),
        invites=tuple(invite.state for invite in invites if invite.state is not None),
    )


def projection_of(state: RoomState) -> Projection:
    """Records that fold on to what the room's own would; what a state does not carry (message counts) starts at 0."""
    projection = Projection(RoomRecord(**_own_fields(state), members=len(state.members)))
    bans = {ban.user: ban for ban in state.bans}
    members = {member.user: member for member in state.members}
    formers = {former.user: former for former in state.formers}
    for user in bans.keys() | members.keys() | formers.keys():
        parts = {"membership": members.get(user), "ban": bans.get(user), "former": formers.get(user)}
        projection.standings[user] = Standing(room=state.room, user=user, seq=state.seq, **parts)
    for invite in state.invites:
        record = InviteRecord(room=state.room, invite=invite.invite, seq=state.seq, state=invite)
        projection.invites[invite.invite] = record
    return projection


def preview(text: str | None) -> str:
    """The beginning of a message, for lists."""
    return (text or "")[:PREVIEW_CHARACTERS]


_LISTS: Final = frozenset({"members", "bans", "formers", "invites"})
_SETTABLE: Final = ("title", "topic", "capacity", "visibility", "metadata")


def _own_fields(room: RoomRecord | RoomState) -> dict[str, Any]:  # Any: values of the fields both have
    return {name: getattr(room, name) for name in RoomState.model_fields if name not in _LISTS}


def _moved(room: RoomRecord, event: Event, **changed: Any) -> RoomRecord:  # Any: values of the record's own fields
    return room.model_copy(update={"seq": event.seq, "updated_at": event.at, **changed})


def _given(event: RoomUpdated) -> dict[str, Any]:  # Any: values of the record's own fields
    return {name: value for name in _SETTABLE if (value := getattr(event, name)) is not None}


def _joined(event: RoomCreated | MemberJoined, user: UserId, role: Role, ban: BanState | None) -> Standing:
    member = MemberState(user=user, role=role, joined_at=event.at, joined_seq=event.seq)
    return Standing(room=event.room, user=user, seq=event.seq, membership=member, ban=ban)


def _member_joined(event: MemberJoined, room: RoomRecord, before: Projection) -> Change:
    known = before.standings.get(event.user)
    standing = _joined(event, event.user, event.role, known.ban if known is not None else None)
    if event.muted and standing.membership is not None:
        muted = standing.membership.model_copy(update={"muted": True, "muted_until": event.until})
        standing = standing.model_copy(update={"membership": muted})
    change = _with_standings(event, room, before, (standing,))
    invite = before.invites.get(event.invite) if event.invite is not None else None
    if invite is None or invite.state is None:
        return change
    used = invite.state.model_copy(update={"uses": invite.state.uses + 1})
    return Change(change.room, change.standings, (invite.model_copy(update={"seq": event.seq, "state": used}),))


def _member_left(event: MemberLeft, room: RoomRecord, before: Projection) -> Change:
    gone = _altered(event, event.user, before, membership=None, former=_former(event, before))
    if event.successor is None:
        return _with_standings(event, room, before, (gone,))
    return _with_standings(event, room, before, (gone, _with_member(event, event.successor, before, role=Role.OWNER)))


def _member_banned(event: MemberBanned, room: RoomRecord, before: Projection) -> Change:
    ban = BanState(user=event.user, text=event.text, until=event.until)
    gone = _altered(event, event.user, before, membership=None, ban=ban, former=_former(event, before))
    swept = (_altered(event, user, before, ban=None) for user in event.swept if user != event.user)
    return _with_standings(event, room, before, (gone, *swept))


def _former(event: MemberLeft | MemberBanned, before: Projection) -> FormerState | None:
    """What the room remembers of one who is no member behind the event."""
    known = before.standings.get(event.user)
    member = known.membership if known is not None else None
    if known is None or member is None or not event.kept:
        return known.former if known is not None else None
    reader = member.role is Role.READER
    return FormerState(user=event.user, reader=reader, muted=member.muted, muted_until=member.muted_until)


def _member_changed(event: MemberChanged, before: Projection) -> Standing:
    changed: dict[str, Any] = {} if event.role is None else {"role": event.role}  # Any: values of MemberState
    if event.muted is not None:
        changed |= {"muted": event.muted, "muted_until": event.until if event.muted else None}
    return _with_member(event, event.user, before, **changed)


def _with_member(event: Event, user: UserId, before: Projection, **changed: Any) -> Standing:  # Any: of MemberState
    known = before.standings.get(user)
    member = known.membership if known is not None else None
    return _altered(event, user, before, membership=member.model_copy(update=changed) if member is not None else None)


def _altered(event: Event, user: UserId, before: Projection, **changed: Any) -> Standing:  # Any: fields of Standing
    known = before.standings.get(user) or Standing(room=event.room, user=user, seq=0)
    return known.model_copy(update={"seq": event.seq, **changed})


def _with_standings(event: Event, room: RoomRecord, before: Projection, standings: tuple[Standing, ...]) -> Change:
    was = sum(1 for standing in standings if _is_member(before.standings.get(standing.user)))
    now = sum(1 for standing in standings if _is_member(standing))
    return Change(_moved(room, event, members=room.members + now - was), standings)


def _is_member(standing: Standing | None) -> bool:
    return standing is not None and standing.membership is not None


def _invite_created(event: InviteCreated, room: RoomRecord) -> Change:
    state = InviteState(invite=event.invite, role=event.role, expires_at=event.expires_at, max_uses=event.max_uses)
    swept = (InviteRecord(room=event.room, invite=invite, seq=event.seq) for invite in event.swept)
    made = InviteRecord(room=event.room, invite=event.invite, seq=event.seq, state=state)
    return Change(_moved(room, event), invites=(*swept, made))


def _message_posted(event: MessagePosted, room: RoomRecord) -> Change:
    counted = {"messages": room.messages + 1, "last_message_seq": event.seq, "preview": preview(event.text)}
    return Change(_moved(room, event, **counted), messages=(MessageRecord(seq=event.seq, message=event),))


def _message_edited(event: MessageEdited, room: RoomRecord, before: Projection) -> Change:
    if (message := _standing_message(event.target, before)) is None:
        return Change(_moved(room, event))
    record = MessageRecord(seq=event.seq, message=edited(message, event))
    return Change(_moved(room, event, **_preview_if_last(room, event.target, preview(event.text))), messages=(record,))


def _message_deleted(event: MessageDeleted, room: RoomRecord, before: Projection) -> Change:
    known = before.messages.get(event.target)
    records = () if known is None else (MessageRecord(seq=event.seq, message=emptied(known.message)),)
    return Change(_moved(room, event, **_preview_if_last(room, event.target, "")), messages=records)


def _reacted(event: ReactionAdded | ReactionRemoved, room: RoomRecord, before: Projection) -> Change:
    if (message := _standing_message(event.target, before)) is None:
        return Change(_moved(room, event))
    none_yet = ReactionRecord(room=event.room, target=event.target, user=event.actor, seq=0)
    record = before.reactions.get(Put(event.target, event.actor), none_yet)
    message, record = reacted(message, record, event)
    return Change(_moved(room, event), messages=(MessageRecord(seq=event.seq, message=message),), reactions=(record,))


def _standing_message(place: int, before: Projection) -> MessagePosted | None:
    """The message there, unless it is empty: nothing fills it again."""
    known = before.messages.get(place)
    return known.message if known is not None and not known.message.deleted else None


def _preview_if_last(room: RoomRecord, target: int, text: str) -> dict[str, str]:
    return {"preview": text} if target == room.last_message_seq else {}
