"""What the launcher started, on disk: the next `up` and `down` are other processes and know only this."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from infra.deadline import wait_until
from infra.local.broker import BrokerPorts
from infra.local.workers import Kind
from infra.process import Process, is_alive

LOCK_SECONDS = 180.0


class StackBusy(Exception):
    """Another up or down works on the same folder and did not end in time."""


class Ledger(BaseModel):
    """Processes and ports by name: `epmd`, `broker`, `store`, `<kind>-<number>`. Ports outlive their process."""

    amqp_url: str = ""
    mongo_url: str = ""
    broker_ports: BrokerPorts | None = None
    ports: dict[str, int] = {}
    processes: dict[str, Process] = {}

    def alive(self, name: str) -> bool:
        process = self.processes.get(name)
        return process is not None and is_alive(process)

    def workers(self, kind: Kind) -> list[str]:
        """The names of this kind's workers in the order of their numbers."""
        names = [name for name in self.processes if name.startswith(f"{kind}-")]
        return sorted(names, key=lambda name: int(name.rpartition("-")[2]))

    def dead(self) -> list[str]:
        return [name for name, process in self.processes.items() if not is_alive(process)]

    def taken_ports(self) -> set[int]:
        broker = self.broker_ports.model_dump().values() if self.broker_ports else ()
        return {*self.ports.values(), *broker}


def read_ledger(folder: Path) -> Ledger:
    file = _file(folder)
    if not file.exists():
        return Ledger()
    try:
        return Ledger.model_validate_json(file.read_text())
    except ValidationError as problem:
        raise StackBusy(f"{file} cannot be read: remove it when nothing of the stack runs any more") from problem


def write_ledger(folder: Path, ledger: Ledger) -> None:
    fresh = _file(folder).with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(ledger.model_dump_json(indent=2))
    fresh.replace(_file(folder))


def drop_ledger(folder: Path) -> None:
    _file(folder).unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two launchers never work on one stack at a time. Raises StackBusy."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        if not wait_until(lambda: _locked(lock.fileno()), LOCK_SECONDS):
            raise StackBusy(f"another launcher has been working on {folder} for {LOCK_SECONDS:.0f} seconds")
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file(folder: Path) -> Path:
    return folder / "stack.json"
