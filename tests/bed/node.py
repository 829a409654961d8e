"""The broker or the store of a test session, as a test puts it down and brings it back."""

from infra.deadline import wait_until


class Node:
    """Ports and data survive stop, kill and start. `url` is how it is reached; `inner_url` is the same seen from
    another container, None without containers. `pid` is the process that all of it descends from, while it runs."""

    what: str
    ready_seconds: float
    url: str
    inner_url: str | None = None
    pid: int
    _ready_since_start = False

    def start(self):
        """Start it when it is down; return when it answers. Nothing is asked of one that no test has put down: every
        test says this."""
        if self._ready_since_start:
            return
        if not self.running():
            self._launch()
        if not wait_until(self._ready, self.ready_seconds):
            raise AssertionError(f"the {self.what} is not ready after {self.ready_seconds} seconds:\n{self.log_tail()}")
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
