"""The system under measure: a broker and a store of our own, and workers of ours beside them, limits out of the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from infra.deadline import wait_until
from infra.local import broker, store
from infra.local.broker import BrokerNode
from infra.local.credentials import kept_credentials
from infra.local.endpoints import Endpoints
from infra.local.ports import free_port
from infra.local.settings import StackSettings
from infra.local.stack import down, up
from infra.local.store import StoreNode
from infra.local.workers import PROJECT
from infra.process import stop_process

FOLDER = PROJECT / ".run" / "bench"
LOGS = FOLDER / "logs"
PLENTY = "1000000"
UNLIMITED = {
    "GATEHOUSE_LOG_LEVEL": "warning",
    "GATEHOUSE_PING_SECONDS": "300",
    **{
        f"GATEHOUSE_{name}": PLENTY
        for name in (
            "COMMAND_RATE",
            "COMMAND_BURST",
            "USER_RATE",
            "USER_BURST",
            "CONNECTIONS_PER_GATE",
            "CONNECTIONS_PER_ADDRESS",
            "CONNECTS_PER_ADDRESS_RATE",
            "CONNECTS_PER_ADDRESS_BURST",
            "CONNECTIONS_PER_USER",
            "IN_FLIGHT_PER_USER",
            "IN_FLIGHT_PER_CONNECTION",
            "IN_FLIGHT_PER_GATE",
        )
    },
}
"""Rates and counts that would measure themselves, and heartbeats that would stand in the way of short runs."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """A broker and a store that run."""

    amqp_url: str
    mongo_url: str
    management_url: str


@contextmanager
def nodes() -> Iterator[Nodes]:
    """Start a broker and a store of our own, and end them.

    Raises:
        TimeoutError: one of them does not become ready.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ending:
        node = BrokerNode(FOLDER / "broker", LOGS / "broker.log", broker.free_ports(), kept_credentials(FOLDER).broker)
        ending.callback(stop_process, node.start_names())
        ending.callback(stop_process, node.start())
        store_node = StoreNode(FOLDER / "store", LOGS / "store.log", free_port(store.DEFAULT_PORT))
        ending.callback(stop_process, store_node.start())
        for what, is_ready in (("broker", node.is_ready), ("store", store_node.is_ready)):
            if not wait_until(is_ready, broker.READY_SECONDS):
                raise TimeoutError(f"the {what} is not ready: see {LOGS}")
        yield Nodes(node.amqp_url, store_node.mongo_url, node.management_url)


@contextmanager
def stack(
    base: Nodes, *, gates: int = 1, rooms: int = 1, histories: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[Endpoints]:
    """Bring up so many fresh workers, and end them."""
    told = UNLIMITED | dict(environment or {})
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    settings = StackSettings(
        folder=FOLDER / "workers",
        gates=gates,
        rooms=rooms,
        histories=histories,
        demo=False,
        amqp_url=base.amqp_url,
        mongo_url=base.mongo_url,
    )
    try:
        yield up(settings)
    finally:
        down(settings.folder)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
