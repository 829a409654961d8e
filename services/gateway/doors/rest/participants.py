"""Members: listed, added, removed, given roles and voices, kept out."""

from __future__ import annotations

from schemas.commands import Add, Ban, Kick, Mute, SetRole, Unban, Unmute
from schemas.errors import Code
from schemas.queries import BansAnswer, BansQuery, MembersAnswer, MembersQuery
from services.gateway.doors.problems import refuse
from services.gateway.doors.rest.asking import Asks, Wishes, make
from services.gateway.doors.rest.models import participants as models
from services.gateway.doors.rest.models.participants import (
    AddRequest,
    BanRequest,
    Bans,
    MuteRequest,
    Participants,
    RoleRequest,
    participants_of,
)
from services.gateway.doors.rest.models.rooms import Applied
from services.gateway.doors.rest.operations import make_router, reads, writes
from services.gateway.doors.rest.paging import Pages, after_moves
from services.gateway.doors.rest.paths import AfterUser, PageLimit, RoomPath, UserPath, WhyQuery

router = make_router("participants")
TO_THOSE_WHO_RULE = (Code.ROOM_NOT_FOUND, Code.NOT_A_MEMBER, Code.NOT_ALLOWED)


@router.get("/chat/{room:room}/participants", responses=reads(Code.ROOM_NOT_FOUND, paged=True))
async def list_participants(
    room: RoomPath,
    asks: Asks,
    pages: Pages,
    after: AfterUser = None,
    limit: PageLimit = 100,
) -> Participants:
    """List the members of a conversation. By id, after the user `after`."""
    known = {"room": room, "actor": asks.user, "through_seq": asks.through(room)}
    found = await asks.ask(make(MembersQuery, after=after, limit=limit, **known), MembersAnswer)
    pages.link(after_moves(found.next, limit))
    shown = participants_of(found, asks.gate.users_here(room))
    return Participants(conversation_id=room, participants=shown, total=found.total, limit=limit, next=found.next)


@router.post("/chat/{room:room}/participants", responses=writes("add", body=True))
async def add_participant(room: RoomPath, body: AddRequest, wishes: Wishes) -> Applied:
    """Make somebody else a member. For moderators and above."""
    user = body.participant.user if body.participant is not None else body.user_id
    if user is None:
        raise refuse(Code.BAD_FIELD, "Invalid participant data: participant or user_id is missing")
    return Applied.of(await wishes.decide(Add, room, user=user))


@router.delete("/chat/{room:room}/participants/{user}", responses=writes("kick"))
async def remove_participant(room: RoomPath, user: UserPath, wishes: Wishes, reason: WhyQuery = "") -> Applied:
    """End somebody else's membership. They may come back."""
    return Applied.of(await wishes.decide(Kick, room, user=user, reason=reason))


@router.put("/chat/{room:room}/participants/{user}/role", responses=writes("set_role", body=True))
async def set_role(room: RoomPath, user: UserPath, body: RoleRequest, wishes: Wishes) -> Applied:
    """Give a member another role. One below one's own; an owner may name owners."""
    return Applied.of(await wishes.decide(SetRole, room, user=user, role=body.role))


@router.put("/chat/{room:room}/participants/{user}/mute", responses=writes("mute", body=True))
async def mute_participant(room: RoomPath, user: UserPath, wishes: Wishes, body: MuteRequest | None = None) -> Applied:
    """Take a member's voice. Until a moment, or for good."""
    return Applied.of(await wishes.decide(Mute, room, user=user, until=(body or MuteRequest()).until))


@router.delete("/chat/{room:room}/participants/{user}/mute", responses=writes("unmute"))
async def unmute_participant(room: RoomPath, user: UserPath, wishes: Wishes) -> Applied:
    """Give a member's voice back."""
    return Applied.of(await wishes.decide(Unmute, room, user=user))


@router.get("/chat/{room:room}/bans", responses=reads(*TO_THOSE_WHO_RULE, paged=True))
async def list_bans(
    room: RoomPath,
    asks: Asks,
    pages: Pages,
    after: AfterUser = None,
    limit: PageLimit = 100,
) -> Bans:
    """List who is kept out. By id, after the user `after`; for those whose role may ban."""
    known = {"room": room, "actor": asks.user, "through_seq": asks.through(room)}
    found = await asks.ask(make(BansQuery, after=after, limit=limit, **known), BansAnswer)
    pages.link(after_moves(found.next, limit))
    return Bans.of(found, limit)


@router.get("/chat/{room:room}/bans/{user}", responses=reads(*TO_THOSE_WHO_RULE, Code.NOT_BANNED))
async def get_ban(room: RoomPath, user: UserPath, asks: Asks) -> models.Ban:
    """Get the ban of one user. For those whose role may ban."""
    query = make(BansQuery, room=room, actor=asks.user, user=user, through_seq=asks.through(room))
    for ban in (await asks.ask(query, BansAnswer)).bans:
        return models.Ban.of(ban)
    raise refuse(Code.NOT_BANNED)


@router.put("/chat/{room:room}/bans/{user}", responses=writes("ban", body=True))
async def ban_user(room: RoomPath, user: UserPath, wishes: Wishes, body: BanRequest | None = None) -> Applied:
    """Keep somebody out, until a moment or for good. A membership of theirs ends."""
    return Applied.of(await wishes.decide(Ban, room, user=user, **(body or BanRequest()).model_dump()))


@router.delete("/chat/{room:room}/bans/{user}", responses=writes("unban"))
async def unban_user(room: RoomPath, user: UserPath, wishes: Wishes) -> Applied:
    """Let somebody come back."""
    return Applied.of(await wishes.decide(Unban, room, user=user))
