"""Conversations: made, changed, closed, joined, left, listed and told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from schemas.answers import Accepted
from schemas.commands import Close, Create, Join, Leave, SetStatus, Update
from schemas.errors import Code
from schemas.ids import RoomId
from schemas.queries import (
    MembersAnswer,
    MembersQuery,
    MyRoomsQuery,
    PageAnswer,
    PageQuery,
    RoomAnswer,
    RoomQuery,
    RoomsAnswer,
    RoomsQuery,
)
from services.gateway.creation import room_to_create
from services.gateway.doors.problems import Refusal, refuse
from services.gateway.doors.rest.asking import Asking, Asks, Wishes, Wishing, make
from services.gateway.doors.rest.creating import check_speaks_for_self, create_fields, created_answer, people_of
from services.gateway.doors.rest.models.messages import messages_of
from services.gateway.doors.rest.models.participants import JoinRequest, Left, participants_of
from services.gateway.doors.rest.models.rooms import (
    Applied,
    Conversation,
    Conversations,
    Created,
    CreateRequest,
    Directory,
    FullConversation,
    Joined,
    StatusRequest,
    UpdateRequest,
)
from services.gateway.doors.rest.operations import make_router, reads, writes
from services.gateway.doors.rest.paging import Pages, offset_moves
from services.gateway.doors.rest.paths import Limit, Offset, RoomPath, Successor

MESSAGES_SHOWN: Final = 100

router = make_router("conversations")


@router.post("/chat/create", status_code=201, responses=writes("create", also=[Code.NOT_ALLOWED], body=True))
async def create_conversation(body: CreateRequest, wishes: Wishes) -> Created:
    """Make a conversation. The caller owns it. With `visibility: direct` it is for the caller and one other."""
    people = people_of(body, wishes.user)
    members = [person.user for person in people]
    room = room_to_create(wishes.user, wishes.command_id, visibility=body.visibility, members=members)
    accepted = await wishes.decide(Create, room, **create_fields(body, people))
    return created_answer(body, accepted, wishes.user, people)


@router.get("/chat/my-conversations", responses=reads(paged=True))
async def list_my_conversations(asks: Asks, pages: Pages, limit: Limit = 20, offset: Offset = 0) -> Conversations:
    """List the caller's conversations. Newest activity first, with what is unread."""
    query = make(MyRoomsQuery, actor=asks.user, limit=limit, offset=offset, **asks.through_any())
    found = await asks.ask(query, RoomsAnswer)
    pages.link(offset_moves(total=found.total, limit=limit, offset=offset))
    shown = [Conversation.of(view) for view in found.rooms]
    return Conversations(conversations=shown, total=found.total, limit=limit, offset=offset)


@router.get("/chat/rooms", responses=reads(paged=True))
async def list_public_rooms(asks: Asks, pages: Pages, limit: Limit = 50, offset: Offset = 0) -> Directory:
    """List the public conversations that are open. Newest activity first."""
    query = make(RoomsQuery, actor=asks.user, limit=limit, offset=offset, **asks.through_any())
    found = await asks.ask(query, RoomsAnswer)
    pages.link(offset_moves(total=found.total, limit=limit, offset=offset))
    return Directory(
        rooms=[Conversation.of(view) for view in found.rooms], total=found.total, limit=limit, offset=offset
    )


@router.get("/chat/conversations/{room}", responses=reads(Code.ROOM_NOT_FOUND))
async def get_conversation(room: RoomPath, asks: Asks) -> FullConversation:
    """Get one conversation that the caller takes part in. With its first members and its last messages."""
    return await whole_conversation(asks, room)


@router.patch("/chat/{room:room}", responses=writes("update", body=True))
async def update_conversation(room: RoomPath, body: UpdateRequest, wishes: Wishes) -> Applied:
    """Change what a conversation says of itself. What is left out stays."""
    return Applied.of(await wishes.decide(Update, room, **body.model_dump(exclude_unset=True)))


@router.delete("/chat/{room:room}", responses=writes("close"))
async def close_conversation(room: RoomPath, wishes: Wishes) -> Applied:
    """Close a conversation. It may still be read, and nothing is written to it again."""
    return Applied.of(await wishes.decide(Close, room))


@router.put("/chat/{room:room}/status", responses=writes("set_status", body=True))
async def set_status(room: RoomPath, body: StatusRequest, wishes: Wishes) -> Applied:
    """Say how available the caller is. It lasts as long as a connection of theirs is there."""
    return Applied.of(await wishes.decide(SetStatus, room, **body.model_dump()))


@router.post("/chat/{room:room}/join", responses=writes("join", body=True))
async def join_conversation(room: RoomPath, wishes: Wishes, body: JoinRequest | None = None) -> Joined:
    """Become a member. A conversation that is not public wants an invite."""
    wish = body or JoinRequest()
    check_speaks_for_self(wishes.user, wish.user_id, wish.participant)
    await wishes.decide(Join, room, invite=wish.invite)
    told = None
    with suppress(Refusal):  # history may be away: that takes nothing back
        told = await whole_conversation(wishes, room)
    return Joined(conversation_id=room, participant_id=wishes.user, conversation=told)


@router.delete("/chat/{room:room}/leave", responses=writes("leave"))
async def leave_conversation(room: RoomPath, wishes: Wishes, successor: Successor = None) -> Left:
    """Stop being a member. The last owner names a successor, or is the last member."""
    before = await _counted(wishes, room)
    accepted = await wishes.decide(Leave, room, successor=successor)
    after = await _counted_behind(wishes, accepted)
    remaining = before if after is None else after
    archived = None if remaining is None else remaining == 0
    return Left(conversation_id=room, remaining_participants=remaining, conversation_archived=archived)


async def whole_conversation(asks: Asking, room: RoomId) -> FullConversation:
    """A room with its members and messages, for one of them.

    Raises:
        Refusal: it is not there, or not for the user.
    """
    known = {"room": room, "actor": asks.user, "through_seq": asks.through(room)}
    found, members, page = await asyncio.gather(
        asks.ask(make(RoomQuery, **known), RoomAnswer),
        asks.ask(make(MembersQuery, **known), MembersAnswer),
        asks.ask(make(PageQuery, limit=MESSAGES_SHOWN, messages=True, **known), PageAnswer),
    )
    if found.view.role is None:
        raise refuse(Code.ROOM_NOT_FOUND)
    here = asks.gate.users_here(room)
    return FullConversation.whole(found.view, participants_of(members, here), messages_of(page.events))


async def _counted(wishes: Wishing, room: RoomId) -> int | None:
    """How many remain once the caller, who is a member now, is gone; None where that cannot be learned."""
    query = RoomQuery(room=room, actor=wishes.user, through_seq=wishes.through(room))
    found = await wishes.gate.query(query)
    if not isinstance(found, RoomAnswer) or found.view.role is None:
        return None
    return max(0, found.view.member_count - 1)


async def _counted_behind(wishes: Wishing, left: Accepted) -> int | None:
    """How many are there behind the leaving; None for a room that is now hidden from who left it."""
    found = await wishes.gate.query(RoomQuery(room=left.room, actor=wishes.user, through_seq=left.seq))
    return found.view.member_count if isinstance(found, RoomAnswer) and found.view.role is None else None
