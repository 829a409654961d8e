"""The REST door under `/chat`: the same commands and queries as every other door, the token's user being the actor."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from schemas import limits
from schemas.answers import Accepted, Refused
from schemas.commands import Command, Join, Leave, Send
from schemas.errors import Code
from schemas.ids import RoomId, RoomIdField, UserId
from schemas.queries import (
    MembersAnswer,
    MembersQuery,
    MyRoomsQuery,
    PageAnswer,
    PageQuery,
    QueryAnswer,
    RoomAnswer,
    RoomQuery,
    RoomsAnswer,
    RoomsQuery,
)
from services.gateway.creation import room_to_create
from services.gateway.doors.backend import Backend, Look
from services.gateway.doors.callers import Gate, Named, RetryFlag, User
from services.gateway.doors.problems import Problem, Refusal, refuse
from services.gateway.doors.rest_create import check_speaks_for_self, create_command, created_answer, people_of
from services.gateway.doors.rest_models import (
    ChatHealth,
    Checks,
    Conversation,
    Conversations,
    Created,
    CreateRequest,
    Directory,
    FullConversation,
    Joined,
    JoinRequest,
    Left,
    MessagePage,
    MessageRequest,
    PartCheck,
    Participant,
    Sent,
    SocketCheck,
    messages_of,
)

PROBLEMS: dict[int | str, dict[str, Any]] = {  # Any: FastAPI's own table
    "4XX": {"model": Problem, "description": "Refused; the code says why"},
    "5XX": {"model": Problem, "description": "Not served"},
}
MESSAGES_SHOWN = 100
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=100_000)]
Seen = Annotated[int | None, Query(ge=0, le=2**53 - 1)]


router = APIRouter(responses=PROBLEMS)


@router.post("/chat/create", status_code=201)
async def create(body: CreateRequest, gate: Gate, user: User, named: Named, *, retry: RetryFlag = False) -> Created:
    """Make a conversation; the caller owns it."""
    people = people_of(body, user)
    members = [person.user for person in people]
    room = room_to_create(user, named, visibility=body.visibility, members=members)
    accepted = await _decide(gate, create_command(body, room, user, named, people, retry=retry))
    return created_answer(body, accepted, user, people)


@router.get("/chat/my-conversations")
async def my_conversations(gate: Gate, user: User, limit: Limit = 20, offset: Offset = 0) -> Conversations:
    """The caller's conversations, newest activity first."""
    found = _rooms(await gate.query(MyRoomsQuery(actor=user, limit=limit, offset=offset)))
    shown = [Conversation.of(view) for view in found.rooms]
    return Conversations(conversations=shown, total=found.total, limit=limit, offset=offset)


@router.get("/chat/rooms")
async def rooms(gate: Gate, user: User, limit: Limit = 50, offset: Offset = 0) -> Directory:
    """The public rooms."""
    found = _rooms(await gate.query(RoomsQuery(actor=user, limit=limit, offset=offset)))
    shown = [Conversation.of(view) for view in found.rooms]
    return Directory(rooms=shown, total=found.total, limit=limit, offset=offset)


@router.get("/chat/conversations/{room}")
async def conversation(room: RoomIdField, gate: Gate, user: User) -> FullConversation:
    """One conversation that the caller takes part in, with its members and last messages."""
    return await _conversation(gate, room, user)


@router.post("/chat/{room}/join")
async def join(
    room: RoomIdField,
    gate: Gate,
    user: User,
    named: Named,
    body: JoinRequest | None = None,
    *,
    retry: RetryFlag = False,
) -> Joined:
    """Become a member."""
    wish = body or JoinRequest()
    check_speaks_for_self(user, wish.user_id, wish.participant)
    await _decide(
        gate,
        Join.model_validate({"room": room, "actor": user, "command_id": named, "invite": wish.invite, "retry": retry}),
    )
    return Joined(participant_id=user, conversation=await _conversation(gate, room, user))


