"""The room service as a process: the one place that knows all parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from uuid import uuid4

from prometheus_client import CollectorRegistry

from schemas.control import Control
from services.room.metrics import RoomMetrics
from services.room.settings import RoomSettings
from services.room.worker import Worker
from services.runtime.broker import keep_connected
from services.runtime.control import ControlPlane
from services.runtime.observe import Health, configure_logging
from services.runtime.process import run, serve_ops


async def serve(settings: RoomSettings, stopping: asyncio.Event) -> None:
    """Work until `stopping` is set; then drain and return within `drain_seconds` and the broker's time-outs."""
    name = f"room-{uuid4().hex[:12]}"
    registry, health, ended = CollectorRegistry(), Health(), asyncio.Event()
    timeout = settings.broker_timeout_seconds

    def hear(message: Control) -> Awaitable[None]:
        return worker.hear(message)

    control = ControlPlane(settings.amqp_url, name, hear, timeout_seconds=timeout, declares=settings.declares)
    worker = Worker(name, settings, RoomMetrics(registry), health, control.tell)
    async with control, asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_ops(health, registry, host=settings.ops_host, port=settings.ops_port, stopping=ended))
        starting = tasks.create_task(control.start(stopping))
        await keep_connected(
            settings.amqp_url,
            name,
            partial(worker.serve, stopping=stopping),
            stopping=stopping,
            timeout_seconds=timeout,
        )
        await starting
        ended.set()


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = RoomSettings()
    configure_logging(settings.log_level)
    run(partial(serve, settings))
