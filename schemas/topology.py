"""The durable exchanges, queues and bindings of the broker as data (design §2). Each service declares all of it, so
that none depends on another having been there first. Private queues of one process are not here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from schemas import routes

ExchangeKind = Literal["topic", "direct", "fanout"]

DELIVERY_LIMIT: Final = 20
"""How often a delivery may come back before the broker dead-letters it; also RabbitMQ 4's own default."""

INBOX_DELIVERY_LIMIT: Final = 100
"""What waits for a full shard comes back every 20 minutes, and cannot be replayed once it is parked: more than a day.
Without any limit what no gate can read would come back for ever, for it ends the connection of each that takes it."""
NO_DELIVERY_LIMIT: Final = 1_000_000_000
"""What was accepted stays in the log however often its writers die; they park poison themselves."""
COMMANDS_WAITING: Final = 20_000
"""Commands of one shard that wait to be taken up: seconds of work. What comes beyond is refused with `overloaded`."""
ENTRIES_WAITING: Final = 2_000_000
"""Log entries of one shard that wait to be stored: hours of a busy shard's work while MongoDB is away."""
DELIVERIES_PARKED: Final = 1_000_000
QUERY_MILLISECONDS: Final = 30_000
QUERIES_WAITING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: ExchangeKind


@dataclass(frozen=True, slots=True)
class Binding:
    """A queue that listens to an exchange."""

    exchange: str
    key: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue with its arguments."""

    name: str
    arguments: dict[str, str | int | bool]
    bindings: tuple[Binding, ...]


EXCHANGES: Final = (
    Exchange(routes.COMMANDS, "topic"),
    Exchange(routes.INBOX, "topic"),
    Exchange(routes.LOG, "topic"),
    Exchange(routes.FANOUT, "topic"),
    Exchange(routes.CONTROL, "fanout"),
    Exchange(routes.QUERIES, "direct"),
    Exchange(routes.PARKED, "topic"),
)


def gate_queue_arguments(max_length: int) -> dict[str, str | int | bool]:
    """A gate's private queue: bounded, the oldest dropped first; the gate notices the hole by its seq."""
    return {"x-max-length": max_length, "x-overflow": "drop-head"}


def queues(shards: int) -> tuple[Queue, ...]:
    """All durable queues for a number of shards.

    Raises:
        ValueError: the count is no divisor of 64.
    """
    return (
        *(_room_queue(shard, shards) for shard in range(routes.check_shards(shards))),
        *(_history_queue(shard, shards) for shard in range(shards)),
        Queue(
            routes.INBOX_QUEUE,
            _worked_one_by_one(COMMANDS_WAITING, INBOX_DELIVERY_LIMIT),
            (Binding(routes.INBOX, "room.#"),),
        ),
        Queue(routes.QUERIES_QUEUE, _short_lived(), (Binding(routes.QUERIES, routes.HISTORY_KEY),)),
        Queue(routes.PARKED_QUEUE, _set_aside(), (Binding(routes.PARKED, "#"),)),
    )


def _room_queue(shard: int, shards: int) -> Queue:
    keys = (f"room.{routes.bucket_word(number)}.#" for number in routes.shard_buckets(shard, shards))
    return Queue(
        routes.room_queue(shard),
        _worked_one_by_one(COMMANDS_WAITING),
        tuple(Binding(routes.COMMANDS, key) for key in keys),
    )


def _history_queue(shard: int, shards: int) -> Queue:
    words = [routes.bucket_word(number) for number in routes.shard_buckets(shard, shards)]
    keys = [f"{kind}.{word}.#" for word in words for kind in ("room", "query")]
    return Queue(
        routes.history_queue(shard),
        _worked_one_by_one(ENTRIES_WAITING, NO_DELIVERY_LIMIT),
        tuple(Binding(routes.LOG, key) for key in keys),
    )


def _short_lived() -> dict[str, str | int | bool]:
    """Nobody waits longer for a read; one that is dropped is asked again by whoever still wants it."""
    return {"x-message-ttl": QUERY_MILLISECONDS, "x-max-length": QUERIES_WAITING, "x-overflow": "drop-head"}


def _worked_one_by_one(waiting: int, delivery_limit: int = DELIVERY_LIMIT) -> dict[str, str | int | bool]:
    """A full queue says no to its publisher: commands are refused then, and nothing that was accepted is dropped."""
    return {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-max-length": waiting,
        "x-overflow": "reject-publish",
        "x-delivery-limit": delivery_limit,
        "x-dead-letter-exchange": routes.PARKED,
        "x-dead-letter-strategy": "at-least-once",
    }


def _set_aside() -> dict[str, str | int | bool]:
    """Looked at as often as operators like; when it is full, what is poison stays with its queue's dead letters."""
    return {
        "x-queue-type": "quorum",
        "x-max-length": DELIVERIES_PARKED,
        "x-overflow": "reject-publish",
        "x-delivery-limit": NO_DELIVERY_LIMIT,
    }
