"""The whole stack up and down. Both may be called at any time: `up` starts what is missing and nothing else."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.deadline import wait_until
from infra.local import broker, store
from infra.local.broker import BrokerNode
from infra.local.credentials import Credentials, kept_credentials
from infra.local.endpoints import Endpoints, drop_endpoints, write_endpoints
from infra.local.handshake import broker_answers
from infra.local.ledger import Ledger, alone, drop_ledger, read_ledger, write_ledger
from infra.local.ports import HOST, free_port
from infra.local.settings import StackSettings
from infra.local.store import StoreNode, store_answers
from infra.local.workers import FIRST_PORTS, SHARED_PORT, Kind, Worker, WorkerSettings, answers_ready
from infra.process import Process, is_alive, last_lines, stop_process

OUTSIDE_SECONDS = 15.0
SHARED = "gateways"
"""The ledger's name for the port that the gates share."""


class StartFailed(Exception):
    """Something of the stack did not come up; `name` says what, the text ends with the last lines of its log."""

    def __init__(self, name: str, reason: str, log: Path | None = None) -> None:
        self.name = name
        self.reason = reason
        tail = f"\nThe last lines of {log}:\n{last_lines(log)}" if log else ""
        super().__init__(f"{name} {reason}{tail}")


class StartGivenUp(Exception):
    """The caller of `up` no longer wants the stack; what was started stays up."""


def up(settings: StackSettings, given_up: Callable[[], bool] = lambda: False) -> Endpoints:
    """Bring the stack to what `settings` ask for and return when all of it is ready; writes endpoints.env.

    Raises StartFailed (what was started stays up, to be looked at or taken down), StackBusy, NoFreePort,
    PackagesUnavailable, and StartGivenUp soon after `given_up` says so.
    """
    with alone(settings.folder):
        if given_up():
            raise StartGivenUp
        launch = _Launch(settings, read_ledger(settings.folder), kept_credentials(settings.folder), given_up)
        try:
            return launch.up()
        except StartFailed as failure:
            if failure.name in launch.started or not launch.found(failure.name):
                raise
        # It was running when we looked, and a kill had just been sent: now it is gone, so look again.
        return _Launch(settings, read_ledger(settings.folder), kept_credentials(settings.folder), given_up).up()


def down(folder: Path) -> list[str]:
    """Stop everything that `up` started in this folder and return the names; data, logs and secrets stay."""
    with alone(folder):
        ledger = read_ledger(folder)
        for names in _stop_order(ledger):
            _stop_together([ledger.processes[name] for name in names])
        drop_ledger(folder)
        drop_endpoints(folder)
        return list(ledger.processes)


def _stop_order(ledger: Ledger) -> list[list[str]]:
    """Who takes from the clients first, who keeps the data last."""
    workers = [ledger.workers(kind) for kind in (Kind.GATEWAY, Kind.ROOM, Kind.HISTORY)]
    below: list[list[str]] = [[name] for name in ("store", "broker", "epmd") if name in ledger.processes]
    return [*workers, *below]


def _stop_together(processes: Sequence[Process]) -> None:
    with ThreadPoolExecutor(max_workers=max(1, len(processes))) as pool:
        list(pool.map(stop_process, processes))


@dataclass(frozen=True, slots=True)
class _Started:
    """Something that must answer before `up` returns."""

    name: str
    log: Path
    is_ready: Callable[[], bool]
    within_seconds: float


