"""A RabbitMQ node of our own: own name, ports, data folder and login, on loopback only, beside any other node."""

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import BaseModel

from infra.local.handshake import broker_answers
from infra.local.ports import HOST, free_port
from infra.packages import install_packages
from infra.process import Process, start_process

USER = "gatehouse"
READY_SECONDS = 90.0
DEBIAN_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
SHARED_SETTINGS = Path(__file__).resolve().parents[1] / "rabbitmq"
# Counters are read by people and tests on one machine: a second old is fresh enough, the default five are not.
FRESH_COUNTERS = (
    "-rabbit collect_statistics_interval 1000 -rabbit quorum_tick_interval 1000 "
    "-rabbitmq_management sample_retention_policies [{global,[{605,1}]},{basic,[{605,1}]},{detailed,[{605,1}]}]"
)
LOCAL_SETTINGS = """
listeners.tcp.local = {host}:{amqp}
management.tcp.ip = {host}
management.tcp.port = {management}
default_user = {user}
default_pass = {password}
"""


class BrokerPorts(BaseModel, frozen=True):
    """`names` is the port of Erlang's own name server (epmd), `distribution` the one its command line tools use."""

    amqp: int
    management: int
    distribution: int
    names: int


DEFAULT_PORTS = BrokerPorts(amqp=5682, management=15682, distribution=25682, names=4379)


def free_ports(preferred: BrokerPorts = DEFAULT_PORTS, taken: Collection[int] = ()) -> BrokerPorts:
    return BrokerPorts(**{name: free_port(port, taken) for name, port in preferred.model_dump().items()})


@dataclass(frozen=True, slots=True)
class BrokerNode:
    """Where the node lives and how it is reached. It can be started again and again on the same data."""

    folder: Path
    log: Path
    ports: BrokerPorts
    password: str

    @property
    def amqp_url(self) -> str:
        return f"amqp://{USER}:{self.password}@{HOST}:{self.ports.amqp}/"

    @property
    def management_url(self) -> str:
        return f"http://{USER}:{self.password}@{HOST}:{self.ports.management}"

    def start_names(self) -> Process:
        """The name server the node registers with. The node would start one by itself, but then nobody knew its pid. It
        comes with the server, so this is where that is installed when it is missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        server_program(self.log.parent)
        return start_process(
            ["epmd", "-port", str(self.ports.names), "-address", HOST], self._environment(), self._names_log
        )

    def start(self) -> Process:
        """Start the node; the process returned is the Erlang VM itself."""
        self._write_settings()
        return start_process([str(server_program(self.log.parent))], self._environment(), self.log)

    def is_ready(self) -> bool:
        """A login over AMQP succeeds and the counters can be read."""
        return broker_answers(self.amqp_url) and self._management_answers()

    @property
    def _names_log(self) -> Path:
        return self.log.with_name("epmd.log")

    def _write_settings(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        shared = (SHARED_SETTINGS / "rabbitmq.conf").read_text()
        own = LOCAL_SETTINGS.format(host=HOST, user=USER, password=self.password, **self.ports.model_dump())
        settings = self.folder / "rabbitmq.conf"
        settings.touch(mode=0o600)
        settings.write_text(shared + own)
        (self.folder / "enabled_plugins").write_text((SHARED_SETTINGS / "enabled_plugins").read_text())

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}
        return inherited | {
            "HOME": str(self.folder),  # the Erlang cookie is kept there
            "RABBITMQ_NODENAME": "gatehouse@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {FRESH_COUNTERS}",
            "ERL_EPMD_PORT": str(self.ports.names),
            "ERL_EPMD_ADDRESS": HOST,
            # Makes the start script become the Erlang VM instead of standing in front of it: one pid.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _management_answers(self) -> bool:
        try:
            answer = httpx.get(f"{self.management_url}/api/overview", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


def server_program(logs: Path) -> Path:
    """RabbitMQ's start script; installs the system's package when there is none. Raises PackagesUnavailable."""
    found = _installed_server()
    if found is None:
        print("RabbitMQ is not installed: taking it from the system's packages", flush=True)
        install_packages(["rabbitmq-server"], logs / "packages.log")
        found = _installed_server()
    if found is None:
        raise AssertionError("the package rabbitmq-server holds no server program")
    return found


def _installed_server() -> Path | None:
    # Debian's program of that name on the PATH changes to another user first; the script behind it is what we want.
    if DEBIAN_SERVER.exists():
        return DEBIAN_SERVER
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None
