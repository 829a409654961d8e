"""Making a conversation over HTTP: two spellings of a request become the fields of one command. Pure."""

from __future__ import annotations

from typing import Any, Final

from schemas import limits
from schemas.answers import Accepted, MemberView
from schemas.errors import Code
from schemas.ids import UserId
from schemas.roles import Role, Visibility
from services.gateway.doors.problems import refuse
from services.gateway.doors.rest.models.participants import Participant, Person
from services.gateway.doors.rest.models.rooms import Created, CreateRequest, websocket_url

PARTICIPANTS_PER_CREATE: Final = 10
UNTITLED: Final = "Conversation"


def people_of(body: CreateRequest, user: UserId) -> list[Person]:
    """Everyone but the creator, each once.

    Raises:
        Refusal: the creator is somebody else, or there are too many, or the list form lacks what it must have.
    """
    if body.participants is not None:
        _check_list_form(body)
        named = body.participants
    else:
        check_speaks_for_self(user, None, body.participant)
        named = body.additional_participants
    people = list({person.user: person for person in named if person.user != user}.values())
    if len(people) > limits.CREATE_MEMBERS:
        raise refuse(Code.ROOM_FULL, f"Participant limit exceeded: {limits.CREATE_MEMBERS} beside the creator")
    return people


def _check_list_form(body: CreateRequest) -> None:
    if body.title is None:
        raise refuse(Code.BAD_FIELD, "Missing required field: title")
    if not body.participants:
        raise refuse(Code.BAD_FIELD, "Invalid participant data: nobody takes part")
    if len(body.participants) > PARTICIPANTS_PER_CREATE:
        raise refuse(Code.BAD_FIELD, f"Participant limit exceeded: {PARTICIPANTS_PER_CREATE} in one create")


def check_speaks_for_self(user: UserId, named: UserId | None, person: Person | None) -> None:
    """Raises:
    Refusal: the request names somebody else as its author.
    """
    if (named is not None and named != user) or (person is not None and person.user != user):
        raise refuse(Code.NOT_ALLOWED, "nobody speaks for somebody else", word="IMPERSONATION_DENIED")


def create_fields(body: CreateRequest, people: list[Person]) -> dict[str, Any]:  # Any: fields of different types
    """What the command says beside who sends it and where."""
    return {
        "title": body.title or UNTITLED,
        "visibility": body.visibility,
        "capacity": body.capacity,
        "topic": body.topic,
        "members": tuple(person.user for person in people),
        "metadata": {"sites": list(body.sites), "mode": body.mode, **body.metadata},
        "retention_days": body.retention_days,
    }


def created_answer(body: CreateRequest, accepted: Accepted, user: UserId, people: list[Person]) -> Created:
    """What the creator is told."""
    creator = body.participant.name if body.participant is not None else ""
    names = {person.user: person.name for person in (body.participants or ())}
    direct = body.visibility is Visibility.DIRECT
    role = Role.OWNER if direct else Role.MEMBER
    owner = Participant.of(MemberView(user=user, role=Role.OWNER), creator or names.get(user, ""))
    others = [Participant.of(MemberView(user=person.user, role=role), person.name) for person in people]
    return Created(
        id=accepted.room,
        conversation_id=accepted.room,
        title=body.title or UNTITLED,
        sites=body.sites,
        mode=body.mode,
        participants=[owner, *others],
        created_at=accepted.at,
        capacity=len(people) + 1 if direct else body.capacity,
        websocket_url=websocket_url(accepted.room),
    )
