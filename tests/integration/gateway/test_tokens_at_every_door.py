"""Tokens that identify nobody, at every door: refused by code, before any room or history is asked anything."""

from __future__ import annotations

import asyncio
import time

import jwt
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.gateway.tokens import issue
from tests.bed.key_server import KeyServer
from tests.bed.waiting import eventually
from tests.integration.gateway.conftest import SECRET, token
from tests.unit.gateway.signers import by_hand, jwk, jwk_set, pem, signed

pytestmark = pytest.mark.broker

WAIT = 20
DOORS = ("header", "subprotocol", "query", "hello", "rest")


def claims(**fields):
    return {"sub": "ann", "exp": time.time() + 600} | fields


def by_secret(secret=SECRET, algorithm="HS256", **fields):
    made = {name: value for name, value in claims(**fields).items() if value is not None}
    return jwt.encode(made, secret, algorithm=algorithm)


async def verdict(bench, door, given):
    """What a door says to a token: a code, or the user it speaks for."""
    if door == "rest":
        async with bench.http() as http:
            response = await http.post(
                "/chat/r/message", json={"content": "x"}, headers={"Authorization": f"Bearer {given}"}
            )
        return response.json().get("gatehouse_code", response.status_code)
    if door == "hello":
        socket = await bench.socket()
        await socket.send(type="hello", token=given)
        await socket.send(type="send", room="r", text="x")
        await socket.send(type="history", room="r")
    else:
        socket = await bench.socket(**where(door, given))
    said = await socket.receive()
    if said["type"] == "welcome":
        return said["user"]
    assert (await socket.receive())["code"] == 4500
    assert (await socket.closed())[0] == 4500
    return said["code"]


def where(door, given):
    match door:
        case "header":
            return {"additional_headers": {"Authorization": f"Bearer {given}"}}
        case "subprotocol":
            return {"subprotocols": ["gatehouse", f"bearer.{given}"]}
        case _:
            return {"path": f"/ws?token={given}"}


async def check_refused(bench, tokens, code):
    for name, given in tokens.items():
        for door in DOORS:
            assert await verdict(bench, door, given) == code, (name, door)
    assert bench.room.commands == bench.room.queries == []


async def test_a_token_that_is_not_as_it_must_be_reaches_no_room(bench):
    tokens = {
        "wrong secret": by_secret("another-secret-of-thirty-two-bytes!"),
        "unsigned": by_hand({"alg": "none", "typ": "JWT"}, claims()),
        "unsigned under another name": by_hand({"alg": "HS256", "typ": "JWT"}, claims()),
        "a longer hash": by_secret(SECRET * 2, "HS512"),
        "another kind of key": signed("RS256", claims()),
        "without a user": by_secret(sub=None),
        "without an end": by_secret(exp=None),
        "no user id": by_secret(sub="a b"),
        "an end in words": by_secret(exp="soon"),
        "not yet": by_secret(nbf=time.time() + 600),
        "for somebody else": by_secret(aud="shop"),
        "no token": "abc",
        "cut off": by_secret()[:-3],
        "changed": by_secret().replace(".", ".e30", 1),
    }
    await check_refused(bench, tokens, "unauthenticated")


async def test_an_expired_token_reaches_no_room(bench):
    await check_refused(bench, {"expired": token("ann", seconds=-60)}, "token_expired")


async def test_a_token_for_another_audience_or_of_another_issuer_reaches_no_room(start_bench):
    bench = await start_bench(jwt_audience="chat", jwt_issuer="https://id.example", jwt_required_claims="email")
    right = {"aud": ["chat"], "iss": "https://id.example", "email": "ann@a.example"}
    tokens = {name: by_secret(**right | {name: value}) for name, value in (("aud", "shop"), ("iss", "x"))}
    tokens |= {f"without {name}": by_secret(**right | {name: None}) for name in right}
    await check_refused(bench, tokens, "unauthenticated")
    for door in DOORS[:-1]:
        assert await verdict(bench, door, by_secret(**right)) == "ann"


