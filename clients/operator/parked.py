"""A delivery of `chat.parked`: what it is, why it is there, and what replaying it means. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from schemas import routes
from schemas.errors import ParkReason

LOOKED_AT: Final = 10_000
"""Deliveries looked at in one go. What lies behind them is reached when they are gone."""
ID_DIGITS: Final = 12
COMMAND_EXCHANGES: Final = frozenset({routes.COMMANDS, routes.INBOX})
ADDED: Final = ("x-park-", "x-death", "x-first-death-", "x-last-death-", "x-delivery-count")
"""Beginnings of the headers that parking and the broker added."""
FINAL_REASONS: Final[Mapping[str, str]] = {
    ParkReason.STALE_FENCE: "a former writer of the room wrote it: it would only come back",
    ParkReason.CONFLICT: "another entry is stored at its place: it would only come back",
}


@dataclass(frozen=True, slots=True)
class Parked:
    """One delivery as it lies there.

    Attributes:
        id: the same whenever one looks; deliveries of one content, reason and moment share it.
        reason, detail: why it was parked; for the broker's own dead letters the reason is the broker's word.
        exchange, key: where it came from; the exchange is empty where nothing says it.
        at: when it was parked, absent where nothing says it.
        headers: all of them, as they are.
        size: of the body, in bytes, also where the body itself was left out.
    """

    id: str
    reason: str
    detail: str
    exchange: str
    key: str
    at: datetime | None
    headers: Mapping[str, Any]  # Any: an AMQP field table
    body: bytes
    size: int

    def without_body(self) -> Parked:
        """The same for those who keep many."""
        return replace(self, body=b"")


def read_parked(
    key: str,
    body: bytes,
    headers: Mapping[str, Any],  # Any: an AMQP field table
    at: datetime | None,
) -> Parked:
    """Read a delivery; `at` is the moment in its properties, if there is one."""
    if "x-park-reason" in headers:
        reason, detail, exchange = (_text(headers.get(f"x-park-{name}")) for name in ("reason", "detail", "exchange"))
        count = ""
    else:
        death = _last_death(headers)
        reason, exchange, count = (_text(death.get(name)) for name in ("reason", "exchange", "count"))
        detail = f"dead-lettered by {_text(death.get('queue')) or 'the broker'}"
        at = moment if isinstance(moment := death.get("time"), datetime) else at
    known = (key, exchange, reason, detail, count, at.isoformat() if at else "")
    return Parked(_digest(known, body), reason or "unknown", detail, exchange, key, at, headers, body, len(body))


def is_chosen(parked: Parked, ids: Iterable[str], reason: str | None) -> bool:
    """Whether a delivery is meant: by one of the ids, where any are given, and by the reason, where one is."""
    named = tuple(ids)
    return (not named or parked.id in named) and reason in (None, parked.reason)


def why_not_replayable(parked: Parked) -> str | None:
    """What is in the way of replaying it, in words; None when nothing is."""
    if not parked.exchange:
        return "nothing says where it came from"
    if parked.exchange == routes.INBOX:
        return "the broker vouches for who sends to chat.inbox, so only its sender can send it again"
    if parked.exchange == routes.LOG and parked.key.startswith("query."):
        return "it is a room worker's question, and who asked waits no longer"
    return FINAL_REASONS.get(parked.reason)


def body_to_replay(parked: Parked) -> bytes:
    """The body as it was; a command says that it may have been applied before, so that it is applied once (I2)."""
    if parked.exchange not in COMMAND_EXCHANGES:
        return parked.body
    try:
        fields = json.loads(parked.body)
    except ValueError:
        return parked.body
    if not isinstance(fields, dict) or fields.get("retry") is True:
        return parked.body
    return json.dumps({**fields, "retry": True}, ensure_ascii=False, separators=(",", ":")).encode()


def headers_to_replay(parked: Parked) -> dict[str, Any]:  # Any: an AMQP field table
    """The headers it had before it was set aside."""
    return {name: value for name, value in parked.headers.items() if not name.startswith(ADDED)}


def _last_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:  # Any: an AMQP field table
    """The broker puts the latest first."""
    match headers.get("x-death"):
        case [dict() as death, *_]:
            return death
        case _:
            return {}


def _text(value: Any) -> str:  # Any: what an AMQP field holds
    return "" if value is None else str(value)


def _digest(known: tuple[str, ...], body: bytes) -> str:
    parts = (*(part.encode(errors="replace") for part in known), body)
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()[:ID_DIGITS]