@router.delete("/chat/{room}/leave")
async def leave(room: RoomIdField, gate: Gate, user: User, named: Named, *, retry: RetryFlag = False) -> Left:
    """Stop being a member."""
    before = await gate.query(RoomQuery(room=room, actor=user, through_seq=gate.written_through(user, room)))
    await _decide(gate, Leave(room=room, actor=user, command_id=named, retry=retry))
    count = before.view.member_count - 1 if isinstance(before, RoomAnswer) else 0
    return Left(conversation_id=room, remaining_participants=max(0, count), conversation_archived=count <= 0)


@router.post("/chat/{room}/message")
async def message(
    room: RoomIdField, body: MessageRequest, gate: Gate, user: User, named: Named, *, retry: RetryFlag = False
) -> Sent:
    """Write a message. The same `Idempotency-Key`, or `message_id`, never makes a second one."""
    check_speaks_for_self(user, body.sender_id, None)
    accepted = await _decide(
        gate,
        Send(
            room=room,
            actor=user,
            command_id=body.message_id or named,
            text=body.content,
            metadata=body.metadata,
            retry=retry,
        ),
    )
    return Sent.of(accepted)


@router.get("/chat/{room}/messages")
async def messages(
    room: RoomIdField,
    gate: Gate,
    user: User,
    after: Seen = None,
    before: Seen = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_EVENTS)] = 50,
) -> MessagePage:
    """A page of messages, oldest first: those after `after`, the last before `before`, or the newest."""
    query = PageQuery(
        room=room,
        actor=user,
        after=after,
        before=before,
        limit=limit,
        messages=True,
        through_seq=gate.written_through(user, room),
    )
    return MessagePage.of(_page(await gate.query(query)))


@router.get("/health/chat")
async def health(gate: Gate) -> ChatHealth:
    """How the service is; nothing is asked of anybody for it."""
    return _health(gate.look())


async def _decide(backend: Backend, command: Command) -> Accepted:
    answer = await backend.command(command)
    if isinstance(answer, Refused):
        raise Refusal(answer)
    return answer


def _rooms(answer: QueryAnswer) -> RoomsAnswer:
    if isinstance(answer, RoomsAnswer):
        return answer
    raise _not(answer)


def _page(answer: QueryAnswer) -> PageAnswer:
    if isinstance(answer, PageAnswer):
        return answer
    raise _not(answer)


def _not(answer: QueryAnswer) -> Refusal:
    return Refusal(answer if isinstance(answer, Refused) else Refused.of(Code.INTERNAL))


async def _conversation(backend: Backend, room: RoomId, user: UserId) -> FullConversation:
    through = backend.written_through(user, room)
    found, members, page = await asyncio.gather(
        backend.query(RoomQuery(room=room, actor=user, through_seq=through)),
        backend.query(MembersQuery(room=room, actor=user, through_seq=through)),
        backend.query(PageQuery(room=room, actor=user, limit=MESSAGES_SHOWN, messages=True, through_seq=through)),
    )
    if not isinstance(found, RoomAnswer):
        raise _not(found)
    if found.view.role is None:
        raise refuse(Code.ROOM_NOT_FOUND)
    if not isinstance(members, MembersAnswer):
        raise _not(members)
    return FullConversation(
        **Conversation.of(found.view).model_dump(),
        participants=[Participant.of(member) for member in members.members],
        messages=messages_of(_page(page).events),
    )


def _health(look: Look) -> ChatHealth:
    well = look.broker and look.storage
    return ChatHealth(
        status="healthy" if well else "degraded",
        connections=look.connections,
        checks=Checks(
            websocket=SocketCheck(status="healthy", connections=look.connections, sessions=look.sessions),
            storage=PartCheck(status="healthy" if look.storage else "degraded"),
            queues=PartCheck(status="healthy" if look.broker else "degraded"),
        ),
        timestamp=datetime.now(UTC),
    )
