"""What every answer of the port has, and which pages may ask for one."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.gateway.conftest import token

pytestmark = pytest.mark.broker

WAIT = 20
WANTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def check(headers):
    lowered = {name.lower(): value for name, value in headers}
    assert {name: lowered.get(name) for name in WANTED} == WANTED
    assert lowered["content-security-policy"].startswith("default-src 'self'")
    assert "permissions-policy" in lowered
    assert "server" not in lowered
    assert sum(name.lower() in WANTED for name, _ in headers) == len(WANTED), "each once"
    return lowered


async def test_every_answer_has_the_security_headers(start_bench):
    bench = await start_bench(demo=True, allowed_origins="https://app.example")
    asked = [
        ("GET", "/", 200),
        ("GET", "/no/such/page", 404),
        ("GET", "/chat/rooms", 401),
        ("GET", "/chat/rooms?token=x", 400),
        ("PATCH", "/chat/rooms", 405),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
        ("POST", "/demo/login", 400),
        ("OPTIONS", "/chat/rooms", 200),
    ]
    async with bench.http() as http:
        for method, path, status in asked:
            preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
            response = await http.request(method, path, headers=preflight if method == "OPTIONS" else {})
            assert response.status_code == status, (method, path)
            assert "strict-transport-security" not in check(response.headers.multi_items())
        response = await http.post("/chat/create", content=b"x" * 300_000, headers={"Origin": "https://app.example"})
        assert response.status_code == 413
        assert check(response.headers.multi_items())["access-control-allow-origin"] == "https://app.example"


async def test_what_breaks_inside_is_answered_with_them_too(bench, monkeypatch):
    async def broken(_):
        raise RuntimeError("planted")

    monkeypatch.setattr(bench.gate.queries, "ask", broken)
    async with bench.http("ann") as http:
        response = await http.get("/chat/rooms")
    assert (response.status_code, response.json()["gatehouse_code"]) == (500, "internal")
    check(response.headers.multi_items())


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"path": "/nowhere"}, 404),
        ({"origin": "https://evil.example"}, 403),
        ({"path": "/ws?token=a&token=b"}, 400),
        ({"additional_headers": {"X-Filler": "x" * 9_000}}, 431),
        ({"additional_headers": {"Sec-WebSocket-Version": "12"}}, 400),
    ],
)
async def test_refused_handshakes_have_the_security_headers(bench, options, status):
    with pytest.raises(InvalidStatus) as refused:
        await bench.socket(**options)
    assert refused.value.response.status_code == status
    check(list(refused.value.response.headers.raw_items()))


async def test_what_is_no_http_is_answered_with_them_too(bench):
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(b"nonsense\r\n\r\n")
    said = (await asyncio.wait_for(reader.read(), WAIT)).decode()
    writer.close()
    assert said.startswith("HTTP/1.1 400 ")
    check([tuple(line.split(": ", 1)) for line in said.partition("\r\n\r\n")[0].split("\r\n")[1:]])


async def test_hsts_is_said_to_whom_a_trusted_proxy_brought_by_tls(start_bench):
    bench = await start_bench(trusted_proxies="127.0.0.1")
    async with bench.http() as http:
        by_tls = await http.get("/healthz", headers={"X-Forwarded-Proto": "https"})
        plain = await http.get("/healthz", headers={"X-Forwarded-Proto": "http"})
    assert "max-age=" in by_tls.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in plain.headers
    with pytest.raises(InvalidStatus) as refused:
        await bench.socket("/nowhere", additional_headers={"X-Forwarded-Proto": "https"})
    assert "max-age=" in refused.value.response.headers["Strict-Transport-Security"]


async def test_hsts_is_not_said_because_somebody_says_so(bench):
    async with bench.http() as http:
        response = await http.get("/healthz", headers={"X-Forwarded-Proto": "https"})
    assert "Strict-Transport-Security" not in response.headers


async def test_pages_of_other_hosts_may_not_connect(bench):
    own = f"http://127.0.0.1:{bench.port}"
    for origin in ("https://evil.example", "null", f"{own}0", f"{own}.evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            await bench.socket(f"/ws?token={token('ann')}", origin=origin)
        assert refused.value.response.status_code == 403
        assert b'"gatehouse_code":"not_allowed"' in refused.value.response.body
    socket = await bench.socket(f"/ws?token={token('ann')}", origin=own)
    assert (await socket.receive())["type"] == "welcome"


async def test_pages_of_listed_origins_may_connect_and_use_rest(start_bench):
    bench = await start_bench(allowed_origins="https://app.example, http://127.0.0.1:9")
    socket = await bench.socket(f"/ws?token={token('ann')}", origin="https://app.example")
    assert (await socket.receive())["type"] == "welcome"
    async with bench.http("ann") as http:
        ours = await http.get("/chat/rooms", headers={"Origin": "https://app.example"})
        theirs = await http.get("/chat/rooms", headers={"Origin": "https://evil.example"})
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        }
        may = await http.options("/chat/create", headers={"Origin": "https://app.example", **asked})
        may_not = await http.options("/chat/create", headers={"Origin": "https://evil.example", **asked})
    assert ours.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Access-Control-Allow-Origin" not in theirs.headers
    assert (may.status_code, may.headers["Access-Control-Allow-Origin"]) == (200, "https://app.example")
    assert may_not.status_code == 400
    assert "Access-Control-Allow-Credentials" not in {**ours.headers, **may.headers}


async def test_without_listed_origins_rest_is_for_its_own_pages_only(bench):
    async with bench.http("ann") as http:
        response = await http.get("/chat/rooms", headers={"Origin": "https://evil.example"})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_star_lets_every_page_in(start_bench):
    bench = await start_bench(allowed_origins="*")
    socket = await bench.socket(f"/ws?token={token('ann')}", origin="https://anything.example")
    assert (await socket.receive())["type"] == "welcome"
    async with bench.http("ann") as http:
        response = await http.get("/chat/rooms", headers={"Origin": "https://anything.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_no_log_line_names_a_token(bench, capsys, caplog):
    given = token("ann")
    bad = f"{given}x"
    for text in (given, bad):
        socket = await bench.socket(f"/ws?token={text}")
        await socket.receive()
        async with bench.http() as http:
            await http.get(f"/chat/rooms?token={text}")
            await http.get("/chat/rooms", headers={"Authorization": f"Bearer {text}"})
    said = capsys.readouterr()
    for text in (said.out, said.err, *[record.getMessage() for record in caplog.records]):
        assert given not in text