class _Launch:
    """One call of `up`: the settings asked for against the ledger of what runs."""

    def __init__(
        self, settings: StackSettings, ledger: Ledger, credentials: Credentials, given_up: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._credentials = credentials
        self._given_up = given_up
        self.started: set[str] = set()

    def found(self, name: str) -> bool:
        """Whether a process of that name was known, by this or an earlier launch."""
        return name in self._ledger.processes

    def up(self) -> Endpoints:
        node, store_node = self._broker_node(), self._store_node()
        self._check_same_places(node, store_node)
        self._wait([*self._embedded_broker(node), *self._embedded_store(store_node)])
        self._share_port()
        self._wait([*self._workers(), *self._shared_door()])
        endpoints = self._endpoints(node)
        write_endpoints(self._settings.folder, endpoints)
        return endpoints

    def _log(self, name: str) -> Path:
        return self._settings.folder / "logs" / f"{name}.log"

    def _record(self, name: str, process: Process) -> None:
        self._ledger.processes[name] = process
        write_ledger(self._settings.folder, self._ledger)

    def _broker_node(self) -> BrokerNode | None:
        """The embedded node; None when a broker of the user's is to be used."""
        ports = self._ledger.broker_ports or broker.free_ports()
        node = BrokerNode(self._settings.folder / "broker", self._log("broker"), ports, self._credentials.broker)
        if self._settings.amqp_url not in (None, "", node.amqp_url):
            return None
        self._ledger.broker_ports = ports
        return node

    def _store_node(self) -> StoreNode | None:
        port = self._ledger.ports.get("store") or free_port(store.DEFAULT_PORT)
        node = StoreNode(self._settings.folder / "store", self._log("store"), port)
        if self._settings.mongo_url not in (None, "", node.mongo_url):
            return None
        self._ledger.ports["store"] = port
        return node

    def _check_same_places(self, node: BrokerNode | None, store_node: StoreNode | None) -> None:
        """Running workers cannot be moved to another broker or store: that is a `down` and an `up`."""
        amqp_url = node.amqp_url if node else self._settings.amqp_url or ""
        mongo_url = store_node.mongo_url if store_node else self._settings.mongo_url or ""
        before = (self._ledger.amqp_url, self._ledger.mongo_url)
        workers_run = any(self._ledger.alive(name) for kind in Kind for name in self._ledger.workers(kind))
        if workers_run and before != (amqp_url, mongo_url):
            raise StartFailed("the stack", "runs on another broker or store: take it down first (make down)")
        self._ledger.amqp_url, self._ledger.mongo_url = amqp_url, mongo_url

    def _embedded_broker(self, node: BrokerNode | None) -> list[_Started]:
        if node is None:
            url = self._ledger.amqp_url
            self._wait_outside("the broker of GATEHOUSE_AMQP_URL", lambda: broker_answers(url))
            return []
        if not self._ledger.alive("epmd"):
            self._start("epmd", node.start_names)
        if not self._ledger.alive("broker"):
            self._start("broker", node.start)
        return [_Started("broker", node.log, node.is_ready, broker.READY_SECONDS)]

    def _embedded_store(self, node: StoreNode | None) -> list[_Started]:
        if node is None:
            url = self._ledger.mongo_url
            self._wait_outside("the store of GATEHOUSE_MONGO_URL", lambda: store_answers(url))
            return []
        if not self._ledger.alive("store"):
            self._start("store", node.start)
        return [_Started("store", node.log, node.is_ready, store.READY_SECONDS)]

    def _share_port(self) -> None:
        """Two gates or more share a port, from then on until the stack is taken down."""
        kept = self._ledger.ports.get(SHARED)
        if any(map(self._ledger.alive, self._ledger.workers(Kind.GATEWAY))) and kept is not None:
            return
        if kept is not None or self._settings.gates > 1:
            self._ledger.ports[SHARED] = free_port(kept or SHARED_PORT, self._ledger.taken_ports() - {kept})

    def _shared_door(self) -> list[_Started]:
        """Gates listen there a moment after they have said that they are ready."""
        url, gates = self._shared_url(), self._ledger.workers(Kind.GATEWAY)
        seconds = self._settings.ready_seconds
        return [_Started(gates[-1], self._log(gates[-1]), lambda: answers_ready(url), seconds)] if url and gates else []

    def _shared_url(self) -> str:
        port = self._ledger.ports.get(SHARED)
        return "" if port is None else f"http://{HOST}:{port}"

    def _workers(self) -> list[_Started]:
        wanted = {
            Kind.HISTORY: self._settings.histories,
            Kind.ROOM: self._settings.rooms,
            Kind.GATEWAY: self._settings.gates,
        }
        names = [(kind, f"{kind}-{number}") for kind, count in wanted.items() for number in range(1, count + 1)]
        extra = [(kind, name) for kind in wanted for name in self._ledger.workers(kind) if (kind, name) not in names]
        return [self._worker(kind, name) for kind, name in [*names, *extra]]

    def _worker(self, kind: Kind, name: str) -> _Started:
        worker = Worker(kind, self._worker_port(kind, name), self._log(name))
        if not self._ledger.alive(name):
            self._ledger.ports[name] = worker.port
            self._start(name, lambda: worker.start(self._worker_settings()))
        return _Started(name, worker.log, worker.is_ready, self._settings.ready_seconds)

    def _worker_port(self, kind: Kind, name: str) -> int:
        kept = self._ledger.ports.get(name)
        if kept is not None and self._ledger.alive(name):
            return kept
        others = self._ledger.taken_ports() - {kept}
        return free_port(kept or FIRST_PORTS[kind], others)

    def _worker_settings(self) -> WorkerSettings:
        return WorkerSettings(
            amqp_url=self._ledger.amqp_url,
            mongo_url=self._ledger.mongo_url,
            jwt_secret=self._credentials.jwt,
            shards=self._settings.shards,
            demo=self._settings.demo,
            log_level=self._settings.log_level,
            shared_port=self._ledger.ports.get(SHARED),
            command=self._settings.command,
        )

    def _start(self, name: str, start: Callable[[], Process]) -> None:
        try:
            self._record(name, start())
            self.started.add(name)
        except OSError as problem:
            raise StartFailed(name, f"cannot be started: {problem}") from problem

    def _wait(self, started: Sequence[_Started]) -> None:
        for each in started:
            self._wait_ready(each)

    def _wait_ready(self, started: _Started) -> None:
        process = self._ledger.processes[started.name]
        wait_until(lambda: self._given_up() or not is_alive(process) or started.is_ready(), started.within_seconds)
        if self._given_up():
            raise StartGivenUp
        if not is_alive(process):
            raise StartFailed(started.name, "ended while it was starting.", started.log)
        if not started.is_ready():
            raise StartFailed(started.name, f"is not ready after {started.within_seconds:.0f} seconds.", started.log)

    @staticmethod
    def _wait_outside(what: str, answers: Callable[[], bool]) -> None:
        if not wait_until(answers, OUTSIDE_SECONDS):
            raise StartFailed(what, f"has not answered for {OUTSIDE_SECONDS:.0f} seconds")

    def _endpoints(self, node: BrokerNode | None) -> Endpoints:
        return Endpoints(
            gates=self._urls(Kind.GATEWAY),
            ops_room=self._urls(Kind.ROOM),
            ops_history=self._urls(Kind.HISTORY),
            amqp_url=self._ledger.amqp_url,
            mongo_url=self._ledger.mongo_url,
            management_url=node.management_url if node else "",
            jwt_secret=self._credentials.jwt,
            pids_gateway=self._pids(*self._ledger.workers(Kind.GATEWAY)),
            pids_room=self._pids(*self._ledger.workers(Kind.ROOM)),
            pids_history=self._pids(*self._ledger.workers(Kind.HISTORY)),
            pids_broker=self._pids("broker"),
            pids_store=self._pids("store"),
            shared=self._shared_url(),
        )

    def _urls(self, kind: Kind) -> tuple[str, ...]:
        return tuple(Worker(kind, self._ledger.ports[name], self._log(name)).url for name in self._ledger.workers(kind))

    def _pids(self, *names: str) -> tuple[int, ...]:
        return tuple(self._ledger.processes[name].pid for name in names if name in self._ledger.processes)
