"""Answers to barrier queries: asked in the log's own queue, so everything logged before is in them (design §5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from schemas.answers import Refused
from schemas.errors import Code
from schemas.parts import cut
from schemas.queries import (
    HoleQuery,
    LookupAnswer,
    LookupQuery,
    PageAnswer,
    QueryAnswer,
    SnapshotAnswer,
    SnapshotQuery,
    TargetAnswer,
    TargetQuery,
)
from schemas.state import Snapshot
from services.history.deliveries import Asked
from services.history.pages import fitting, window_of
from services.history.store import Store


async def answer_barrier(store: Store, asked: Asked, now: datetime) -> Sequence[QueryAnswer]:
    """Answer a query whose turn in the queue has come: with one answer, or with the parts of one, to be sent in order.

    Raises:
        StoreUnavailable: ask again; no second fence is raised for the same query.
    """
    match asked.query:
        case SnapshotQuery():
            return await _snapshot(store, asked.query, asked.name, now)
        case LookupQuery(room=room, actor=actor, command_id=command_id):
            return [LookupAnswer(answer=await store.lookup(room, actor, command_id))]
        case TargetQuery():
            return [await _target(store, asked.query)]
        case HoleQuery():
            return [await _hole(store, asked.query)]
        case _:
            assert_never(asked.query)


async def _snapshot(store: Store, query: SnapshotQuery, name: str, now: datetime) -> list[SnapshotAnswer]:
    fence = await store.raise_fence(query.room, name, now)
    loaded = await store.snapshot(query.room)
    if loaded is None:
        return cut(Snapshot(room=query.room, fence=fence))
    return cut(Snapshot(room=query.room, fence=fence, state=loaded.state, recent=loaded.recent))


async def _target(store: Store, query: TargetQuery) -> TargetAnswer:
    facts = await store.target(query.room, query.seq, query.actor)
    return TargetAnswer() if facts is None else TargetAnswer(message=facts.message, reacted=facts.reacted)


async def _hole(store: Store, query: HoleQuery) -> PageAnswer | Refused:
    room = await store.room(query.room)
    if room is None:
        return Refused.of(Code.ROOM_NOT_FOUND)
    events = fitting(await store.page(room, window_of(query, room.seq)), newest=False)
    return PageAnswer(room=room.room, epoch=room.epoch, head=room.seq, events=events)