async def test_tokens_are_checked_with_the_public_key_of_a_file(start_bench, tmp_path):
    file = tmp_path / "key.pem"
    file.write_bytes(pem("RS256"))
    bench = await start_bench(jwt_secret=None, jwt_public_key_file=file)
    tokens = {
        "another key": signed("RS256", claims(), 1),
        "another kind of key": signed("ES256", claims()),
        "the public key as a secret": _signed_with_the_public_key(),
        "unsigned": by_hand({"alg": "none"}, claims()),
    }
    await check_refused(bench, tokens, "unauthenticated")
    for door in DOORS[:-1]:
        assert await verdict(bench, door, signed("RS256", claims())) == "ann"


def _signed_with_the_public_key():
    head = by_hand({"alg": "HS256", "typ": "JWT"}, claims()).rpartition(".")[0]
    key = jwt.get_algorithm_by_name("HS256")
    return f"{head}.{jwt.utils.base64url_encode(key.sign(head.encode(), pem('RS256'))).decode()}"


@pytest.fixture
def key_server():
    server = KeyServer(jwk_set(jwk("ES256", 1, kid="k1"), jwk("RS256", kid="r1")))
    server.start()
    yield server
    server.stop()


async def test_keys_rotate_without_a_restart_and_stay_when_nobody_gives_new_ones(start_bench, key_server):
    bench = await start_bench(jwt_secret=None, jwt_jwks_url=key_server.url, jwt_jwks_pause_seconds=0.05)
    assert [await verdict(bench, door, signed("ES256", claims(), 1, kid="k1")) for door in DOORS[:-1]] == ["ann"] * 4
    key_server.document = jwk_set(jwk("ES256", 1, kid="k1"), jwk("EdDSA", kid="k2"), jwk("ES384", kid="k3"))
    assert await verdict(bench, "hello", signed("EdDSA", claims(), kid="k2")) == "ann"
    assert await verdict(bench, "header", signed("ES384", claims(), kid="k3")) == "ann"
    key_server.stop()
    assert await verdict(bench, "subprotocol", signed("ES256", claims(), 1, kid="k1")) == "ann"
    async with bench.http() as http:
        assert (await http.get("/readyz")).status_code == 200


async def test_rest_waits_for_a_new_key_too(start_bench, key_server):
    bench = await start_bench(jwt_secret=None, jwt_jwks_url=key_server.url, jwt_jwks_pause_seconds=0.05)
    key_server.document = jwk_set(jwk("EdDSA", kid="k2"))
    async with bench.http() as http:
        headers = {"Authorization": f"Bearer {signed('EdDSA', claims(), kid='k2')}"}
        assert (await http.get("/chat/rooms", headers=headers)).status_code == 200


async def test_a_key_that_nobody_knows_reaches_no_room(start_bench, key_server):
    bench = await start_bench(jwt_secret=None, jwt_jwks_url=key_server.url, jwt_jwks_pause_seconds=0.05)
    tokens = {
        "unknown key": signed("ES256", claims(), kid="k9"),
        "the key of another": signed("ES256", claims(), 2, kid="k1"),
        "another kind of key": signed("ES256", claims(), 1, kid="r1"),
        "a secret": jwt.encode(claims(), "s" * 32, algorithm="HS256", headers={"kid": "k1"}),
        "its own key": signed("ES256", claims(), 2, kid="k1", jwk=jwk("ES256", 2)),
    }
    await check_refused(bench, tokens, "unauthenticated")


