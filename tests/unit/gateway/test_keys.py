"""Keys that are fetched: rotation, an address that fails in every way, and many tokens that want the same key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.errors import Code
from services.gateway import keys
from services.gateway.gate import Gate
from services.gateway.tokens import Identity, KeyUnknown, TokenRefused, Verdict
from services.runtime.observe import Health
from tests.bed.key_server import KeyServer
from tests.bed.waiting import eventually
from tests.unit.gateway.gates import make_gate
from tests.unit.gateway.signers import jwk, jwk_set, signed

WAIT = 20


def token(number: int, kid: str) -> str:
    return signed("ES256", {"sub": "ann", "exp": time.time() + 60}, number, kid=kid)


def published(*numbers: int) -> bytes:
    return jwk_set(*[jwk("ES256", number, kid=f"k{number}") for number in numbers])


async def verdict(gate: Gate, text: str) -> Verdict:
    """As the doors ask."""
    found = gate.identify(text)
    return await gate.identify_by_newer_keys(text) if isinstance(found, KeyUnknown) else found


@pytest.fixture
def server() -> Iterator[KeyServer]:
    made = KeyServer(published(1))
    made.start()
    yield made
    made.stop()


@asynccontextmanager
async def kept(health: Health | None = None, **overrides: Any) -> AsyncIterator[Gate]:
    gate, stopping = make_gate(jwt_secret=None, **overrides), asyncio.Event()
    serving = asyncio.create_task(gate.keys.serve(health or Health(), stopping))
    yield gate
    stopping.set()
    await asyncio.wait_for(serving, WAIT)


def has_keys(gate: Gate, *kids: str) -> Callable[[], bool]:
    return lambda: {key.kid for key in gate.verifier.keys.keys} == set(kids)


async def test_a_gate_is_ready_once_it_has_keys(server: KeyServer) -> None:
    health = Health()
    server.status = 503
    async with kept(health, jwt_jwks_url=server.url, jwt_jwks_pause_seconds=0.05) as gate:
        await eventually(lambda: server.asked >= 2, WAIT)
        assert health.checks(time.monotonic()) == {"keys": "missing"}
        server.status = 200
        await eventually(lambda: health.ready(time.monotonic()), WAIT)
        assert isinstance(await verdict(gate, token(1, "k1")), Identity)


async def test_a_token_that_comes_before_the_first_keys_waits_for_them(server: KeyServer) -> None:
    server.hangs = True
    async with kept(jwt_jwks_url=server.url) as gate:
        waiting = asyncio.create_task(verdict(gate, token(1, "k1")))
        await eventually(lambda: server.asked == 1, WAIT)
        assert not waiting.done()
        server.released.set()
        assert isinstance(await asyncio.wait_for(waiting, WAIT), Identity)


async def test_a_new_key_is_fetched_once_for_all_whose_tokens_name_it(server: KeyServer) -> None:
    async with kept(jwt_jwks_url=server.url, jwt_jwks_pause_seconds=0.05) as gate:
        await eventually(has_keys(gate, "k1"), WAIT)
        server.document, before = published(1, 2), server.asked
        found = await asyncio.gather(*[verdict(gate, token(2, "k2")) for _ in range(50)])
        assert all(isinstance(one, Identity) for one in found)
        assert server.asked == before + 1
        assert isinstance(await verdict(gate, token(1, "k1")), Identity)


async def test_a_key_that_was_taken_back_checks_no_more(server: KeyServer) -> None:
    async with kept(jwt_jwks_url=server.url, jwt_jwks_pause_seconds=0.05, jwt_jwks_refresh_seconds=0.1) as gate:
        await eventually(has_keys(gate, "k1"), WAIT)
        server.document = published(2)
        await eventually(has_keys(gate, "k2"), WAIT)
        assert await verdict(gate, token(1, "k1")) == TokenRefused(
            Code.UNAUTHENTICATED, "the token is not valid: nobody knows its key"
        )


async def test_unknown_keys_have_the_set_fetched_no_more_often_than_the_pause(server: KeyServer) -> None:
    async with kept(jwt_jwks_url=server.url, jwt_jwks_pause_seconds=3600, jwt_key_wait_seconds=0.3) as gate:
        await eventually(has_keys(gate, "k1"), WAIT)
        found = await asyncio.gather(*[verdict(gate, token(1, f"made-up-{number}")) for number in range(20)])
        assert {one.code for one in found if isinstance(one, TokenRefused)} == {Code.KEYS_UNAVAILABLE}
        assert server.asked == 1


async def test_no_more_tokens_wait_than_may(server: KeyServer, monkeypatch) -> None:
    monkeypatch.setattr(keys, "WAITING_LIMIT", 2)
    async with kept(jwt_jwks_url=server.url, jwt_jwks_pause_seconds=3600, jwt_key_wait_seconds=5) as gate:
        await eventually(has_keys(gate, "k1"), WAIT)
        waiting = [asyncio.create_task(verdict(gate, token(1, "x"))) for _ in range(2)]
        await eventually(lambda: len(gate.keys._waiting) == 2, WAIT)
        third = await asyncio.wait_for(verdict(gate, token(1, "x")), 1)
        assert isinstance(third, TokenRefused)
        for task in waiting:
            task.cancel()


@pytest.mark.parametrize("how", ["refused", "503", "no JSON", "no key", "too large", "a redirect", "hangs"])
async def test_whatever_fails_leaves_the_old_keys_in_use(server: KeyServer, monkeypatch, how) -> None:
    monkeypatch.setattr(keys, "FETCH_SECONDS", 0.3)
    async with kept(jwt_jwks_url=server.url, jwt_jwks_pause_seconds=0.05, jwt_jwks_refresh_seconds=0.1) as gate:
        await eventually(has_keys(gate, "k1"), WAIT)
        match how:
            case "refused":
                server.stop()
            case "503":
                server.status = 503
            case "no JSON":
                server.document = b"<html>"
            case "no key":
                server.document = jwk_set({"kty": "oct", "k": "c2VjcmV0"})
            case "too large":
                server.document = b" " * 300_000 + published(2)
            case "a redirect":
                server.status, server.location, server.document = 302, server.url, published(2)
            case _:
                server.hangs = True
        failed = gate.metrics.key_refreshes.labels("failed")
        await eventually(lambda: failed._value.get() >= 2, WAIT)
        assert isinstance(await verdict(gate, token(1, "k1")), Identity)
        unknown = await verdict(gate, token(2, "k2"))
        assert isinstance(unknown, TokenRefused)
        assert unknown.code is Code.KEYS_UNAVAILABLE


async def test_an_address_that_comes_back_is_heard_again(server: KeyServer) -> None:
    async with kept(jwt_jwks_url=server.url, jwt_jwks_pause_seconds=0.05, jwt_jwks_refresh_seconds=0.1) as gate:
        await eventually(has_keys(gate, "k1"), WAIT)
        server.stop()
        await eventually(gate.metrics.key_refreshes.labels("failed")._value.get, WAIT)
        server.document = published(2)
        server.start()
        await eventually(has_keys(gate, "k2"), WAIT)


async def test_a_file_is_read_again_too(tmp_path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(published(1))
    async with kept(jwt_jwks_file=file, jwt_jwks_pause_seconds=0.05) as gate:
        assert isinstance(await verdict(gate, token(1, "k1")), Identity)
        file.write_bytes(published(2))
        assert isinstance(await verdict(gate, token(2, "k2")), Identity)
        file.unlink()
        assert isinstance(await verdict(gate, token(2, "k2")), Identity)


async def test_a_secret_is_never_looked_for() -> None:
    health = Health()
    gate = make_gate()
    await asyncio.wait_for(gate.keys.serve(health, asyncio.Event()), WAIT)
    assert health.ready(0.0)
    assert await gate.keys.look_again() is None
