"""What the history service is told at its start."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from services.runtime.settings import Port, Seconds, ServiceSettings


def _names_database(url: str) -> str:
    if not urlsplit(url).path.strip("/"):
        raise ValueError("the store's URL names no database in its path")
    return url


class HistorySettings(ServiceSettings):
    """Settings of a history worker.

    Attributes:
        mongo_url: the store, with the database in the path.
        store_timeout_seconds: the bound of every single wait for the store.
        history_batch, history_linger_seconds: a batch is written when it has so many deliveries, or is so old, or
            somebody asks for what stands behind it.
        history_prefetch: deliveries of one shard in memory; the queue keeps the rest.
        history_queries: reads in progress at a time.
        history_through_seconds: how long a read waits for a seq that is not stored yet.
        retention_seconds: how often messages are looked for that their room has kept for long enough.
    """

    ops_port: Port = 9201
    mongo_url: Annotated[str, AfterValidator(_names_database)]
    store_timeout_seconds: Seconds = 10
    history_batch: Annotated[int, Field(ge=1, le=10_000)] = 200
    history_linger_seconds: Annotated[float, Field(ge=0, le=10)] = 0.02
    history_prefetch: Annotated[int, Field(ge=1, le=60_000)] = 1_000
    history_queries: Annotated[int, Field(ge=1, le=10_000)] = 64
    history_through_seconds: Seconds = 2
    retention_seconds: Seconds = 3600
