"""Answers to commands: `accepted` or `refused` (design §3.2), and the room's answer to a gate's `attach`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from schemas import limits
from schemas.commands import SaidStatus, Session
from schemas.errors import ERRORS, Code
from schemas.events import Event, InviteCreated, MessagePosted
from schemas.fields import Capacity, Metadata, Moment, Title, Topic
from schemas.ids import CommandIdField, EpochField, InviteIdField, MessageIdField, RoomIdField, Seq, UserIdField
from schemas.model import Model
from schemas.roles import Role, Visibility

FrameNumber = Annotated[int, Field(ge=0, le=2**53 - 1, strict=True)] | Annotated[str, Field(max_length=64)]
"""What a client calls one of its frames; given back with the answer, never interpreted."""


class Accepted(Model):
    """The command's event is confirmed by the log: nothing that dies afterwards can lose it (I1).

    For a command that makes no event (typing, marks) `seq` is the room's top at that moment.
    """

    type: Literal["accepted"] = "accepted"
    id: FrameNumber | None = None
    command_id: CommandIdField
    room: RoomIdField
    epoch: EpochField
    seq: Seq
    message_id: MessageIdField | None = None
    invite: InviteIdField | None = None
    at: Moment

    @classmethod
    def of(cls, event: Event) -> Accepted:
        """The answer to the command that made an event: the same whether its writer or history gives it (I2)."""
        return cls(
            command_id=event.command_id,
            room=event.room,
            epoch=event.epoch,
            seq=event.seq,
            message_id=event.message_id if isinstance(event, MessagePosted) else None,
            invite=event.invite if isinstance(event, InviteCreated) else None,
            at=event.at,
        )


class Refused(Model):
    """The "no", with its code. `definite` false: it may have been applied; retry under the same command_id to know."""

    type: Literal["refused"] = "refused"
    id: FrameNumber | None = None
    command_id: CommandIdField | None = None
    code: Code
    message: str
    definite: bool
    retry: bool
    retry_after_seconds: float | None = None

    @classmethod
    def of(cls, code: Code, message: str | None = None, **known: Any) -> Refused:  # Any: the other fields, checked here
        """Refuse with what the registry says of the code; `message` replaces its sentence."""
        spec = ERRORS[code]
        return cls(code=code, message=message or spec.message, definite=spec.definite, retry=spec.retry, **known)


Answer = Accepted | Refused
ANSWER: Final[TypeAdapter[Answer]] = TypeAdapter(Annotated[Answer, Field(discriminator="type")])
"""Parses the answer to a command. Raises `pydantic.ValidationError` for anything else."""


class MemberView(Model):
    """A member as others see them. `status` is what one who is online said of themselves, if anything; when they joined
    and whether they are muted, and until when, history alone tells."""

    user: UserIdField
    role: Role
    online: bool = False
    status: SaidStatus | None = None
    joined_at: Moment | None = None
    muted: bool | None = None
    muted_until: Moment | None = None


class SessionRefused(Model):
    """One session of an `attach` that the room did not take."""

    session: Session
    code: Code


class AttachAnswer(Model):
    """The room to a gate: from `seq` on, everything comes. Answers one `attach` command.

    `members` are those with a session first, at most `limits.ATTACHED_MEMBERS`; `member_count` counts all.
    """

    type: Literal["attach_answer"] = "attach_answer"
    command_id: CommandIdField
    room: RoomIdField
    epoch: EpochField
    seq: Seq
    title: Title
    topic: Topic = ""
    visibility: Visibility
    capacity: Capacity = limits.ROOM_MEMBERS
    metadata: Metadata = {}
    closed: bool = False
    member_count: int
    members: Annotated[tuple[MemberView, ...], Field(max_length=limits.ATTACHED_MEMBERS)]
    refused: tuple[SessionRefused, ...] = ()
