"""Requests whose path, head or length is a trick: none reads a file, gets around a token, or hides a second request."""

import asyncio
from contextlib import suppress

import pytest
import pytest_asyncio

from tests.security.raw import handshake, text_frame
from tests.security.town import SECRET

pytestmark = [
    pytest.mark.broker,
    pytest.mark.store,
    pytest.mark.stack,
    pytest.mark.asyncio(loop_scope="module"),
]

WAIT = 20
FILES = (
    "/../../../../../../etc/passwd",
    "/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/%252e%252e/%252e%252e/etc/passwd",
    "/....//....//....//etc/passwd",
    "/..\\..\\..\\..\\etc\\passwd",
    "/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/app.js/../../settings.py",
    "/..%2fsettings.py",
    "/%2e%2e/settings.py",
    "/app.js%00.html",
    "/../settings.py%00.js",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data",
)
READABLE = ("root:x:", "class GatewaySettings", "jwt_secret")
ROUND_ABOUT = (
    "/chat/rooms",
    "//chat/rooms",
    "/./chat/rooms",
    "/x/../chat/rooms",
    "/chat/./rooms",
    "/chat/../chat/rooms",
    "/chat//rooms",
    "/chat/rooms/",
    "/chat/rooms/.",
    "/chat/rooms;x=y",
    "/chat/rooms%00",
    "/chat/rooms%20",
    "/chat%2frooms",
    "/%63hat/rooms",
    "/CHAT/rooms",
    "/app.js/../chat/rooms",
    "/healthz/../chat/rooms",
    "http://gate/chat/rooms",
    "/chat/rooms?token=",
    "/chat/rooms#",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cellar(town):
    return await town.dig_cellar()


async def said_to(town, data):
    """Everything a gate says to these bytes, up to the end of the connection."""
    client = await town.raw()
    client.write(data)
    try:
        return await client.rest()
    finally:
        client.abort()


async def got(town, target, *headers, method="GET"):
    """Status and text of the answer to one request, whose target is sent as it stands."""
    lines = [f"{method} {target} HTTP/1.1", "Host: gate", "Connection: close", *headers]
    said = (await said_to(town, "\r\n".join([*lines, "", ""]).encode("latin-1"))).decode(errors="replace")
    return int(said.split()[1]), said


def bearer(town, user):
    return f"Authorization: Bearer {town.stack.token(user)}"


async def test_no_path_reads_a_file_that_is_not_of_the_page(town):
    status, page = await got(town, "/app.js")
    assert (status, "import" in page) == (200, True)
    for target in FILES:
        status, said = await got(town, target)
        assert 400 <= status < 500, (target, said)
        assert not [word for word in READABLE if word in said], target


async def test_no_path_gets_around_the_token(town):
    for target in ROUND_ABOUT:
        for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE"):
            status, said = await got(town, target, method=method)
            assert 400 <= status < 500, (method, target, said)
    assert (await got(town, "/chat/rooms", bearer(town, "eve")))[0] == 200


async def test_no_path_leads_from_a_room_of_ones_own_into_another(town, cellar):
    eve = await town.enter("eve")
    assert (await eve.ask("create", room="eves", title="Eve's", visibility="private"))["type"] == "accepted"
    tricks = [
        f"/chat/{own}{between}{cellar.room}/messages"
        for own in ("eves", "")
        for between in (
            "/../",
            "%2f..%2f",
            "%2f",
            "/%2e%2e/",
            "//",
            "%00",
            "%0d%0a",
            ";",
            ",",
            "\\..\\",
            "/messages/../../",
        )
    ]
    tricks += [f"/chat/eves/messages/../../{cellar.room}/messages", f"/chat/eves/messages?room={cellar.room}"]
    for target in tricks:
        _, said = await got(town, target, bearer(town, "eve"))
        assert SECRET not in said, target
        assert SECRET not in (await upgraded(town, target.replace("/chat/", "/chat/ws/"), "eve")), target
    status, said = await got(town, f"/chat/{cellar.room}/messages", bearer(town, "alice"))
    assert (status, SECRET in said) == (200, True)
    assert SECRET in await upgraded(town, f"/chat/ws/{cellar.room}", "alice")


async def upgraded(town, target, user):
    """What a WebSocket there hears up to the answer to its `ping`, or how it is refused."""
    client = await town.raw()
    client.write(handshake(target).replace(b"Host: x\r\n", f"Host: x\r\n{bearer(town, user)}\r\n".encode()))
    async with asyncio.timeout(WAIT):
        said = await client.reader.readuntil(b"\r\n\r\n")
        client.write(text_frame(b'{"type": "ping"}'))
        with suppress(ConnectionResetError):
            while b'"pong"' not in said and (part := await client.reader.read(2**16)):
                said += part
    client.abort()
    return said.decode(errors="replace")


TWO_LENGTHS = {
    "a length and chunks": "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    "chunks and a length": "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    "two lengths": "Content-Length: 6\r\nContent-Length: 60\r\n",
    "a length that is none": "Content-Length: +6\r\n",
    "a folded head": "Transfer-Encoding:\r\n chunked\r\nContent-Length: 6\r\n",
    "chunks in other words": "Transfer-Encoding: xchunked\r\nContent-Length: 6\r\n",
    "a space before the colon": "Transfer-Encoding : chunked\r\nContent-Length: 6\r\n",
}


@pytest.mark.parametrize("lengths", TWO_LENGTHS.values(), ids=TWO_LENGTHS)
async def test_no_request_hides_in_the_body_of_another(town, lengths):
    hidden = f"GET /chat/rooms HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n{bearer(town, 'eve')}\r\n\r\n"
    first = f"POST /chat/eves/typing HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n{lengths}\r\n"
    said = await said_to(town, f"{first}0\r\n\r\n{hidden}".encode())
    assert said.startswith(b"HTTP/1.1 4"), said
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"200 OK" not in said
    good = f"POST /chat/eves/typing HTTP/1.1\r\nHost: gate\r\nContent-Length: 0\r\n\r\n{hidden}"
    assert (await said_to(town, good.encode())).count(b"HTTP/1.1 ") == 2
