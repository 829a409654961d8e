"""Reads over the WebSocket: the query behind a frame, and the frame behind an answer. Pure."""

from __future__ import annotations

from typing import assert_never

from schemas.answers import FrameNumber, Refused
from schemas.errors import Code
from schemas.frames import Found, HistoryFrame, Members, MembersFrame, Page, Rooms, RoomsFrame, SearchFrame
from schemas.ids import UserId
from schemas.model import Model
from schemas.queries import (
    MembersAnswer,
    MembersQuery,
    MyRoomsQuery,
    PageAnswer,
    PageQuery,
    Query,
    QueryAnswer,
    RoomsAnswer,
    RoomsQuery,
    SearchAnswer,
    SearchQuery,
)

ReadFrame = HistoryFrame | RoomsFrame | MembersFrame | SearchFrame


def query_of(frame: ReadFrame, user: UserId, through_seq: int | None) -> Query:
    """What a user asks history; a page includes everything up to `through_seq`, which is what they wrote themselves."""
    match frame:
        case HistoryFrame(room=room, after=after, before=before, limit=limit):
            return PageQuery(room=room, actor=user, after=after, before=before, limit=limit, through_seq=through_seq)
        case RoomsFrame(directory=True):
            return RoomsQuery(actor=user, limit=frame.limit)
        case RoomsFrame():
            return MyRoomsQuery(actor=user, limit=frame.limit)
        case MembersFrame():
            return MembersQuery(room=frame.room, actor=user, after=frame.after, limit=frame.limit)
        case SearchFrame():
            return SearchQuery(actor=user, query=frame.query, room=frame.room, limit=frame.limit)
        case _:
            assert_never(frame)


def frame_of(answer: QueryAnswer, frame_id: FrameNumber | None) -> Model:
    """The frame that carries the answer to a read."""
    match answer:
        case PageAnswer():
            return Page(id=frame_id, room=answer.room, epoch=answer.epoch, head=answer.head, events=answer.events)
        case RoomsAnswer():
            return Rooms(id=frame_id, rooms=answer.rooms, total=answer.total)
        case MembersAnswer():
            return Members(id=frame_id, room=answer.room, members=answer.members, total=answer.total, next=answer.next)
        case SearchAnswer():
            return Found(id=frame_id, events=answer.events)
        case Refused():
            return answer.model_copy(update={"id": frame_id})
        case _:
            return Refused.of(Code.INTERNAL, id=frame_id)
