"""Answers to barrier queries: asked in the log's own queue, so everything logged before is in them (design §5)."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from schemas.answers import Refused
from schemas.errors import Code
from schemas.queries import HoleQuery, LookupAnswer, LookupQuery, PageAnswer, QueryAnswer, SnapshotAnswer, SnapshotQuery
from schemas.state import Snapshot
from services.history.deliveries import Question
from services.history.pages import fitting, window_of
from services.history.store import Store


async def answer_barrier(store: Store, question: Question, now: datetime) -> QueryAnswer:
    """Answer a query whose turn in the queue has come.

    Raises:
        StoreUnavailable: ask again; no second fence is raised for the same question.
    """
    match question.query:
        case SnapshotQuery():
            return await _snapshot(store, question.query, question.name, now)
        case LookupQuery(room=room, actor=actor, command_id=command_id):
            return LookupAnswer(answer=await store.lookup(room, actor, command_id))
        case HoleQuery():
            return await _hole(store, question.query)
        case _:
            assert_never(question.query)


async def _snapshot(store: Store, query: SnapshotQuery, name: str, now: datetime) -> SnapshotAnswer:
    fence = await store.raise_fence(query.room, name, now)
    loaded = await store.snapshot(query.room)
    if loaded is None:
        return SnapshotAnswer(snapshot=Snapshot(room=query.room, fence=fence))
    return SnapshotAnswer(snapshot=Snapshot(room=query.room, fence=fence, state=loaded.state, recent=loaded.recent))


async def _hole(store: Store, query: HoleQuery) -> PageAnswer | Refused:
    room = await store.room(query.room)
    if room is None:
        return Refused.of(Code.ROOM_NOT_FOUND)
    events = fitting(await store.page(room, window_of(query, room.seq)), newest=False)
    return PageAnswer(room=room.room, epoch=room.epoch, head=room.seq, events=events)
