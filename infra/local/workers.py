"""Our three services as processes: what each is told through its environment, and when it counts as ready."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import httpx

from infra.local.ports import HOST
from infra.process import Process, start_process

PROJECT = Path(__file__).resolve().parents[2]
# The working folder may hold anything: only the installed `services` package is meant.
SERVICES_COMMAND = (sys.executable, "-P", "-m", "services")


class Kind(StrEnum):
    ROOM = "room"
    HISTORY = "history"
    GATEWAY = "gateway"


FIRST_PORTS = {Kind.GATEWAY: 8080, Kind.ROOM: 9101, Kind.HISTORY: 9201}
SHARED_PORT = 8090


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What all workers of a stack share; `environment` overrides everything else they are told.

    `shared_port`: where all gates listen beside their own ports; None leaves each alone.
    `own_amqp_urls`: of kinds that log in at the broker by themselves.
    """

    amqp_url: str
    mongo_url: str
    jwt_secret: str
    shards: int
    demo: bool
    log_level: str | None
    shared_port: int | None = None
    own_amqp_urls: Mapping[Kind, str] = field(default_factory=dict)
    command: tuple[str, ...] = SERVICES_COMMAND
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of one service on one port."""

    kind: Kind
    port: int
    log: Path

    @property
    def url(self) -> str:
        """A gateway's only address; a room's or history's operations address."""
        return f"http://{HOST}:{self.port}"

    def start(self, settings: WorkerSettings) -> Process:
        return start_process([*settings.command, self.kind], self._environment(settings), self.log)

    def is_ready(self) -> bool:
        return answers_ready(self.url)

    def _environment(self, settings: WorkerSettings) -> dict[str, str]:
        own = {
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
            "GATEHOUSE_AMQP_URL": settings.own_amqp_urls.get(self.kind, settings.amqp_url),
            "GATEHOUSE_MONGO_URL": settings.mongo_url,
            "GATEHOUSE_JWT_SECRET": settings.jwt_secret,
            "GATEHOUSE_SHARDS": str(settings.shards),
            "GATEHOUSE_DEMO": "1" if settings.demo else "0",
        }
        if settings.log_level is not None:
            own["GATEHOUSE_LOG_LEVEL"] = settings.log_level
        return {**os.environ, **own, **self._address(settings.shared_port), **settings.environment}

    def _address(self, shared_port: int | None) -> dict[str, str]:
        match self.kind:
            case Kind.GATEWAY:
                shared = {} if shared_port is None else {"GATEHOUSE_SHARED_PORT": str(shared_port)}
                return {"GATEHOUSE_HTTP_HOST": HOST, "GATEHOUSE_HTTP_PORT": str(self.port)} | shared
            case Kind.ROOM | Kind.HISTORY:
                return {"GATEHOUSE_OPS_HOST": HOST, "GATEHOUSE_OPS_PORT": str(self.port)}
            case never:
                assert_never(never)


def answers_ready(url: str) -> bool:
    """Whether who listens there says that it is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
