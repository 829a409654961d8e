"""One MongoDB-speaking store for the test session, as a process or as a container behind the same few verbs."""

from infra.deadline import wait_until
from infra.local.store import StoreNode, store_answers
from infra.process import is_alive, kill_process, last_lines, stop_process
from tests.bed.containers import Container

READY_SECONDS = 60.0


class Store:
    """What a test may do to the store. Port and data survive stop, kill and start.

    `url` names no database; `inner_url` is the same seen from another container (None without containers).
    """

    url: str
    inner_url: str | None = None
    _ready_since_start = False

    def start(self):
        """Start it when it is down; return when a ping comes back. One that no test has put down is asked nothing."""
        if self._ready_since_start:
            return
        if not self.running():
            self._launch()
        if not wait_until(lambda: store_answers(self.url), READY_SECONDS):
            raise AssertionError(f"the store is not ready after {READY_SECONDS} seconds:\n{self.log_tail()}")
        self._ready_since_start = True

    def stop(self):
        """A polite shutdown (SIGTERM)."""
        self._ready_since_start = False
        self._end()

    def kill(self):
        """SIGKILL, back only by `start`."""
        self._ready_since_start = False
        self._cut()

    def restart(self):
        self.stop()
        self.start()


class LocalStore(Store):
    def __init__(self, folder, ports):
        self._node = StoreNode(folder / "store", folder / "store.log", ports.take())
        self._process = None
        self.url = self._node.server_url

    def running(self):
        return self._process is not None and is_alive(self._process)

    def _end(self):
        stop_process(self._process)

    def _cut(self):
        kill_process(self._process)

    def discard(self):
        if self._process is not None:
            kill_process(self._process)

    def log_tail(self):
        return last_lines(self._node.log, 40)

    def _launch(self):
        self._process = self._node.start()


class ContainerStore(Store):
    def __init__(self, image, network, ports):
        port = ports.take()
        self._container = Container(image, network, "store", {27017: port}, {})
        self.url = f"mongodb://127.0.0.1:{port}"
        self.inner_url = "mongodb://store:27017"

    def running(self):
        return self._container.running()

    def _end(self):
        self._container.stop()

    def _cut(self):
        self._container.kill()

    def discard(self):
        self._container.remove()

    def log_tail(self):
        return self._container.log_tail()

    def _launch(self):
        self._container.start()
