"""Bytes that are no WebSocket frames: they end that connection by code, and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bed.unlimited import SETTINGS
from tests.bed.waiting import eventually
from tests.security.fuzz import tried
from tests.security.raw import WAIT, RawClient, close_code, handshake, raw_frame, text_frame

pytestmark = pytest.mark.broker

PROTOCOL_ERROR = 1002
TOO_BIG = 1009
FIN = 0x80
BROKEN = {
    "an opcode that is reserved": raw_frame(FIN | 0x3, b"x"),
    "a control opcode that is reserved": raw_frame(FIN | 0xB, b"x"),
    "a frame that is not masked": raw_frame(FIN | 0x1, b"{}", masked=False),
    "a first reserved bit": raw_frame(FIN | 0x41, b"{}"),
    "a second reserved bit": raw_frame(FIN | 0x21, b"{}"),
    "a third reserved bit": raw_frame(FIN | 0x11, b"{}"),
    "a ping in fragments": raw_frame(0x9, b"x"),
    "a close in fragments": raw_frame(0x8, b"\x03\xe8"),
    "a ping that is too long": raw_frame(FIN | 0x9, b"x" * 126),
    "a continuation of nothing": raw_frame(FIN | 0x0, b"x"),
    "a text within a text": raw_frame(0x1, b"{") + raw_frame(0x1, b"}"),
    "a close of one byte": raw_frame(FIN | 0x8, b"\x03"),
    "a close with a code that is none": raw_frame(FIN | 0x8, b"\x00\x01"),
    "a close whose reason is no UTF-8": raw_frame(FIN | 0x8, b"\x03\xe8\xff\xfe"),
}
LIES = {
    "two megabytes and a byte": raw_frame(FIN | 0x1, b"x" * 10, told=2 * 2**20 + 1),
    "all that a length can say": raw_frame(FIN | 0x1, b"x" * 10, told=2**63 - 1),
}


SHORT_SECONDS, HEAD_SECONDS = 0.5, 2.0
at_heads = pytest.mark.parametrize("request_seconds", [HEAD_SECONDS], ids=["heads"])
"""For tests that wait until a head has taken too long. All others shake hands: a stalled machine may take its time."""


@pytest.fixture
def request_seconds():
    return WAIT


@pytest.fixture
async def target(start_bench, request_seconds):
    """A gate that never pings, and a client beside whoever misbehaves, which must not notice."""
    times = {"ping_seconds": 3600, "close_seconds": SHORT_SECONDS, "request_seconds": request_seconds}
    bench = await start_bench(**times, **SETTINGS)
    beside = await bench.client("bob")
    yield bench
    assert await beside.ask(type="ping", id="beside") == {"type": "pong", "id": "beside"}
    assert await (await bench.client("carol")).ask(type="ping", id="fresh") == {"type": "pong", "id": "fresh"}
    await eventually(lambda: len(bench.gate.connections) == 2, WAIT, "only those two are still there")


async def said_to(bench, data, user="ann"):
    """Upgrade, send this, and read to the end of the connection; the close code."""
    client = await RawClient.upgraded(bench, user)
    try:
        client.write(data)
        return close_code(await client.rest())
    finally:
        client.abort()


@pytest.mark.parametrize("user", ["ann", None], ids=["a user", "nobody yet"])
async def test_what_breaks_the_protocol_is_closed_with_1002(target, user):
    codes = {name: await said_to(target, data, user) for name, data in BROKEN.items()}
    assert codes == dict.fromkeys(BROKEN, PROTOCOL_ERROR) | {
        "a close whose reason is no UTF-8": codes["a close whose reason is no UTF-8"]
    }
    assert codes["a close whose reason is no UTF-8"] in (PROTOCOL_ERROR, 1007)


async def test_a_length_beyond_what_can_be_read_over_is_closed_at_once_with_1009(target):
    assert {name: await said_to(target, data) for name, data in LIES.items()} == dict.fromkeys(LIES, TOO_BIG)


async def test_what_came_before_the_broken_frame_is_answered(target, open_raw):
    client = await open_raw(target)
    client.write(text_frame(b'{"type": "ping"}') + BROKEN["an opcode that is reserved"])
    said = await client.rest()
    assert b'"pong"' in said
    assert close_code(said) == PROTOCOL_ERROR


@given(data=st.binary(min_size=1, max_size=300))
@tried(60)
async def test_random_bytes_after_the_handshake_end_in_an_answer_or_a_close(target, open_raw, data):
    client = await open_raw(target)
    client.write(data)
    client.writer.write_eof()
    await client.rest()
    client.abort()


@given(
    data=st.binary(min_size=1, max_size=300) | st.binary(max_size=40).map(lambda noise: b"GET /ws HTTP/1.1\r\n" + noise)
)
@tried(20)
@at_heads
async def test_random_bytes_instead_of_a_handshake_are_no_connection(target, open_raw, data):
    client = await open_raw(target, upgraded=False)
    client.write(data)
    client.writer.write_eof()
    said = await client.rest()
    assert said == b"" or said.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(
    "head",
    [
        handshake().replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"),
        handshake().replace(b"AAAAAAAAAAAAAAAAAAAAAA==", b"short"),
        handshake().replace(b"Sec-WebSocket-Key", b"X-Key"),
        handshake().replace(b"GET", b"POST"),
        handshake().replace(b"Host: x\r\n", b"Host: x\r\nAuthorization: Bearer \xff\xfe\r\n"),
        handshake().replace(b"Host: x\r\n", b"Host: x\r\n" + b"X: y\r\n" * 1_000),
        handshake("/ws?token=" + "x" * 70_000),
    ],
    ids=["version", "key", "no key", "method", "bytes in a header", "many headers", "long target"],
)
@at_heads
async def test_a_handshake_that_is_none_is_refused_or_ended_by_code(target, open_raw, head):
    client = await open_raw(target, upgraded=False)
    client.write(head)
    said = await client.rest()
    assert said == b"" or said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 101 "))
