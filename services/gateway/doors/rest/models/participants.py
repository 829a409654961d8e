"""People in a conversation: who they are, what they may, and who is kept out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, Field

from schemas import limits
from schemas.answers import MemberView
from schemas.fields import Moment, Reason
from schemas.ids import InviteIdField, RoomIdField, UserIdField
from schemas.queries import BansAnswer, MembersAnswer
from schemas.roles import Role
from schemas.state import BanState
from services.gateway.doors.rest.models.incoming import Incoming


class Person(Incoming):
    """Somebody named in a request, as `participantId` and `displayName` or as `user_id` and `name`."""

    user: UserIdField = Field(validation_alias=AliasChoices("participantId", "user_id"))
    name: Annotated[str, Field(max_length=limits.TITLE_CHARACTERS)] = Field(
        default="", validation_alias=AliasChoices("displayName", "name")
    )


class JoinRequest(Incoming):
    """Joining; whoever is named must be the token's user. A conversation that is not public wants an `invite`."""

    participant: Person | None = None
    user_id: UserIdField | None = None
    invite: InviteIdField | None = None


class AddRequest(Incoming):
    """Somebody else to be made a member: `participant`, or `user_id`."""

    participant: Person | None = None
    user_id: UserIdField | None = None


class RoleRequest(Incoming):
    """Another role for a member."""

    role: Role


class MuteRequest(Incoming):
    """A mute; without `until` for good."""

    until: Moment | None = None


class BanRequest(Incoming):
    """A ban; without `until` for good."""

    reason: Reason = ""
    until: Moment | None = None


class Participant(BaseModel):
    """A member. `isOnline` is there when a connection of theirs is at the gate that answers: of others it cannot tell.
    `muted` ends at `mutedUntil`, where that is told."""

    id: UserIdField
    name: str
    participantId: UserIdField  # noqa: N815 - an older client's spelling
    displayName: str  # noqa: N815 - an older client's spelling
    type: Literal["human"] = "human"
    role: Role
    joinedAt: datetime | None = None  # noqa: N815 - an older client's spelling
    isOnline: bool | None = None  # noqa: N815 - an older client's spelling
    muted: bool | None = None
    mutedUntil: datetime | None = None  # noqa: N815 - as the others here

    @classmethod
    def of(cls, member: MemberView, name: str = "", *, here: bool = False) -> Participant:
        """A member under a display name, else under their id; `here`: the gate holds a session of theirs."""
        shown = name or member.user
        return cls(
            id=member.user,
            name=shown,
            participantId=member.user,
            displayName=shown,
            role=member.role,
            joinedAt=member.joined_at,
            isOnline=True if here or member.online else None,
            muted=member.muted,
            mutedUntil=member.muted_until,
        )


def participants_of(answer: MembersAnswer, here: frozenset[str]) -> list[Participant]:
    """Some members; those in `here` are known to be online."""
    return [Participant.of(member, here=member.user in here) for member in answer.members]


class Participants(BaseModel):
    """Some members, by id; `next` is what `after` goes on with."""

    conversation_id: RoomIdField
    participants: list[Participant]
    total: int
    limit: int
    next: UserIdField | None = None


class Left(BaseModel):
    """The caller is a member no longer. How many remain is left out where that could not be learned; a conversation
    without members is archived: nobody is in it, whoever joins it first rules it."""

    success: Literal[True] = True
    message: str = "Successfully left the conversation"
    conversation_id: RoomIdField
    remaining_participants: int | None = None
    conversation_archived: bool | None = None


class Ban(BaseModel):
    """A user who is kept out; without `until` for good. One whose `until` has passed may come back."""

    user_id: UserIdField
    participantId: UserIdField  # noqa: N815 - an older client's spelling
    reason: str
    until: datetime | None = None

    @classmethod
    def of(cls, ban: BanState) -> Ban:
        """A ban as history tells of it."""
        return cls(user_id=ban.user, participantId=ban.user, reason=ban.text, until=ban.until)


class Bans(BaseModel):
    """Some bans, by user id; `next` is what `after` goes on with."""

    conversation_id: RoomIdField
    bans: list[Ban]
    limit: int
    next: UserIdField | None = None

    @classmethod
    def of(cls, answer: BansAnswer, limit: int) -> Bans:
        """A page of bans."""
        shown = [Ban.of(ban) for ban in answer.bans]
        return cls(conversation_id=answer.room, bans=shown, limit=limit, next=answer.next)
