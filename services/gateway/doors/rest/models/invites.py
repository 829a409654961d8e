"""Invites and share links: made, listed, looked at and taken up.

A token names the room and the invite, `<room>.<invite>`: neither holds a dot. Who has it may join.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from schemas import limits
from schemas.answers import Accepted
from schemas.fields import Moment
from schemas.ids import InviteId, InviteIdField, RoomId, RoomIdField, UserIdField
from schemas.queries import InviteAnswer
from schemas.roles import Role
from schemas.state import InviteState
from services.gateway.doors.rest.models.incoming import Incoming

Uses = Annotated[int, Field(ge=1, le=limits.ROOM_MEMBERS, strict=True)]
Permission = Literal["read", "write"]
_ROOM: Final[TypeAdapter[RoomId]] = TypeAdapter(RoomIdField)
_INVITE: Final[TypeAdapter[InviteId]] = TypeAdapter(InviteIdField)


class InviteRequest(Incoming):
    """An invite; it makes members or readers. Without `expires_at` it lasts 7 days."""

    role: Role = Role.MEMBER
    expires_at: Moment | None = None
    max_uses: Uses | None = None


class ShareRequest(Incoming):
    """A share link. Whoever comes by one that lets them only `read` becomes a reader."""

    expires_hours: Annotated[float, Field(gt=0, le=24 * limits.INVITE_LONGEST_DAYS)] = 24 * limits.INVITE_DAYS
    max_uses: Uses | None = None
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1, max_length=2)] = ("read", "write")

    @property
    def role(self) -> Role:
        """What the link makes of who follows it."""
        return Role.MEMBER if "write" in self.permissions else Role.READER

    def expires_at(self, now: datetime) -> datetime:
        """When the link ends."""
        return now + timedelta(hours=self.expires_hours)


class Opening(NamedTuple):
    """What a token opens."""

    room: RoomId
    invite: InviteId


def token_of(room: RoomId, invite: InviteId) -> str:
    """The token that opens a room by an invite."""
    return f"{room}.{invite}"


def read_token(token: str) -> Opening | None:
    """The inverse of `token_of`; None: this can be no token."""
    room, _, invite = token.partition(".")
    try:
        return Opening(_ROOM.validate_python(room), _INVITE.validate_python(invite))
    except ValidationError:
        return None


class InviteMade(BaseModel):
    """An invite exists; `token` is what a guest needs."""

    success: Literal[True] = True
    conversation_id: RoomIdField
    invite: InviteIdField
    token: str
    role: Role
    expires_at: datetime
    max_uses: int | None = None


class ShareLink(BaseModel):
    """A link to share, relative to the gate that said it; its token is taken up by `POST`."""

    share_link: str
    share_token: str
    expires_at: datetime
    max_uses: int | None = None


def invite_made(accepted: Accepted, asked: InviteRequest) -> InviteMade:
    """The answer to who made an invite. When it ends is said by the command, or it lasts as long as one does then."""
    if accepted.invite is None:
        raise AssertionError("an accepted invite has an id")
    return InviteMade(
        conversation_id=accepted.room,
        invite=accepted.invite,
        token=token_of(accepted.room, accepted.invite),
        role=asked.role,
        expires_at=asked.expires_at or accepted.at + timedelta(days=limits.INVITE_DAYS),
        max_uses=asked.max_uses,
    )


def share_link(made: InviteMade) -> ShareLink:
    """An invite as a link."""
    link = f"/chat/join/{made.token}"
    return ShareLink(share_link=link, share_token=made.token, expires_at=made.expires_at, max_uses=made.max_uses)


class InviteShown(BaseModel):
    """An invite for those who may invite; one that has ended or is used up stays until it is swept."""

    invite: InviteIdField
    token: str
    role: Role
    expires_at: datetime
    max_uses: int | None = None
    uses: int

    @classmethod
    def of(cls, room: RoomId, state: InviteState) -> InviteShown:
        """An invite as history tells of it."""
        return cls(token=token_of(room, state.invite), **state.model_dump())


class Invites(BaseModel):
    """The invites of a conversation, by id."""

    conversation_id: RoomIdField
    invites: list[InviteShown]


class InvitePreview(BaseModel):
    """Where an invite leads, for who holds it."""

    conversation_id: RoomIdField
    title: str
    topic: str
    member_count: int
    role: Role
    expires_at: datetime

    @classmethod
    def of(cls, answer: InviteAnswer) -> InvitePreview:
        """What history tells whoever holds it."""
        return cls(conversation_id=answer.room, **answer.model_dump(exclude={"type", "room"}))


class JoinedByLink(BaseModel):
    """The caller is a member now."""

    success: Literal[True] = True
    conversation_id: RoomIdField
    participant_id: UserIdField
    joined_via: Literal["share_link"] = "share_link"