async def test_a_gate_without_keys_is_not_ready_and_says_come_back(start_bench, key_server):
    key_server.stop()
    bench = await start_bench(
        ready=False,
        jwt_secret=None,
        jwt_jwks_url=key_server.url,
        jwt_jwks_pause_seconds=0.1,
        jwt_key_wait_seconds=0.2,
    )
    given = signed("ES256", claims(), 1, kid="k1")
    async with bench.http() as http:
        response = await http.get("/readyz")
        assert (response.status_code, response.json()["checks"]["keys"]) == (503, "missing")
        response = await http.get("/chat/rooms", headers={"Authorization": f"Bearer {given}"})
        assert (response.status_code, response.json()["gatehouse_code"]) == (503, "keys_unavailable")
    socket = await bench.socket(**where("header", given))
    assert (await socket.receive())["code"] == "keys_unavailable"
    assert (await socket.receive())["code"] == 4005
    assert await socket.closed() == (4005, "keys_unavailable")
    key_server.start()
    await eventually(lambda: bench.service.health.ready(time.monotonic()), WAIT)
    assert await verdict(bench, "header", given) == "ann"


async def test_a_live_connection_survives_a_renewal_for_which_there_is_no_key(start_bench, key_server):
    bench = await start_bench(
        jwt_secret=None, jwt_jwks_url=key_server.url, jwt_jwks_pause_seconds=0.1, jwt_key_wait_seconds=0.2
    )
    socket = await bench.socket(**where("header", signed("ES256", claims(), 1, kid="k1")))
    assert (await socket.receive())["type"] == "welcome"
    key_server.stop()
    await eventually(bench.gate.metrics.key_refreshes.labels("ok")._value.get, WAIT)
    renewal = signed("EdDSA", claims(), kid="k2")
    assert (await socket.ask(type="hello", id=1, token=renewal))["code"] == "keys_unavailable"
    await socket.nothing_more()


async def test_whoever_leaves_while_its_key_is_looked_for_leaves_nothing(start_bench, key_server):
    bench = await start_bench(jwt_secret=None, jwt_jwks_url=key_server.url, jwt_jwks_pause_seconds=3600)
    socket = await bench.socket(**where("header", signed("ES256", claims(), kid="k9")))
    await eventually(lambda: bench.gate.keys._waiting, WAIT)
    await socket.connection.close()
    await eventually(lambda: not bench.gate.connections, WAIT)
    await eventually(lambda: not bench.gate.keys._waiting, WAIT)


async def test_frames_behind_a_token_whose_key_is_looked_for_wait_for_it(start_bench, key_server):
    bench = await start_bench(jwt_secret=None, jwt_jwks_url=key_server.url, jwt_jwks_pause_seconds=0.05)
    key_server.document, key_server.hangs = jwk_set(jwk("EdDSA", kid="k2")), True
    room = bench.room.open("r", "ann")
    socket = await bench.socket(**where("header", signed("EdDSA", claims(), kid="k2")))
    await socket.send(type="attach", id=0, room=room)
    for number in range(1, 20):
        await socket.send(type="ping", id=number)
    said = await socket.take(4)
    assert [(frame["code"], frame["id"]) for frame in said] == [("unauthenticated", number) for number in range(16, 20)]
    assert bench.room.commands == []
    key_server.released.set()
    said = await socket.take(17)
    assert said[0]["type"] == "welcome"
    assert {frame["type"] for frame in said[1:]} == {"attached", "pong"}


@pytest.mark.parametrize("value", [17, None, [], {"a": 1}, True, ""])
async def test_a_token_that_is_no_text_is_a_wrong_field(bench, value):
    socket = await bench.socket()
    assert (await socket.ask(type="hello", id=1, token=value))["code"] in ("bad_field", "too_large")
    assert (await socket.ask(type="hello", token=token("ann")))["type"] == "welcome"


async def test_a_token_of_more_than_8_kib_is_refused_everywhere(bench):
    large = "x" * 9_000
    for door in ("header", "subprotocol", "query"):
        with pytest.raises(InvalidStatus) as refused:
            await bench.socket(**where(door, large))
        assert refused.value.response.status_code in (414, 431)
        assert refused.value.response.headers["X-Content-Type-Options"] == "nosniff"
    socket = await bench.socket()
    assert (await socket.ask(type="hello", token=large))["code"] == "too_large"
    assert await verdict(bench, "rest", large) == "unauthenticated"
    assert bench.room.commands == bench.room.queries == []


