"""`.run/endpoints.env`: where a running stack is reached, as plain KEY=value lines for scripts, tests and people."""

from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "endpoints.env"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses, the secret that signs tokens, and the pids behind them; empty where something outside is used.

    `shared` is the address that two gates or more have together; with one gate there is none.
    """

    gates: tuple[str, ...]
    ops_room: tuple[str, ...]
    ops_history: tuple[str, ...]
    amqp_url: str
    mongo_url: str
    management_url: str
    jwt_secret: str
    pids_gateway: tuple[int, ...] = ()
    pids_room: tuple[int, ...] = ()
    pids_history: tuple[int, ...] = ()
    pids_broker: tuple[int, ...] = ()
    pids_store: tuple[int, ...] = ()
    shared: str = ""

    @property
    def http(self) -> str:
        """The first gate."""
        return self.gates[0] if self.gates else ""

    @property
    def doors(self) -> tuple[str, ...]:
        """Where clients may go: the address that all gates share, if there is one, then each gate's own."""
        return tuple(filter(None, (self.shared, *self.gates)))


def endpoints_to_text(endpoints: Endpoints) -> str:
    lines = {
        "GATEHOUSE_HTTP": endpoints.http,
        "GATEHOUSE_GATES": ",".join(endpoints.gates),
        "GATEHOUSE_SHARED": endpoints.shared,
        "GATEHOUSE_AMQP_URL": endpoints.amqp_url,
        "GATEHOUSE_MONGO_URL": endpoints.mongo_url,
        "GATEHOUSE_JWT_SECRET": endpoints.jwt_secret,
        "GATEHOUSE_PIDS_GATEWAY": _joined(endpoints.pids_gateway),
        "GATEHOUSE_PIDS_ROOM": _joined(endpoints.pids_room),
        "GATEHOUSE_PIDS_HISTORY": _joined(endpoints.pids_history),
        "GATEHOUSE_PIDS_BROKER": _joined(endpoints.pids_broker),
        "GATEHOUSE_PIDS_STORE": _joined(endpoints.pids_store),
        "GATEHOUSE_OPS_ROOM": ",".join(endpoints.ops_room),
        "GATEHOUSE_OPS_HISTORY": ",".join(endpoints.ops_history),
        "GATEHOUSE_MANAGEMENT_URL": endpoints.management_url,
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def endpoints_from_text(text: str) -> Endpoints:
    """Raises KeyError naming the line that is missing."""
    lines = dict(line.split("=", 1) for line in text.splitlines() if line)
    return Endpoints(
        gates=_split(lines["GATEHOUSE_GATES"]),
        ops_room=_split(lines["GATEHOUSE_OPS_ROOM"]),
        ops_history=_split(lines["GATEHOUSE_OPS_HISTORY"]),
        amqp_url=lines["GATEHOUSE_AMQP_URL"],
        mongo_url=lines["GATEHOUSE_MONGO_URL"],
        management_url=lines["GATEHOUSE_MANAGEMENT_URL"],
        jwt_secret=lines["GATEHOUSE_JWT_SECRET"],
        pids_gateway=_pids(lines["GATEHOUSE_PIDS_GATEWAY"]),
        pids_room=_pids(lines["GATEHOUSE_PIDS_ROOM"]),
        pids_history=_pids(lines["GATEHOUSE_PIDS_HISTORY"]),
        pids_broker=_pids(lines["GATEHOUSE_PIDS_BROKER"]),
        pids_store=_pids(lines["GATEHOUSE_PIDS_STORE"]),
        shared=lines.get("GATEHOUSE_SHARED", ""),
    )


def write_endpoints(folder: Path, endpoints: Endpoints) -> None:
    """The file holds secrets: only its owner reads it."""
    fresh = folder / f"{FILE_NAME}.new"
    fresh.touch(mode=0o600)
    fresh.write_text(endpoints_to_text(endpoints))
    fresh.replace(folder / FILE_NAME)


def read_endpoints(folder: Path) -> Endpoints | None:
    """None when no stack has been brought up in this folder."""
    file = folder / FILE_NAME
    return endpoints_from_text(file.read_text()) if file.exists() else None


def drop_endpoints(folder: Path) -> None:
    (folder / FILE_NAME).unlink(missing_ok=True)


def _joined(pids: tuple[int, ...]) -> str:
    return ",".join(map(str, pids))


def _split(value: str) -> tuple[str, ...]:
    return tuple(filter(None, value.split(",")))


def _pids(value: str) -> tuple[int, ...]:
    return tuple(map(int, _split(value)))
