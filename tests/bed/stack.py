"""Our three services as real processes for one test."""

import asyncio
import secrets
import signal
from dataclasses import replace

import httpx

from infra.local import demo_token
from infra.local.workers import SERVICES_COMMAND, Kind, Worker, WorkerSettings
from infra.process import is_alive, kill_process, last_lines, send_signal
from tests.bed.management import NO_TLS
from tests.bed.waiting import eventually

READY_SECONDS = 45.0
STOP_SECONDS = 20.0


class Service:
    """One process of one service. `url` is a gate's door or the operations port, `ws_url` the same for WebSockets."""

    def __init__(self, worker, settings):
        self._worker = worker
        self._settings = settings
        self._process = None

    @property
    def kind(self):
        return self._worker.kind

    @property
    def url(self):
        return self._worker.url

    @property
    def ws_url(self):
        return self.url.replace("http://", "ws://")

    @property
    def pid(self):
        return self._process.pid

    @property
    def log(self):
        return self._worker.log

    def alive(self):
        return self._process is not None and is_alive(self._process)

    async def start(self):
        self.launch()
        await self.ready()

    def launch(self):
        """Start it and wait for nothing."""
        self._process = self._worker.start(self._settings)

    async def ready(self, within_seconds=READY_SECONDS):
        """Wait for /readyz to say 200; fails at once when the process has ended."""
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=5) as http:

            async def answer():
                return not self.alive() or await self._is_ready(http)

            await eventually(answer, within_seconds, f"{self._worker.log.stem} ready")
        if not self.alive():
            raise AssertionError(f"{self._worker.log.stem} ended while starting:\n{last_lines(self.log, 40)}")

    async def stop(self, within_seconds=STOP_SECONDS):
        """SIGTERM; SIGKILL and a failure when it has not ended in time."""
        send_signal(self._process, signal.SIGTERM)
        await self.ended(within_seconds)

    async def ended(self, within_seconds=STOP_SECONDS):
        """Wait for the end that it was told to come to; SIGKILL and a failure when it has not come in time."""
        try:
            await eventually(lambda: not self.alive(), within_seconds, f"{self._worker.log.stem} ends on SIGTERM")
        finally:
            kill_process(self._process)

    def kill9(self):
        kill_process(self._process)

    def signal(self, number):
        """Any other signal (SIGSTOP, SIGCONT, SIGTERM without waiting)."""
        send_signal(self._process, number)

    async def _is_ready(self, http):
        try:
            return (await http.get(f"{self.url}/readyz")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


class Stack:
    """`gates`, `rooms`, `histories`: lists of Service, in order; new ones can be added by `add`."""

    def __init__(self, settings, folder, ports, told=None):
        """`told(kind, port)`: what a new worker of a kind, which listens on a port, is told beside what all are."""
        self._settings = settings
        self._folder = folder
        self._ports = ports
        self._told = told
        self._services = {kind: [] for kind in Kind}
        self.amqp_url = settings.amqp_url
        self.mongo_url = settings.mongo_url
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
        """The first gate."""
        return self.gates[0].url

    def token(self, user):
        """A good login for any user name."""
        return demo_token(self.jwt_secret, user)

    def service(self, kind, index=0):
        return self._services[Kind(kind)][index]

    async def start(self, gates, rooms, histories):
        self.make(gates, rooms, histories)
        await self.start_made()

    def make(self, gates, rooms, histories):
        """Say what there is to be; nothing runs yet."""
        for kind, count in {Kind.HISTORY: histories, Kind.ROOM: rooms, Kind.GATEWAY: gates}.items():
            for _ in range(count):
                self._new_service(kind)

    async def start_made(self):
        """Start all that there is to be, side by side."""
        await _together(service.start() for services in self._services.values() for service in services)

    async def add(self, kind, count=1):
        """Start more of a kind, side by side; return them when they are ready."""
        fresh = [self._new_service(Kind(kind)) for _ in range(count)]
        await _together(service.start() for service in fresh)
        return fresh

    def kill9(self, kind, index=0):
        """SIGKILL; back when the pid is gone."""
        self.service(kind, index).kill9()

    def kill9_all(self):
        for services in self._services.values():
            for service in services:
                if service.alive():
                    service.kill9()

    async def restart(self, kind, index=0):
        """SIGTERM when it still runs, then the same again on the same port, ready."""
        service = self.service(kind, index)
        if service.alive():
            await service.stop()
        await service.start()
        return service

    async def stop(self):
        """Gates first, then rooms, then histories; whoever needs SIGKILL fails the test."""
        for services in (self.gates, self.rooms, self.histories):
            await _together(service.stop() for service in services if service.alive())

    def logs(self, lines=60):
        every = [service for services in self._services.values() for service in services]
        return "\n".join(f"--- {service.log.stem}\n{last_lines(service.log, lines)}" for service in every)

    def _new_service(self, kind):
        services = self._services[kind]
        log = self._folder / f"{kind}-{len(services) + 1}.log"
        port = self._ports.take()
        own = {} if self._told is None else self._told(kind, port)
        environment = {**self._settings.environment, **own}
        services.append(Service(Worker(kind, port, log), replace(self._settings, environment=environment)))
        return services[-1]


def worker_settings(
    amqp_url,
    mongo_url,
    *,
    shards=8,
    demo=False,
    environment=None,
    own_amqp_urls=None,
    command=SERVICES_COMMAND,
):
    return WorkerSettings(
        amqp_url=amqp_url,
        mongo_url=mongo_url,
        jwt_secret=secrets.token_hex(32),
        shards=shards,
        demo=demo,
        log_level=None,
        command=command,
        environment=environment or {},
        own_amqp_urls=own_amqp_urls or {},
    )


async def _together(awaitables):
    """All of them to their end, then the first failure."""
    for outcome in await asyncio.gather(*awaitables, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
