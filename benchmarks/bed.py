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
from infra.process import is_alive, stop_process

FOLDER = PROJECT / ".run" / "bench"
LOGS = FOLDER / "logs"
BROKER_TRIES = 3
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
        node = _broker(ending)
        store_node = StoreNode(FOLDER / "store", LOGS / "store.log", free_port(store.DEFAULT_PORT))
        ending.callback(stop_process, store_node.start())
        if not wait_until(store_node.is_ready, store.READY_SECONDS):
            raise TimeoutError(f"the store is not ready: see {LOGS}")
        yield Nodes(node.amqp_url, store_node.mongo_url, node.management_url)


def _broker(ending: ExitStack) -> BrokerNode:
    """A broker that answers. One that ends at once met a port which another program took meanwhile: once more."""
    for _ in range(BROKER_TRIES):
        node = BrokerNode(FOLDER / "broker", LOGS / "broker.log", broker.free_ports(), kept_credentials(FOLDER).broker)
        ending.callback(stop_process, node.start_names())
        process = node.start()
        ending.callback(stop_process, process)
        wait_until(lambda: not is_alive(process) or node.is_ready(), broker.READY_SECONDS)  # noqa: B023 - waited for here
        if is_alive(process) and node.is_ready():
            return node
    raise TimeoutError(f"the broker is not ready: see {LOGS}")


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
