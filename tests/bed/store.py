"""One MongoDB-speaking store for the test session, as a process or as a container behind the same few verbs.

`pause` lets it stand still until `unpause`.
"""

import signal

from infra.local.store import StoreNode, store_answers
from infra.process import is_alive, kill_process, last_lines, send_signal, stop_process
from tests.bed.containers import Container
from tests.bed.node import Node


class Store(Node):
    """What a test may do to the store; `url` names no database."""

    what = "store"
    ready_seconds = 60.0

    def _ready(self):
        return store_answers(self.url)


class LocalStore(Store):
    def __init__(self, folder, ports):
        self._node = StoreNode(folder / "store", folder / "store.log", ports.take())
        self._process = None
        self.url = self._node.server_url

    def running(self):
        return self._process is not None and is_alive(self._process)

    @property
    def pid(self):
        return self._process.pid

    def _end(self):
        stop_process(self._process)

    def _cut(self):
        kill_process(self._process)

    def pause(self):
        send_signal(self._process, signal.SIGSTOP)

    def unpause(self):
        send_signal(self._process, signal.SIGCONT)

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

    @property
    def pid(self):
        return self._container.pid()

    def _end(self):
        self._container.stop()

    def _cut(self):
        self._container.kill()

    def pause(self):
        self._container.pause()

    def unpause(self):
        self._container.unpause()

    def discard(self):
        self._container.remove()

    def log_tail(self):
        return self._container.log_tail()

    def _launch(self):
        self._container.start()
