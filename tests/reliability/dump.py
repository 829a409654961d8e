"""What is there in the end: every stored event, and everything that was parked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import aio_pika
import pymongo

from schemas import routes
from tests.reliability.checks.anomalies import Stored


def stored_events(mongo_url: str, rooms: Iterable[str]) -> list[Stored]:
    """Every stored event of these rooms."""
    with pymongo.MongoClient(mongo_url) as store:
        rows = list(store.get_default_database()["events"].find({"room": {"$in": list(rooms)}}))
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
        )
        for row in rows
    ]


async def parked_reasons(amqp_url: str) -> Counter[str]:
    """Why deliveries were parked; they stay where they are. What the broker parked by itself says `delivery_limit`."""
    reasons: Counter[str] = Counter()
    async with await aio_pika.connect(amqp_url, timeout=10) as connection:
        channel = await connection.channel()
        parked = await channel.get_queue(routes.PARKED_QUEUE, ensure=False)
        while (delivery := await parked.get(fail=False, timeout=10)) is not None:
            reasons[str(delivery.headers.get("x-park-reason", "delivery_limit"))] += 1
    return reasons
