"""What `chat.parked` holds: a delivery as it came, with headers that say why it could not be settled."""

from __future__ import annotations

from typing import Any

from schemas.errors import ParkReason


def parked_headers(reason: ParkReason, detail: str, exchange: str) -> dict[str, Any]:  # Any: an AMQP field table
    """The headers added to a parked delivery; its routing key and body stay as they were."""
    return {"x-park-reason": reason.value, "x-park-detail": detail[:500], "x-park-exchange": exchange}
