"""What there is to break, as a nemesis sees it: workers, the wires between them, their clocks, broker and store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.local.workers import Kind
from tests.bed.ports import Ports
from tests.bed.stack import Stack
from tests.reliability.nemesis.wires import Wire

CLIENTS = "clients"
STORE = "store"


@dataclass(frozen=True, slots=True)
class Places:
    """`wires` by what they join: a kind of worker with the broker, `store` history workers with the store, `clients`
    clients with gates; each in the order of the workers. `clocks` are files that say by how many seconds a worker's
    clock is wrong."""

    stack: Stack
    broker: Any
    store: Any
    management: Any
    amqp_url: str
    wires: Mapping[str, list[Wire]]
    clocks: Mapping[Kind, list[Path]]

    def services(self, kind: Kind) -> Any:
        """The workers of a kind."""
        return {Kind.ROOM: self.stack.rooms, Kind.GATEWAY: self.stack.gates, Kind.HISTORY: self.stack.histories}[kind]

    @property
    def gates(self) -> list[str]:
        """Where clients find the gates: behind wires."""
        return [f"http://127.0.0.1:{wire.port}" for wire in self.wires[CLIENTS]]


class Wiring:
    """Makes a wire for each way that a new worker has to others, and its clock."""

    def __init__(self, amqp_url: str, mongo_url: str, folder: Path, ports: Ports) -> None:
        self._amqp_url = urlsplit(amqp_url)
        self._mongo_url = urlsplit(mongo_url)
        self._folder = folder
        self._ports = ports
        self.wires: dict[str, list[Wire]] = {name: [] for name in (*map(str, Kind), STORE, CLIENTS)}
        self.clocks: dict[Kind, list[Path]] = {kind: [] for kind in Kind}

    def told(self, kind: Kind, port: int) -> dict[str, str]:
        """What a new worker that listens on `port` is told: the near ends of its wires, and where its clock is."""
        clock = self._folder / f"{kind}-{len(self.clocks[kind]) + 1}.clock"
        clock.parent.mkdir(parents=True, exist_ok=True)
        clock.write_text("0")
        self.clocks[kind].append(clock)
        told = {
            "GATEHOUSE_AMQP_URL": self._through(kind, self._amqp_url),
            "GATEHOUSE_TEST_CLOCK": str(clock),
        }
        if kind is Kind.HISTORY:
            told["GATEHOUSE_MONGO_URL"] = self._through(STORE, self._mongo_url)
        if kind is Kind.GATEWAY:
            self._lay(CLIENTS, ("127.0.0.1", port))
        return told

    async def open(self) -> None:
        """All wires carry from now on."""
        for wires in self.wires.values():
            for wire in wires:
                await wire.open()

    async def close(self) -> None:
        """All wires end."""
        for wires in self.wires.values():
            for wire in wires:
                await wire.close()

    def _through(self, name: str, url: Any) -> str:
        wire = self._lay(name, (url.hostname, url.port))
        login = url.netloc.rpartition("@")[0]
        return str(url._replace(netloc=f"{login}{'@' if login else ''}127.0.0.1:{wire.port}").geturl())

    def _lay(self, name: str, target: tuple[str, int]) -> Wire:
        wire = Wire(target, self._ports.take())
        self.wires[name].append(wire)
        return wire
