"""Messages: written, read, found, changed, taken away, reacted to, and marked as read."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from schemas.commands import Delete, Edit, MarkDelivered, MarkRead, React, Send, Typing, Unreact
from schemas.errors import Code
from schemas.events import MessagePosted
from schemas.ids import RoomId, RoomIdField
from schemas.queries import MessageAnswer, MessageQuery, PageAnswer, PageQuery, SearchAnswer, SearchQuery
from services.gateway.doors.problems import refuse
from services.gateway.doors.rest.asking import Asking, Asks, Wishes, make
from services.gateway.doors.rest.creating import check_speaks_for_self
from services.gateway.doors.rest.models.messages import (
    EditRequest,
    Found,
    MarkRequest,
    Message,
    MessagePage,
    MessageRequest,
    Sent,
    TypingRequest,
    messages_of,
    was_written_before,
)
from services.gateway.doors.rest.models.rooms import Applied
from services.gateway.doors.rest.operations import make_router, reads, writes
from services.gateway.doors.rest.paging import Pages, message_moves
from services.gateway.doors.rest.paths import (
    AfterSeq,
    BeforeSeq,
    EmojiPath,
    Limit,
    MessagePath,
    PageLimit,
    RoomPath,
    Words,
)

router = make_router("messages")


@router.post("/chat/{room:room}/message", responses=writes("send", also=[Code.NOT_ALLOWED], body=True))
async def send_message(room: RoomPath, body: MessageRequest, wishes: Wishes) -> Sent:
    """Write a message. The same `Idempotency-Key`, or `message_id`, never makes a second one."""
    check_speaks_for_self(wishes.user, body.sender_id, None)
    before = wishes.through(room)
    accepted = await wishes.decide(
        Send,
        room,
        command_id=body.message_id or wishes.command_id,
        text=body.content,
        **body.model_dump(include={"kind", "metadata", "reply_to", "mentions"}),
    )
    named = wishes.named or body.message_id is not None
    repeated = was_written_before(accepted, written_through=before, named_by_client=named)
    return Sent.of(accepted, is_duplicate=repeated)


@router.get("/chat/search", responses=reads(Code.ROOM_NOT_FOUND))
async def search_messages(
    asks: Asks,
    query: Words,
    room: Annotated[RoomIdField | None, Query(description="Look in this conversation only.")] = None,
    limit: Limit = 20,
) -> Found:
    """Find messages by their words. In one conversation, or in those of the caller that were written to last."""
    through = asks.through(room) if room is not None else None
    wanted = make(SearchQuery, actor=asks.user, query=query, room=room, limit=limit, through_seq=through)
    found = await asks.ask(wanted, SearchAnswer)
    return Found(messages=messages_of(found.events))


@router.get("/chat/{room:room}/messages", responses=reads(Code.ROOM_NOT_FOUND, paged=True))
async def list_messages(
    room: RoomPath,
    asks: Asks,
    pages: Pages,
    after: AfterSeq = None,
    before: BeforeSeq = None,
    limit: PageLimit = 50,
) -> MessagePage:
    """List messages, oldest first. Those after `after`, the last ones before `before`, or the newest."""
    query = make(
        PageQuery,
        room=room,
        actor=asks.user,
        after=after,
        before=before,
        limit=limit,
        messages=True,
        through_seq=asks.through(room),
    )
    page = MessagePage.of(await asks.ask(query, PageAnswer))
    pages.link(message_moves(page, limit))
    return page


@router.get("/chat/{room:room}/messages/{message}", responses=reads(Code.ROOM_NOT_FOUND, Code.MESSAGE_NOT_FOUND))
async def get_message(room: RoomPath, message: MessagePath, asks: Asks) -> Message:
    """Get one message as it is now."""
    return Message.of(await _found(asks, room, message))


@router.patch("/chat/{room:room}/messages/{message}", responses=writes("edit", body=True))
async def edit_message(room: RoomPath, message: MessagePath, body: EditRequest, wishes: Wishes) -> Applied:
    """Replace the text of a message. One's own, or a moderator's of somebody of lower standing."""
    seq = await _seq_of(wishes, room, message)
    return Applied.of(await wishes.decide(Edit, room, seq=seq, text=body.content))


@router.delete("/chat/{room:room}/messages/{message}", responses=writes("delete"))
async def delete_message(room: RoomPath, message: MessagePath, wishes: Wishes) -> Applied:
    """Take the text of a message away for good. Its place stays."""
    return Applied.of(await wishes.decide(Delete, room, seq=await _seq_of(wishes, room, message)))


@router.put("/chat/{room:room}/messages/{message}/reactions/{emoji}", responses=writes("react"))
async def add_reaction(room: RoomPath, message: MessagePath, emoji: EmojiPath, wishes: Wishes) -> Applied:
    """Put a reaction to a message. The same twice changes nothing."""
    seq = await _seq_of(wishes, room, message)
    return Applied.of(await wishes.decide(React, room, seq=seq, emoji=emoji))


@router.delete("/chat/{room:room}/messages/{message}/reactions/{emoji}", responses=writes("unreact"))
async def remove_reaction(room: RoomPath, message: MessagePath, emoji: EmojiPath, wishes: Wishes) -> Applied:
    """Take one's reaction back."""
    seq = await _seq_of(wishes, room, message)
    return Applied.of(await wishes.decide(Unreact, room, seq=seq, emoji=emoji))


@router.post("/chat/{room:room}/read", responses=writes("mark_read", body=True))
async def mark_read(room: RoomPath, body: MarkRequest, wishes: Wishes) -> Applied:
    """Mark everything up to a message as read. The mark only grows."""
    return Applied.of(await wishes.decide(MarkRead, room, seq=body.seq))


@router.post("/chat/{room:room}/delivered", responses=writes("mark_delivered", body=True))
async def mark_delivered(room: RoomPath, body: MarkRequest, wishes: Wishes) -> Applied:
    """Mark everything up to a message as received. The mark only grows."""
    return Applied.of(await wishes.decide(MarkDelivered, room, seq=body.seq))


@router.post("/chat/{room:room}/typing", responses=writes("typing", body=True))
async def set_typing(room: RoomPath, wishes: Wishes, body: TypingRequest | None = None) -> Applied:
    """Say that the caller is writing, or no longer. Never stored, and forgotten after some seconds."""
    return Applied.of(await wishes.decide(Typing, room, active=(body or TypingRequest()).active))


async def _seq_of(asks: Asking, room: RoomId, message: str) -> int:
    """The place of a message, which commands want; one that is named by its id is looked up."""
    return int(message) if message.isdecimal() else (await _found(asks, room, message)).seq


async def _found(asks: Asking, room: RoomId, message: str) -> MessagePosted:
    """The message that a path names.

    Raises:
        Refusal: there is none, or it is not for the user.
    """
    known = {"room": room, "actor": asks.user, "through_seq": asks.through(room)}
    if not message.isdecimal():
        return (await asks.ask(make(MessageQuery, message_id=message, **known), MessageAnswer)).event
    seq = int(message)
    query = make(PageQuery, after=seq - 1, before=seq + 1, limit=1, messages=True, **known)
    for event in (await asks.ask(query, PageAnswer)).events:
        if isinstance(event, MessagePosted) and event.seq == seq:
            return event
    raise refuse(Code.MESSAGE_NOT_FOUND)
