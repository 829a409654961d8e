"""Frames of the native WebSocket, from nearly right to nonsense: each is answered by code, and the connection stays."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ERRORS, Code
from schemas.frames import SERVER_FRAMES
from tests.bed.unlimited import SETTINGS
from tests.security.fuzz import FIELDS, ROOM, TYPES, USER, VALUES, frame_texts, garbage, tried

pytestmark = pytest.mark.broker

UNASKED = ("event", "signal", "reset")
WAIT = 20


def good_frame(kind):
    """A frame of that type with nothing wrong in it."""
    return {"id": "n", "type": kind} | {name: VALUES[name] for name in FIELDS.get(kind, ("room",))}


EVERY_FIELD = [(kind, name) for kind in TYPES for name in good_frame(kind)]


class Target:
    """A gate and one client that is a member of a room there, and comes back when a `hello` of its own ended it."""

    def __init__(self, bench, socket):
        self.bench = bench
        self.socket = socket

    async def answer(self, text):
        """Send anything; its answer."""
        await self.socket.send_raw(text)
        while (frame := await self.socket.receive())["type"] in UNASKED or is_expulsion(frame):
            pass
        return frame


def is_expulsion(frame):
    """A session ended, and not because it was asked to."""
    return frame["type"] == "detached" and "code" in frame


@pytest.fixture
async def target(start_bench):
    bench = await start_bench(ping_seconds=3600, **SETTINGS)
    bench.room.open(ROOM, USER, "bob", events=3)
    yield Target(bench, await bench.client(USER))
    newcomer = await bench.client("bob")
    assert (await newcomer.ask(type="ping", id="fresh")) == {"type": "pong", "id": "fresh"}
    assert (await newcomer.ask(type="rooms", id="read"))["type"] == "rooms"


async def is_answered(target, text):
    """Judge one frame: it has an answer of a known shape, and only a `hello` that is none ends the connection."""
    target.bench.room.members[ROOM].update((USER, "bob"))
    answer = await target.answer(text)
    SERVER_FRAMES[answer["type"]].model_validate(answer)
    if answer.get("code") == Code.UNAUTHENTICATED:
        assert '"hello"' in text
        assert (await target.socket.receive())["type"] == "bye"
        assert (await target.socket.closed())[0] == ERRORS[Code.UNAUTHENTICATED].close
        target.socket = await target.bench.client(USER)
    else:
        assert answer.get("code") not in (Code.INTERNAL, Code.NO_ANSWER), answer


@given(text=frame_texts)
@tried(400)
async def test_every_text_is_answered_and_the_connection_stays(target, text):
    await is_answered(target, text)


@given(values=st.lists(garbage, min_size=len(EVERY_FIELD), max_size=len(EVERY_FIELD)))
@tried(5)
async def test_every_field_of_every_frame_may_be_garbage(target, values):
    for (kind, name), value in zip(EVERY_FIELD, values, strict=True):
        await is_answered(target, json.dumps(good_frame(kind) | {name: value}))


@given(first=frame_texts, others=st.lists(frame_texts, min_size=5, max_size=20))
@tried(10)
async def test_nobody_who_says_no_hello_gets_further_whatever_they_send(target, first, others):
    stranger = await target.bench.socket()
    for text in (first, *others):
        if '"hello"' not in text:
            await stranger.send_raw(text)
            answer = await stranger.receive()
            assert answer["type"] == "refused"
            assert answer["code"] in (Code.UNAUTHENTICATED, Code.BAD_FRAME, Code.BAD_FIELD, Code.TOO_LARGE)
    await stranger.connection.close()


@given(data=st.binary(min_size=1, max_size=200))
@tried(100)
async def test_bytes_that_are_no_utf8_are_refused_and_the_connection_stays(target, data):
    broken = data + b"\xff\xfe"
    await target.socket.connection.send(broken, text=True)
    answer = await target.socket.receive()
    assert (answer["type"], answer["code"]) == ("refused", Code.BAD_FRAME)


async def test_a_flood_of_garbage_is_answered_one_by_one_and_others_are_served(target):
    garbage_of_some_size = "{" * 30_000
    quick = await target.bench.client("bob")
    for _ in range(200):
        await target.socket.send_raw(garbage_of_some_size)
    assert (await asyncio.wait_for(quick.ask(type="ping", id=1), WAIT)) == {"type": "pong", "id": 1}
    codes = {(await target.socket.receive())["code"] for _ in range(200)}
    assert codes == {Code.BAD_FRAME}
