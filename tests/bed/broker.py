"""One RabbitMQ for the test session, as a process or as a container behind the same few verbs."""

import secrets
import subprocess

import httpx

from infra.local.broker import FRESH_COUNTERS, BrokerNode, BrokerPorts, server_program
from infra.local.handshake import broker_answers
from infra.process import is_alive, kill_process, last_lines, stop_process
from tests.bed.containers import Container
from tests.bed.node import Node

USER = "gatehouse"


class Broker(Node):
    """What a test may do to the broker; `url` logs in to the virtual host `/`."""

    what = "broker"
    ready_seconds = 90.0
    management_url: str

    def alarm(self):
        """Pretend that memory is short: whoever publishes is blocked, until `calm` or the next start."""
        self.control("set_vm_memory_high_watermark", "0.0000001")

    def calm(self):
        """Memory is enough again."""
        self.control("set_vm_memory_high_watermark", "0.6")

    def _ready(self):
        return broker_answers(self.url) and _management_answers(self.management_url)


class LocalBroker(Broker):
    """A node of the system's own RabbitMQ."""

    def __init__(self, folder, ports):
        numbers = BrokerPorts(amqp=ports.take(), management=ports.take(), distribution=ports.take(), names=ports.take())
        self._node = BrokerNode(folder / "broker", folder / "broker.log", numbers, secrets.token_hex(8))
        self._names = self._node.start_names()
        self._process = None
        self.url = self._node.amqp_url
        self.management_url = self._node.management_url

    def running(self):
        return self._process is not None and is_alive(self._process)

    @property
    def pid(self):
        return self._process.pid

    def _end(self):
        stop_process(self._process)

    def _cut(self):
        kill_process(self._process)

    def discard(self):
        for process in (self._process, self._names):
            if process is not None:
                kill_process(process)

    def log_tail(self):
        return last_lines(self._node.log, 40)

    def control(self, *words):
        """Run `rabbitmqctl`."""
        program = server_program(self._node.log.parent).with_name("rabbitmqctl")
        subprocess.run([program, *words], env=self._node._environment(), check=True, timeout=60, capture_output=True)

    def _launch(self):
        self._process = self._node.start()


class ContainerBroker(Broker):
    def __init__(self, image, network, ports):
        password = secrets.token_hex(8)
        amqp, management = ports.take(), ports.take()
        environment = {
            "RABBITMQ_DEFAULT_USER": USER,
            "RABBITMQ_DEFAULT_PASS": password,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": FRESH_COUNTERS,
        }
        self._container = Container(image, network, "broker", {5672: amqp, 15672: management}, environment)
        self.url = f"amqp://{USER}:{password}@127.0.0.1:{amqp}/"
        self.inner_url = f"amqp://{USER}:{password}@broker:5672/"
        self.management_url = f"http://{USER}:{password}@127.0.0.1:{management}"

    def running(self):
        return self._container.running()

    @property
    def pid(self):
        return self._container.pid()

    def _end(self):
        self._container.stop()

    def _cut(self):
        self._container.kill()

    def discard(self):
        self._container.remove()

    def log_tail(self):
        return self._container.log_tail()

    def control(self, *words):
        """Run `rabbitmqctl`."""
        self._container.execute("rabbitmqctl", *words)

    def _launch(self):
        self._container.start()


def _management_answers(url):
    try:
        return httpx.get(f"{url}/api/overview", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
