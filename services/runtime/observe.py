"""What an operator sees of a process: structured logs, health, and metrics over HTTP."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, field

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

STALE_SECONDS = 20.0


def configure_logging(level: str) -> None:
    """JSON lines on standard error, for our own events and for those of the libraries alike."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("aio_pika", "aiormq", "uvicorn.access", "faststream"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))


@dataclass(slots=True)
class Health:
    """Ready means: every part expected has shown life not longer than `stale_seconds` ago. Times are monotonic."""

    stale_seconds: float = STALE_SECONDS
    draining: bool = False
    _beats: dict[str, float | None] = field(default_factory=dict)

    def expect(self, part: str) -> None:
        """Not ready until this part has shown life."""
        self._beats.setdefault(part, None)

    def beat(self, part: str, now: float) -> None:
        """The part showed life."""
        self._beats[part] = now

    def fail(self, part: str) -> None:
        """The part is known to be away."""
        self._beats[part] = None

    def checks(self, now: float) -> dict[str, str]:
        """Each part with `ok`, `missing` or `stale`."""
        return {part: self._judge(beat, now) for part, beat in self._beats.items()}

    def ready(self, now: float) -> bool:
        """True when every part is `ok` and the process is not draining."""
        return not self.draining and all(word == "ok" for word in self.checks(now).values())

    def _judge(self, beat: float | None, now: float) -> str:
        if beat is None:
            return "missing"
        return "ok" if now - beat <= self.stale_seconds else "stale"


def ops_routes(health: Health, registry: CollectorRegistry) -> list[Route]:
    """`/healthz` (the process is alive), `/readyz` (it can do its work; 503 when not) and `/metrics`."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        now = time.monotonic()
        ready = health.ready(now)
        word = "draining" if health.draining else "ready" if ready else "not_ready"
        return JSONResponse({"status": word, "checks": health.checks(now)}, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
