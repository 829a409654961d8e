"""What a one-machine stack is asked to be."""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field

from infra.local.workers import PROJECT, SERVICES_COMMAND

Count = Annotated[int, Field(ge=0, le=64)]

# GATEHOUSE_GATES and GATEHOUSE_JWT_SECRET are lines of endpoints.env, which people source: never read back here.
ENVIRONMENT = {
    "amqp_url": "GATEHOUSE_AMQP_URL",
    "mongo_url": "GATEHOUSE_MONGO_URL",
    "shards": "GATEHOUSE_SHARDS",
    "demo": "GATEHOUSE_DEMO",
    "log_level": "GATEHOUSE_LOG_LEVEL",
}


class StackSettings(BaseModel, frozen=True, extra="forbid"):
    """How many workers of each kind, where state and logs are kept, and which broker and store to use.

    `amqp_url` and `mongo_url` name a broker and a store of yours; without them the embedded ones are started.
    """

    gates: Count = 1
    rooms: Count = 1
    histories: Count = 1
    folder: Path = PROJECT / ".run"
    amqp_url: str | None = None
    mongo_url: str | None = None
    shards: int = Field(default=8, ge=1, le=64)
    demo: bool = True
    log_level: str | None = None
    ready_seconds: float = Field(default=60.0, gt=0)
    command: tuple[str, ...] = SERVICES_COMMAND

    @classmethod
    def from_environment(cls, *, gates: int = 1, rooms: int = 1, histories: int = 1) -> Self:
        """The counts as asked, the rest from the variables of ENVIRONMENT that are set."""
        given = {field: os.environ[name] for field, name in ENVIRONMENT.items() if os.environ.get(name)}
        return cls.model_validate({"gates": gates, "rooms": rooms, "histories": histories, **given})