@pytest.mark.parametrize(
    ("one", "other"), [("header", "subprotocol"), ("header", "query"), ("subprotocol", "query"), ("query", "query")]
)
async def test_two_different_tokens_in_one_handshake_are_refused(bench, one, other):
    ann, bob = token("ann"), token("bob")
    options = {**where(one, ann), **where(other, bob)}
    if one == other:
        options = {"path": f"/ws?token={ann}&token={bob}"}
    with pytest.raises(InvalidStatus) as refused:
        await bench.socket(**options)
    assert refused.value.response.status_code == 400
    assert b"two different tokens" in refused.value.response.body


async def test_the_same_token_twice_is_one_token(bench):
    given = token("ann")
    socket = await bench.socket(**{**where("header", given), **where("subprotocol", given), **where("query", given)})
    assert (await socket.receive())["user"] == "ann"


async def test_a_token_in_the_url_can_be_switched_off(start_bench):
    bench = await start_bench(token_in_query=False)
    with pytest.raises(InvalidStatus) as refused:
        await bench.socket(**where("query", token("ann")))
    response = refused.value.response
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert b'"code":"INSECURE_TOKEN_TRANSPORT"' in response.body
    assert token("ann").encode() not in response.body
    assert await verdict(bench, "header", token("ann")) == "ann"


@pytest.mark.parametrize("name", ["token", "access_token"])
async def test_rest_takes_no_token_in_the_url(bench, name):
    async with bench.http("ann") as http:
        response = await http.get("/chat/rooms", params={name: token("ann")})
    assert (response.status_code, response.json()["code"]) == (400, "INSECURE_TOKEN_TRANSPORT")
    assert bench.room.queries == []


async def test_rest_takes_one_authorization_header_only(bench):
    async with bench.http() as http:
        given = [("Authorization", f"Bearer {token(user)}") for user in ("ann", "bob")]
        response = await http.get("/chat/rooms", headers=given)
    assert (response.status_code, response.json()["gatehouse_code"]) == (400, "bad_field")


async def test_nothing_in_a_frame_changes_who_speaks(bench):
    room = bench.room.open("r", "ann", "bob")
    socket = await bench.client("ann")
    for field in ("actor", "user", "sub", "client", "from"):
        answer = await socket.ask(type="send", id=field, room=room, text="x", **{field: "bob"})
        assert (answer["type"], answer["code"]) == ("refused", "bad_field"), field
    assert (await socket.ask(type="send", id=1, room=room, text="mine"))["type"] == "accepted"
    assert {command.actor for command in bench.room.commands} == {"ann"}


async def test_a_renewed_connection_outlives_its_first_token(bench):
    """The first token lasts a moment longer, the renewal an hour; what came before the end of the first goes on."""
    room = bench.room.open("r", "ann", "bob")
    socket = await bench.socket(**where("header", issue("ann", SECRET, now=time.time(), lifetime_seconds=-3)))
    await socket.receive()
    assert (await socket.ask(type="attach", id="a", room=room))["type"] == "attached"
    assert (await socket.ask(type="hello", token=token("ann")))["type"] == "welcome"
    [connection] = bench.gate.connections.values()
    assert bench.gate.visitors._of_user._held == {"ann": 1}
    connection.check(bench.gate.clock(), time.time() + 30)
    await bench.room.post(room, "bob", "still here?")
    assert (await socket.receive())["text"] == "still here?"
    await socket.nothing_more()


async def test_without_renewal_it_is_closed_when_its_token_ends(bench):
    socket = await bench.client("ann")
    [connection] = bench.gate.connections.values()
    connection.check(bench.gate.clock(), time.time() + 7200)
    assert (await socket.receive()) == {"type": "bye", "code": 4500, "reason": "token_expired"}
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(socket.connection.recv(), WAIT)
    await eventually(lambda: not bench.gate.connections, WAIT)
    assert bench.gate.visitors._of_user._held == {}
