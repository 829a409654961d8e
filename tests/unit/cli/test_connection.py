"""Staying connected: what counts as a connection, and staying known on one. Gates are stand-ins on real sockets."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from websockets.asyncio.server import serve

from clients.cli import connection
from clients.cli.connection import keep_connected
from clients.cli.endpoints import SOONEST_SECONDS, Endpoints, renewal_seconds
from clients.cli.failure import Failure

WAIT = 20
ENDPOINTS = Endpoints(_env_file=None, jwt_secret="s" * 32)
WELCOME = {
    "type": "welcome",
    "client_id": "g1/c1",
    "user": "ann",
    "gate": "g1",
    "heartbeat_seconds": 25,
    "server_time": "2026-11-20T12:00:00Z",
}


def sign(hours):
    return ENDPOINTS.sign_token("ann", datetime.now(UTC), hours)


async def test_a_gate_that_lets_one_wait_for_nothing_counts_as_a_failure(monkeypatch):
    monkeypatch.setattr(connection, "OPEN_SECONDS", 0.2)
    monkeypatch.setattr(connection, "STEADY_SECONDS", 0.1)
    writers = []
    async with await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0) as silent:
        url = f"ws://127.0.0.1:{silent.sockets[0].getsockname()[1]}/ws"
        troubles = []
        with pytest.raises(Failure):
            await asyncio.wait_for(keep_connected([url, url], lambda: sign(1), _never, troubles.append), WAIT)
        assert len(troubles) == 1
        for writer in writers:
            writer.close()


async def test_a_token_is_renewed_on_the_connection_before_it_expires():
    tokens = []
    said = await _said_to_a_gate(lambda: tokens.append(sign(2 / 3600)) or tokens[-1], frames=2)
    assert said == [{"type": "hello", "token": token} for token in tokens[1:3]]
    assert len(set(tokens[:3])) == 3


async def test_a_token_that_cannot_be_renewed_is_not_said_again():
    token = sign(0.5 / 3600)
    asked = []
    with pytest.raises(TimeoutError):
        await _said_to_a_gate(lambda: asked.append(token) or token, frames=1, within=2)
    assert len(asked) == 2


def test_a_token_is_renewed_after_half_of_its_life():
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert renewal_seconds(ENDPOINTS.sign_token("ann", now, 12), now.timestamp()) == 6 * 3600
    assert renewal_seconds(ENDPOINTS.sign_token("ann", now, 12), now.timestamp() + 13 * 3600) == SOONEST_SECONDS


def test_what_is_no_token_is_never_renewed():
    assert renewal_seconds("nonsense", 0) is None


async def _said_to_a_gate(make_token, *, frames, within=WAIT):
    said = []
    enough = asyncio.Event()

    async def gate(socket):
        await socket.send(json.dumps(WELCOME))
        async for text in socket:
            said.append(json.loads(text))
            if len(said) == frames:
                enough.set()

    async def stay(_):
        await enough.wait()

    async with serve(gate, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        await asyncio.wait_for(keep_connected([url], make_token, stay, lambda _: None), within)
    return said


async def _never(_):
    raise AssertionError("nobody said welcome")
