"""HTTP clients that send half of something, or read nothing: every wait for them ends."""

import asyncio

import pytest

from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker

WAIT = 20
BODY = b"POST /chat/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def bench(start_bench):
    return await start_bench(request_seconds=0.5)


async def said_to(bench, data):
    """Everything the gate says until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), WAIT)
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("data", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_half_a_head_is_cut(bench, data):
    assert await said_to(bench, data) == b""
    await eventually(lambda: not bench.service.server.server_state.connections, WAIT)


async def test_half_a_head_after_a_whole_request_is_cut(bench):
    said = await said_to(bench, WHOLE + b"GET / HT")
    assert said.startswith(b"HTTP/1.1 200 ")


async def test_a_head_that_goes_on_and_on_is_answered_and_cut(bench):
    line = b"X-Filler: " + b"x" * 1_000 + b"\r\n"
    said = await said_to(bench, b"GET / HTTP/1.1\r\nHost: x\r\n" + line * 100)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert b"nosniff" in said
    await eventually(lambda: not bench.service.server.server_state.connections, WAIT)


async def test_a_large_head_within_the_bound_is_read(bench):
    line = b"X-Filler: " + b"x" * 1_000 + b"\r\n"
    said = await said_to(bench, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + line * 50 + b"\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")


async def test_half_a_body_is_answered_and_cut(bench):
    said = await said_to(bench, BODY + b'{"title": ')
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"gatehouse_code":"idle_evicted"' in said
    assert bench.room.commands == []


async def test_a_body_too_large_is_answered_and_cut(bench):
    said = await said_to(bench, BODY.replace(b"100", b"9999999") + b"x" * 300_000)
    assert said.startswith(b"HTTP/1.1 413 ")
