"""Little that is sent and costs much: deep, huge or packed bodies. Each is refused by code, what a gate holds stays
within bounds, and whoever behaves is served meanwhile."""

import asyncio
import gzip
import json
import zlib
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect

from schemas import limits
from tests.bed.memory import resident_mib
from tests.bed.waiting import eventually
from tests.security.raw import close_code, handshake, raw_frame
from tests.security.town import WAIT

pytestmark = [
    pytest.mark.broker,
    pytest.mark.store,
    pytest.mark.stack,
    pytest.mark.asyncio(loop_scope="module"),
]

GROWTH_MIB = 64
"""What a gate may grow by for all that is thrown at it here."""
TIMES = 20
FRAME, BODY = limits.FRAME_BYTES, 256 * 1024
TEXT, FIN, PACKED = 0x1, 0x80, 0x40


def deep(size):
    """JSON as deep as so many bytes allow."""
    return "[" * (size // 2) + "]" * (size // 2)


def bombs(room, size):
    """Bodies of a command of about so many bytes, none of which is one."""
    head = f'{{"id": 1, "type": "send", "room": "{room}", "text": '
    return {
        "lists in lists": deep(size),
        "lists that never end": "[" * size,
        "objects in objects": '{"a":' * (size // 5),
        "a deep field": head + deep(size - 100) + "}",
        "metadata in metadata": head + '"x", "metadata": ' + '{"a":' * 2_000 + "1" + "}" * 2_000 + "}",
        "a number of very many digits": head + "9" * (size - 100) + "}",
        "a seq of very many digits": head + '"x", "reply_to": ' + "9" * (size - 200) + "}",
        "a fraction of very many digits": head + "0." + "9" * (size - 100) + "}",
        "a number beyond all numbers": head + "1e" + "9" * 300 + "}",
        "very many fields": "{" + ",".join(f'"{number}":0' for number in range(size // 12)) + "}",
        "one field very many times": head + '"x"' + ',"type":"send"' * (size // 20) + ',"text":[]}',
        "very many mentions": head + '"x", "mentions": [' + '"a",' * (size // 5) + '"a"]}',
    }


@pytest.fixture
def light(town):
    """At the end of the test no gate holds much more than before."""
    before = [resident_mib(gate) for gate in town.stack.gates]
    yield
    grown = [resident_mib(gate) - held for gate, held in zip(town.stack.gates, before, strict=True)]
    assert max(grown) < GROWTH_MIB


@asynccontextmanager
async def served(town, room):
    """Bob, who writes to a room all the time, and is answered each time."""
    bob, stop = await town.enter("bob"), asyncio.Event()

    async def write():
        written = 0
        while not stop.is_set():
            assert (await bob.ask("send", room=room, text="still here"))["type"] == "accepted"
            written += 1
        return written

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        stop.set()
        assert await writing > 0


async def test_no_frame_costs_more_than_its_bytes(town, light):
    cellar = await town.dig_cellar()
    mallory = await town.enter("mallory")
    async with served(town, cellar.room):
        for name, bomb in bombs(cellar.room, FRAME).items():
            refused = len(mallory.frames)
            for _ in range(TIMES):
                await mallory.tell(bomb)
            answers = await eventually(
                lambda at=refused: mallory.frames[at + TIMES - 1 :] and mallory.frames[at:], WAIT
            )
            assert {answer["code"] for answer in answers} <= {"bad_frame", "bad_field", "too_large"}, name
    assert (await mallory.ask("ping"))["type"] == "pong"


async def test_no_body_of_a_request_costs_more_than_its_bytes(town, light):
    cellar = await town.dig_cellar()
    path, http = f"/chat/{cellar.room}/message", town.rest("mallory")
    json_headers = {"Content-Type": "application/json"}
    async with served(town, cellar.room):
        for name, bomb in bombs(cellar.room, BODY - 1_000).items():
            for _ in range(TIMES // 4):
                answer = await http.post(path, content=bomb, headers=json_headers)
                assert answer.status_code in (400, 413), (name, answer.text)
        assert (await http.post(path, content="x" * (BODY + 1), headers=json_headers)).status_code == 413


async def test_nothing_packed_is_unpacked(town, light):
    """Neither what a WebSocket sends as compressed, nor what a request calls so."""
    cellar = await town.dig_cellar()
    packed = zlib.compressobj(wbits=-15)
    data = packed.compress(b" " * 50_000_000) + packed.flush(zlib.Z_SYNC_FLUSH)
    assert len(data) < FRAME
    url, token = town.stack.http.replace("http", "ws", 1), town.stack.token("alice")
    async with connect(f"{url}/ws?token={token}", compression="deflate") as socket:
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
    client = await town.raw()
    client.write(handshake(f"/ws?token={token}"))
    await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), WAIT)
    client.write(raw_frame(FIN | PACKED | TEXT, data))
    assert close_code(await client.rest()) == 1002

    http, path = town.rest("alice"), f"/chat/{cellar.room}/message"
    body = json.dumps({"content": "plain"}).encode()
    headers = {"Content-Type": "application/json"}
    assert (await http.post(path, content=body, headers=headers)).is_success
    for content in (gzip.compress(body), gzip.compress(b" " * 50_000_000 + body)):
        answer = await http.post(path, content=content, headers=headers | {"Content-Encoding": "gzip"})
        assert answer.status_code == 400


async def test_no_delivery_of_an_outsider_costs_more_than_its_bytes(town, light):
    cellar = await town.dig_cellar("mallory")
    mallory, key = await town.producer("mallory"), f"room.{cellar.room}.send"
    async with served(town, cellar.room):
        for name, bomb in bombs(cellar.room, 4 * 2**20).items():
            said = await mallory.ask_in_bytes("chat.inbox", key, bomb.encode())
            assert said["code"] in ("bad_frame", "bad_field", "too_large", "bad_route"), name
        nested = "deepest"
        for _ in range(200):
            nested = {"a": nested}
        body = json.dumps({"type": "send", "room": cellar.room, "command_id": "deep", "text": "headers"}).encode()
        assert (await mallory.ask_in_bytes("chat.inbox", key, body, headers=nested))["type"] == "accepted"
    assert (await mallory.say(cellar.room, "send", text="a good one"))["type"] == "accepted"
