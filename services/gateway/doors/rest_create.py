"""Making a conversation over HTTP: two spellings of a request become one command."""

from __future__ import annotations

from typing import Any

from schemas.answers import Accepted, MemberView
from schemas.commands import Create
from schemas.errors import Code
from schemas.ids import CommandId, RoomId, UserId
from schemas.roles import Role
from services.gateway.doors.problems import refuse
from services.gateway.doors.rest_models import Created, CreateRequest, Participant, Person


def people_of(body: CreateRequest, user: UserId) -> list[Person]:
    """Everyone but the creator, each once.

    Raises:
        Refusal: the creator is somebody else, or the list form lacks what it must have.
    """
    if body.participants is not None:
        if body.title is None:
            raise refuse(Code.BAD_FIELD, "Missing required field: title")
        if not body.participants:
            raise refuse(Code.BAD_FIELD, "Invalid participant data: nobody takes part")
        named = body.participants
    else:
        check_speaks_for_self(user, None, body.participant)
        named = body.additional_participants
    return list({person.user: person for person in named if person.user != user}.values())


def check_speaks_for_self(user: UserId, named: UserId | None, person: Person | None) -> None:
    """Raises:
    Refusal: the request names somebody else as its author.
    """
    if (named is not None and named != user) or (person is not None and person.user != user):
        raise refuse(Code.NOT_ALLOWED, "nobody speaks for somebody else", word="IMPERSONATION_DENIED")


def create_command(
    body: CreateRequest, room: RoomId, user: UserId, named: CommandId, people: list[Person], *, retry: bool
) -> Create:
    """The command behind a request."""
    metadata: dict[str, Any] = {"sites": list(body.sites), "mode": body.mode, **body.metadata}  # Any: free-form data
    return Create.model_validate(
        {
            "room": room,
            "actor": user,
            "command_id": named,
            "title": body.title or "Conversation",
            "visibility": body.visibility,
            "capacity": body.capacity,
            "topic": body.topic,
            "members": tuple(person.user for person in people),
            "metadata": metadata,
            "retry": retry,
        }
    )


def created_answer(body: CreateRequest, accepted: Accepted, user: UserId, people: list[Person]) -> Created:
    """What the creator is told."""
    creator = body.participant.name if body.participant is not None else ""
    names = {person.user: person.name for person in (body.participants or ())}
    owner = Participant.of(MemberView(user=user, role=Role.OWNER), creator or names.get(user, ""))
    others = [Participant.of(MemberView(user=person.user, role=Role.MEMBER), person.name) for person in people]
    return Created(
        id=accepted.room,
        conversation_id=accepted.room,
        title=body.title or "Conversation",
        sites=body.sites,
        mode=body.mode,
        participants=[owner, *others],
        created_at=accepted.at,
        websocket_url="/ws",
    )
