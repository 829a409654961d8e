"""What every service is told at its start. Each service adds its own; nothing else reads the environment."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas import routes
from services.runtime.observe import STALE_SECONDS

Seconds = Annotated[float, Field(gt=0, le=3600)]
Port = Annotated[int, Field(ge=0, le=65535)]


def _in_capitals(value: Any) -> Any:  # Any: whatever the environment holds
    return value.upper() if isinstance(value, str) else value


def _checked_amqp_url(value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in ("amqp", "amqps") or not address.hostname:
        raise ValueError("the broker's URL is amqp://user:password@host:port/vhost, or amqps://")
    return value


class ServiceSettings(BaseSettings):
    """Settings come from `GATEHOUSE_*` variables and are checked before anything is connected.

    Attributes:
        amqp_url: the broker, with its virtual host. `?heartbeat=SECONDS` at its end replaces the 10 seconds after which
            broker and client look for signs of life of each other.
        shards: how many command and log queues there are; the same for every service of an installation.
        declares: whether this service declares all durable exchanges and queues at every connect. If not, an operator
            loads them, the service only looks whether they are there, and needs no right to make or delete them.
        ops_host, ops_port: where `/healthz`, `/readyz` and `/metrics` are served.
        drain_seconds: how long SIGTERM may take.
        broker_timeout_seconds: the bound of every single wait for the broker.
        heartbeat_seconds: how often a worker says on `chat.control` that it lives.
    """

    model_config = SettingsConfigDict(env_prefix="GATEHOUSE_", frozen=True, extra="ignore")

    amqp_url: Annotated[str, AfterValidator(_checked_amqp_url)]
    shards: Annotated[int, AfterValidator(routes.check_shards)] = routes.DEFAULT_SHARDS
    declares: bool = True
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_in_capitals)] = "INFO"
    ops_host: str = "127.0.0.1"
    ops_port: Port = 9100
    drain_seconds: Seconds = 10
    broker_timeout_seconds: Seconds = 10
    heartbeat_seconds: Annotated[float, Field(gt=0, le=STALE_SECONDS / 2)] = 5
