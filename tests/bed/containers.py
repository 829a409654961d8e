"""Containers of the test session through testcontainers: published on loopback, on one network, found by alias."""

from testcontainers.core import container, network
from testcontainers.core.config import testcontainers_config

from infra.engine import CommandFailed, docker

STOP_SECONDS = 20
# The reaper is an image of its own, not to be had where no registry answers; we remove what we start ourselves.
testcontainers_config.ryuk_disabled = True
testcontainers_config.tc_host_override = "127.0.0.1"


class Network:
    """A network of this session, on which containers find each other by alias."""

    def __init__(self):
        self.handle = network.Network().create()

    def remove(self):
        self.handle.remove()
        self.handle._docker.client.close()


class Container:
    """One container with fixed ports: stopped or killed and started again it is found where it was."""

    def __init__(self, image, on, alias, ports, environment, command=None):
        made = container.DockerContainer(image).with_network(on.handle).with_network_aliases(alias)
        for inside, outside in ports.items():
            made.ports[inside] = ("127.0.0.1", outside)
        for name, value in environment.items():
            made = made.with_env(name, value)
        self._made = made.with_command(command) if command else made
        self._id = None

    def running(self):
        return self._id is not None and docker("inspect", "--format", "{{.State.Running}}", self._id) == "true"

    def pid(self):
        """Of its first process, as seen from outside; 0 while it is down."""
        return int(docker("inspect", "--format", "{{.State.Pid}}", self._id))

    def start(self):
        if self._id is None:
            self._made.start()
            self._id = self._made.get_wrapped_container().id
        else:
            docker("start", self._id)

    def stop(self):
        """SIGTERM, SIGKILL after STOP_SECONDS; nothing when it never came up."""
        if self._id is not None:
            docker("stop", "--time", str(STOP_SECONDS), self._id)

    def kill(self):
        docker("kill", "--signal", "KILL", self._id)

    def pause(self):
        docker("pause", self._id)

    def unpause(self):
        docker("unpause", self._id)

    def execute(self, *command):
        """What a command says inside."""
        return docker("exec", self._id, *command)

    def remove(self):
        """Also what never came up."""
        self._made.stop()

    def log_tail(self, lines=40):
        try:
            return docker("logs", "--tail", str(lines), self._id or "none")
        except CommandFailed as problem:
            return str(problem)
