"""The port that gates share is opened by those who can do their work, and is noticed at the start when it is taken."""

from __future__ import annotations

import socket
from contextlib import closing

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from services.runtime.process import HttpServer
from tests.bed.ports import listens
from tests.bed.waiting import eventually

HOST = "127.0.0.1"


async def is_open(port: int) -> None:
    await eventually(lambda: listens(port), what="somebody listens on the shared port")


@pytest.mark.broker
async def test_a_gate_takes_clients_from_the_shared_port_once_it_is_ready(start_bench, ports) -> None:
    shared = ports.take()
    waiting = await start_bench(
        ready=False, shared_port=shared, jwt_secret=None, jwt_jwks_url=f"http://{HOST}:{ports.take()}/keys"
    )
    async with waiting.http() as http:
        assert (await http.get("/readyz")).status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert not listens(shared)
    able = await start_bench(shared_port=shared)
    await is_open(shared)
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{shared}", trust_env=False) as http:
        assert (await http.get("/readyz")).status_code == httpx.codes.OK
    await able.stop()
    assert not listens(shared)


async def test_a_port_that_somebody_keeps_for_themselves_ends_the_start_with_a_sentence() -> None:
    with closing(socket.create_server((HOST, 0))) as squatter:
        taken = squatter.getsockname()[1]
        server = HttpServer(uvicorn.Config(Starlette(), host=HOST, port=0, lifespan="off", log_config=None), taken)
        with pytest.raises(SystemExit, match=f"port {taken} cannot be shared: .*address already in use"):
            await server.serve()
        for listener in server.servers:
            listener.close()
