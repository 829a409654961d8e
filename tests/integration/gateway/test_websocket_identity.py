"""Who may speak on a WebSocket, and how a connection that may not is ended."""

from __future__ import annotations

import time

import jwt
import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.gateway.conftest import SECRET, token

pytestmark = pytest.mark.broker


async def test_a_token_in_the_authorization_header_is_welcomed(bench):
    socket = await bench.socket(additional_headers={"Authorization": f"Bearer {token('ann')}"})
    welcome = await socket.receive()
    assert welcome["type"] == "welcome"
    assert welcome["user"] == "ann"
    assert welcome["gate"] == bench.gate.gate_id
    assert welcome["client_id"].startswith(bench.gate.gate_id + "/")
    assert welcome["protocol"] == 1


async def test_a_token_as_subprotocol_is_welcomed_and_the_subprotocol_agreed(bench):
    socket = await bench.socket(subprotocols=["gatehouse", f"bearer.{token('ann')}"])
    assert (await socket.receive())["user"] == "ann"
    assert socket.connection.subprotocol == "gatehouse"


async def test_a_lone_bearer_subprotocol_is_agreed(bench):
    offered = f"bearer.{token('ann')}"
    socket = await bench.socket(subprotocols=[offered])
    assert (await socket.receive())["user"] == "ann"
    assert socket.connection.subprotocol == offered


async def test_a_token_in_the_query_is_welcomed(bench):
    socket = await bench.socket(f"/ws?token={token('ann')}")
    assert (await socket.receive())["user"] == "ann"


async def test_hello_as_the_first_frame_is_welcomed(bench):
    socket = await bench.socket()
    assert (await socket.ask(type="hello", token=token("ann")))["user"] == "ann"


async def test_without_hello_every_frame_is_refused_and_the_connection_stays(bench):
    socket = await bench.socket()
    answer = await socket.ask(type="send", id=4, room="r", text="hi")
    assert (answer["code"], answer["id"]) == ("unauthenticated", 4)
    assert (await socket.ask(type="hello", token=token("ann")))["type"] == "welcome"


async def test_whoever_says_nothing_is_ended_with_4500(start_bench):
    bench = await start_bench(hello_seconds=0.3)
    socket = await bench.socket()
    assert await socket.receive() == {"type": "bye", "code": 4500, "reason": "unauthenticated"}
    assert await socket.closed() == (4500, "unauthenticated")


@pytest.mark.parametrize("where", ["header", "hello"])
async def test_a_wrong_token_is_ended_with_4500(bench, where):
    wrong = token("ann", secret="another-secret-of-thirty-two-bytes!")
    if where == "header":
        socket = await bench.socket(additional_headers={"Authorization": f"Bearer {wrong}"})
    else:
        socket = await bench.socket()
        await socket.send(type="hello", id=1, token=wrong)
    assert (await socket.receive())["code"] == "unauthenticated"
    assert (await socket.receive())["type"] == "bye"
    assert await socket.closed() == (4500, "unauthenticated")


async def test_an_expired_token_says_so(bench):
    old = jwt.encode({"sub": "ann", "exp": time.time() - 60}, SECRET, algorithm="HS256")
    socket = await bench.socket(f"/ws?token={old}")
    assert (await socket.receive())["code"] == "token_expired"
    assert (await socket.receive())["reason"] == "token_expired"
    assert await socket.closed() == (4500, "token_expired")


async def test_a_token_that_expires_ends_the_live_connection(bench):
    socket = await bench.socket(f"/ws?token={token('ann', seconds=-3)}")
    assert (await socket.receive())["type"] == "welcome"
    assert (await socket.receive()) == {"type": "bye", "code": 4500, "reason": "token_expired"}
    assert (await socket.closed())[0] == 4500


async def test_hello_again_renews_the_token(bench):
    socket = await bench.socket(f"/ws?token={token('ann', seconds=-3)}")
    await socket.receive()
    assert (await socket.ask(type="hello", token=token("ann")))["type"] == "welcome"
    [connection] = bench.gate.connections.values()
    assert connection.identity.expires_at > time.time() + 3000
    await socket.nothing_more()


async def test_hello_again_as_somebody_else_is_refused(bench):
    socket = await bench.client("ann")
    answer = await socket.ask(type="hello", id=2, token=token("bob"))
    assert (answer["code"], answer["id"]) == ("unauthenticated", 2)
    await socket.nothing_more()


@pytest.mark.parametrize("path", ["/", "/ws/", "/chat/ws", "/wss"])
async def test_there_is_no_websocket_at_other_paths(bench, path):
    with pytest.raises(InvalidStatus) as refused:
        await bench.socket(path)
    assert refused.value.response.status_code == 404


async def test_compression_is_not_negotiated(bench):
    socket = await bench.client("ann")
    assert "Sec-WebSocket-Extensions" not in socket.connection.response.headers
