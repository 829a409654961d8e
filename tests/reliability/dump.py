"""What is there in the end: every stored event, and everything that was parked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import aio_pika
import pymongo

from schemas import routes
from tests.reliability.checks.anomalies import Place, Stored
from tests.reliability.checks.membership import InviteEvent


def stored_events(mongo_url: str, rooms: Iterable[str] | None = None) -> list[Stored]:
    """Every stored event, or those of these rooms only."""
    wanted = {} if rooms is None else {"room": {"$in": list(rooms)}}
    with pymongo.MongoClient(mongo_url) as store:
        rows = [_as_pushed(row) for row in store.get_default_database()["events"].find(wanted)]
    return [
        Stored(
            row["room"],
            row["epoch"],
            row["seq"],
            row["actor"],
            row["command_id"],
            row["event"],
            row.get("text"),
            row.get("user"),
            row["fence"],
            row.get("message_id"),
            row,
        )
        for row in rows
    ]


def _as_pushed(row: dict[str, Any]) -> dict[str, Any]:
    """Metadata are stored as a text."""
    return row | {"metadata": json.loads(row["metadata"])} if isinstance(row.get("metadata"), str) else row


def stored_marks(mongo_url: str, rooms: Iterable[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """How far each (user, room) of these rooms has read and received."""
    with pymongo.MongoClient(mongo_url) as store:
        rows = store.get_default_database()["members"].find({"room": {"$in": list(rooms)}})
        return {(row["user"], row["room"]): (row["read"], row["delivered"]) for row in rows}


def stored_places(mongo_url: str) -> set[Place]:
    """Where something is stored: much less to fetch."""
    with pymongo.MongoClient(mongo_url) as store:
        rows = store.get_default_database()["events"].find({}, {"_id": 0, "room": 1, "seq": 1})
        return {(row["room"], row["seq"]) for row in rows}


def invite_events(mongo_url: str, rooms: Iterable[str]) -> list[InviteEvent]:
    """Every stored event of these rooms by which an invite was made or used."""
    wanted = {"event": {"$in": ["invite_created", "member_joined"]}, "invite": {"$type": "string"}}
    with pymongo.MongoClient(mongo_url) as store:
        rows = list(store.get_default_database()["events"].find({"room": {"$in": list(rooms)}, **wanted}))
    return [InviteEvent(row["room"], row["seq"], row["invite"], row.get("user"), row.get("max_uses")) for row in rows]


async def parked_reasons(amqp_url: str) -> Counter[str]:
    """Why deliveries were parked; they stay where they are. What the broker parked by itself says `delivery_limit`."""
    reasons: Counter[str] = Counter()
    async with await aio_pika.connect(amqp_url, timeout=10) as connection:
        channel = await connection.channel()
        parked = await channel.get_queue(routes.PARKED_QUEUE, ensure=False)
        while (delivery := await parked.get(fail=False, timeout=10)) is not None:
            reasons[str(delivery.headers.get("x-park-reason", "delivery_limit"))] += 1
    return reasons
