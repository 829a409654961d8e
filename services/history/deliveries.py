"""A delivery of a history queue, read as what it is: an entry of the log, a barrier query, or neither. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from schemas import routes
from schemas.errors import ParkReason
from schemas.events import Logged, Receipt, decode_logged
from schemas.queries import BARRIER, Barrier
from services.history.discretion import complaint


@dataclass(frozen=True, slots=True)
class Entry:
    """An event or a state record, with its writer's fence."""

    logged: Logged


@dataclass(frozen=True, slots=True)
class Asked:
    """A barrier query: everything before it in the queue is to be stored before it is answered.

    `name` is the same whenever this delivery comes again, and no other's.
    """

    query: Barrier
    name: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can only be set aside."""

    reason: ParkReason
    detail: str


Content = Entry | Asked | Garbage


def read_delivery(key: str, body: bytes, reply_to: str | None, correlation_id: str | None) -> Content:
    """Read a delivery. Its routing key must be the one that `schemas.routes` gives to its body."""
    try:
        if key.startswith("query."):
            return _asked(key, BARRIER.validate_json(body), reply_to, correlation_id)
        return _entry(key, decode_logged(body))
    except ValidationError as error:
        return Garbage(ParkReason.MALFORMED, complaint(error))


def _entry(key: str, logged: Logged) -> Content:
    entry = logged.entry
    name = entry.record if isinstance(entry, Receipt) else entry.event
    return Entry(logged) if key == routes.log_key(entry.room, name) else _misrouted(key)


def _asked(key: str, query: Barrier, reply_to: str | None, correlation_id: str | None) -> Content:
    if key != routes.query_key(query.room):
        return _misrouted(key)
    if not reply_to or not correlation_id:
        return Garbage(ParkReason.MALFORMED, "a query names where its answer goes, and which it is")
    return Asked(query, f"{reply_to} {correlation_id}")


def _misrouted(key: str) -> Garbage:
    return Garbage(ParkReason.MISROUTED, f"the routing key {key!r} does not match the body")
