"""How a service process begins and ends: one event loop, signals as an event, an HTTP server that does not own them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
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
    """uvicorn without its signal handlers: signals belong to the process."""

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
