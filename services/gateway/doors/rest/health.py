"""How the service is, for whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime

from services.gateway.doors.callers import Gate
from services.gateway.doors.rest.models.health import ChatHealth, health_of
from services.gateway.doors.rest.operations import make_router, tells

router = make_router("health")


@router.get("/health/chat", responses=tells())
async def get_health(gate: Gate) -> ChatHealth:
    """See how the service is. Nothing is asked of anybody for it; `degraded` is 200 too."""
    return health_of(gate.look(), datetime.now(UTC))
