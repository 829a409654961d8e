"""Invites and share links: one thing, under two spellings. Who holds a token may look where it leads, and join."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.answers import Accepted, Refused
from schemas.commands import Invite, Join, RevokeInvite
from schemas.errors import Code
from schemas.ids import RoomId
from schemas.queries import InviteAnswer, InviteQuery, InvitesAnswer, InvitesQuery
from services.gateway.doors.problems import LINK_EXPIRED, Refusal, refuse
from services.gateway.doors.rest.asking import Asks, Wishes, Wishing, make
from services.gateway.doors.rest.models.invites import (
    InviteMade,
    InvitePreview,
    InviteRequest,
    Invites,
    InviteShown,
    JoinedByLink,
    Opening,
    ShareLink,
    ShareRequest,
    invite_made,
    read_token,
    share_link,
)
from services.gateway.doors.rest.models.rooms import Applied
from services.gateway.doors.rest.operations import make_router, reads, writes
from services.gateway.doors.rest.paths import InvitePath, RoomPath, TokenPath

router = make_router("invites")
TO_THOSE_WHO_RULE = (Code.ROOM_NOT_FOUND, Code.NOT_A_MEMBER, Code.NOT_ALLOWED)


@router.get(
    "/chat/invites/{token}", responses=reads(Code.ROOM_NOT_FOUND, Code.ROOM_CLOSED, Code.INVITE_INVALID, opens=True)
)
async def preview_invite(token: TokenPath, asks: Asks) -> InvitePreview:
    """See where an invite leads. For whoever holds its token."""
    opening = _opening(token)
    through = asks.through(opening.room)
    query = make(InviteQuery, room=opening.room, actor=asks.user, invite=opening.invite, through_seq=through)
    try:
        return InvitePreview.of(await asks.ask(query, InviteAnswer))
    except Refusal as refusal:
        raise _as_link(refusal) from None


@router.post("/chat/join/{token}", responses=writes("join", opens=True))
async def join_by_link(token: TokenPath, wishes: Wishes) -> JoinedByLink:
    """Become a member by a share link."""
    opening = _opening(token)
    try:
        await wishes.decide(Join, opening.room, invite=opening.invite)
    except Refusal as refusal:
        raise _as_link(refusal) from None
    return JoinedByLink(conversation_id=opening.room, participant_id=wishes.user)


@router.post("/chat/{room:room}/share", responses=writes("invite", body=True))
async def share_conversation(room: RoomPath, wishes: Wishes, body: ShareRequest | None = None) -> ShareLink:
    """Make a link that lets its holders join. It ends after some hours, or when it was used often enough."""
    wish = body or ShareRequest()
    request = InviteRequest(role=wish.role, expires_at=wish.expires_at(datetime.now(UTC)), max_uses=wish.max_uses)
    return share_link(await _invite(wishes, room, request))


@router.post("/chat/{room:room}/invites", status_code=201, responses=writes("invite", body=True))
async def create_invite(room: RoomPath, wishes: Wishes, body: InviteRequest | None = None) -> InviteMade:
    """Make an invite. Its holders may join as members or readers."""
    return await _invite(wishes, room, body or InviteRequest())


@router.get("/chat/{room:room}/invites", responses=reads(*TO_THOSE_WHO_RULE))
async def list_invites(room: RoomPath, asks: Asks) -> Invites:
    """List the invites of a conversation. For those whose role may invite."""
    query = make(InvitesQuery, room=room, actor=asks.user, through_seq=asks.through(room))
    found = await asks.ask(query, InvitesAnswer)
    return Invites(conversation_id=room, invites=[InviteShown.of(room, each) for each in found.invites])


@router.delete("/chat/{room:room}/invites/{invite}", responses=writes("revoke_invite"))
async def revoke_invite(room: RoomPath, invite: InvitePath, wishes: Wishes) -> Applied:
    """Make an invite worthless."""
    return Applied.of(await wishes.decide(RevokeInvite, room, invite=invite))


async def _invite(wishes: Wishing, room: RoomId, body: InviteRequest) -> InviteMade:
    accepted = await wishes.decide(Invite, room, **body.model_dump())
    if accepted.invite is None:  # a repeated id has its first answer again, and that was to something else
        raise refuse(Code.BAD_FIELD, "the Idempotency-Key was used for another command")
    made = invite_made(accepted, body)
    return made if not wishes.named else await _as_first_made(wishes, accepted, made)


async def _as_first_made(wishes: Wishing, accepted: Accepted, made: InviteMade) -> InviteMade:
    """A repeated command has made the invite that it asked for at first: history knows how long that lasts."""
    query = make(
        InviteQuery, room=made.conversation_id, actor=wishes.user, invite=made.invite, through_seq=accepted.seq
    )
    told = await wishes.gate.query(query)
    if not isinstance(told, InviteAnswer):
        return made
    return made.model_copy(update={"role": told.role, "expires_at": told.expires_at})


def _opening(token: str) -> Opening:
    opening = read_token(token)
    if opening is None:
        raise refuse(Code.ROOM_NOT_FOUND)
    return opening


def _as_link(refusal: Refusal) -> Refusal:
    """An invite that lets nobody in any more is a link that has expired."""
    if refusal.refused.code is not Code.INVITE_INVALID:
        return refusal
    expired = "the link is unknown, expired, used up or revoked"
    return Refusal(Refused.of(Code.INVITE_INVALID, expired), spoken=LINK_EXPIRED)
