"""How a service process begins and ends: one event loop, signals as an event, an HTTP server that does not own them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
import uvloop
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from services.runtime.observe import Health, ops_routes


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main` until it returns. SIGTERM and SIGINT set the event it is given; draining in time is its duty."""

    async def with_signals() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await main(stopping)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(with_signals())


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to the process.

    With a `shared_port` it has a second listener, on a port that it shares with other processes: the kernel spreads
    connections over those that listen there.
    """

    def __init__(self, config: uvicorn.Config, shared_port: int | None = None) -> None:
        super().__init__(config)
        self._shared_port = shared_port
        self._shared: asyncio.Server | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the own port, and bind the shared one."""
        await super().startup(sockets)
        if self._shared_port is not None:
            self._shared = await self._bind(self._shared_port)
            self.servers.append(self._shared)

    @property
    def can_share(self) -> bool:
        """Whether there is a shared port, bound, for `open_shared_port`."""
        return self._shared is not None

    async def open_shared_port(self) -> None:
        """Take connections there from now on; not after the listeners have been closed."""
        if self._shared is None:
            raise AssertionError("there is no shared port, or it is not bound yet")
        await self._shared.start_serving()

    async def _bind(self, port: int) -> asyncio.Server:
        """A listener that does not listen yet, so that a port which cannot be had is noticed at the start."""
        try:
            return await asyncio.get_running_loop().create_server(
                self._make_protocol,
                self.config.host,
                port,
                backlog=self.config.backlog,
                reuse_port=True,
                start_serving=False,
            )
        except OSError as error:
            raise SystemExit(f"gatehouse: port {port} cannot be shared: {error}") from error

    def _make_protocol(self) -> asyncio.Protocol:
        """As uvicorn makes one for a connection of its own listener."""
        protocol = self.config.http_protocol_class
        made: asyncio.Protocol = protocol(config=self.config, server_state=self.server_state, app_state={})  # type: ignore[call-arg]  # as uvicorn itself
        return made

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def serve_ops(
    health: Health, registry: CollectorRegistry, *, host: str, port: int, stopping: asyncio.Event
) -> None:
    """Serve the operators' three paths until `stopping` is set."""
    app = Starlette(routes=list(ops_routes(health, registry)))
    server = HttpServer(
        uvicorn.Config(
            app, host=host, port=port, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
        )
    )
    serving = asyncio.create_task(server.serve())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopped.cancel()
    await serving
