"""A stack that stands for a whole module, on a virtual host and a database of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pymongo

from tests.bed.management import Management
from tests.bed.stack import Stack, worker_settings


@asynccontextmanager
async def standing_stack(
    broker: Any, store: Any, ports: Any, folder: Any, *, gates: int = 1, environment: dict[str, str] | None = None
) -> AsyncIterator[tuple[Stack, Management]]:
    """The stack, and the broker's API for its virtual host."""
    broker.start()
    store.start()
    management = Management(broker.management_url, f"module-{secrets.token_hex(4)}", urlsplit(broker.url).username)
    management.create_vhost()
    database = f"module_{secrets.token_hex(4)}"
    settings = worker_settings(broker.url + management.vhost, f"{store.url}/{database}", environment=environment)
    stack = Stack(settings, folder, ports)
    try:
        await stack.start(gates=gates, rooms=1, histories=1)
        yield stack, management
    finally:
        await stack.stop()
        management.drop_vhost()
        management.close()
        with pymongo.MongoClient(store.url) as client:
            client.drop_database(database)
