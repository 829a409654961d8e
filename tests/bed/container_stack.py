"""Our three services as containers of our own image, for one test."""

import httpx

from infra.local import demo_token
from infra.local.workers import Kind
from tests.bed.containers import Container
from tests.bed.waiting import eventually

READY_SECONDS = 60.0
SERVICE_PORT = 8080


class ContainerService:
    """One container of one service. `url` is http on loopback, `ws_url` the same for WebSockets."""

    def __init__(self, kind, port, container):
        self.kind = kind
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}"
        self.container = container

    async def ready(self, within_seconds=READY_SECONDS):
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:

            async def answer():
                try:
                    return (await http.get(f"{self.url}/readyz")).status_code == httpx.codes.OK
                except httpx.HTTPError:
                    return False

            await eventually(answer, within_seconds, f"the {self.kind} container ready")


class ContainerStack:
    """`gates`, `rooms`, `histories`: lists of ContainerService."""

    def __init__(self, image, network, ports, settings):
        self._image = image
        self._network = network
        self._ports = ports
        self._settings = settings
        self._services = {kind: [] for kind in Kind}
        self.jwt_secret = settings.jwt_secret

    @property
    def gates(self):
        return self._services[Kind.GATEWAY]

    @property
    def rooms(self):
        return self._services[Kind.ROOM]

    @property
    def histories(self):
        return self._services[Kind.HISTORY]

    @property
    def http(self):
        return self.gates[0].url

    def token(self, user):
        return demo_token(self.jwt_secret, user)

    async def start(self, gates, rooms, histories):
        for kind, count in ((Kind.HISTORY, histories), (Kind.ROOM, rooms), (Kind.GATEWAY, gates)):
            for _ in range(count):
                self._start_service(kind)
        for services in self._services.values():
            for service in services:
                await service.ready()

    def stop(self):
        for services in (self.gates, self.rooms, self.histories):
            for service in services:
                service.container.stop()
                service.container.remove()

    def logs(self, lines=60):
        every = [service for services in self._services.values() for service in services]
        return "\n".join(f"--- {service.kind}\n{service.container.log_tail(lines)}" for service in every)

    def _start_service(self, kind):
        port = self._ports.take()
        alias = f"{kind}-{len(self._services[kind]) + 1}"
        container = Container(
            self._image, self._network, alias, {SERVICE_PORT: port}, self._environment(), command=str(kind)
        )
        self._services[kind].append(ContainerService(kind, port, container))
        container.start()

    def _environment(self):
        return {
            "GATEHOUSE_AMQP_URL": self._settings.amqp_url,
            "GATEHOUSE_MONGO_URL": self._settings.mongo_url,
            "GATEHOUSE_JWT_SECRET": self._settings.jwt_secret,
            "GATEHOUSE_SHARDS": str(self._settings.shards),
            "GATEHOUSE_DEMO": "1" if self._settings.demo else "0",
            **self._settings.environment,
        }
