"""A load client says what each contender wants to hear, and takes frames out of a stream however it is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dialects import Dialect, Greeting, answered, client_frame, spoken, take_frames
from services.gateway.wire import text_frame

PAYLOADS = st.lists(st.sampled_from([b"", b"x" * 125, b"y" * 126, b"z" * 65_535, b"w" * 65_536]), max_size=5)


@given(PAYLOADS, st.data())
def test_frames_come_whole_and_in_order_however_the_stream_is_cut(payloads, data):
    stream = b"".join(map(text_frame, payloads))
    cut = data.draw(st.integers(0, len(stream)))
    buffer, taken = bytearray(), []
    for part in (stream[:cut], stream[cut:]):
        buffer += part
        taken += take_frames(buffer)
    assert taken == payloads
    assert not buffer


@pytest.mark.parametrize("size", [0, 125, 126, 65_535])
def test_a_client_frame_is_masked_with_zeros_and_says_its_length(size):
    frame = client_frame(b"x" * size)
    head = 2 if size < 126 else 4
    assert frame[0] == 0x81
    assert frame[1] == 0x80 | (min(126, size))
    assert head == 2 or int.from_bytes(frame[2:4]) == size
    assert frame[head:] == bytes(4) + b"x" * size


def test_a_bare_client_opens_with_nothing_and_is_ready_at_once():
    greeting = Greeting(Dialect.BARE)
    assert greeting.opening("host") == b""
    assert greeting.answers_wanted == 0


def test_a_client_of_ours_asks_for_its_rooms_once_it_is_welcome():
    greeting = Greeting(Dialect.GATEHOUSE, "token", ("one", "two"), (("epoch", 7),))
    assert b"Authorization: Bearer token\r\n" in greeting.opening("host")
    wishes = [json.loads(wish) for wish in greeting.answer(b'{"type":"welcome"}').split(b"\n")]
    assert wishes == [
        {"id": 0, "type": "attach", "room": "one", "position": {"epoch": "epoch", "seq": 7}},
        {"id": 1, "type": "attach", "room": "two"},
    ]
    assert greeting.answers_wanted == 2
    assert greeting.is_ready(b'{"type":"attached","room":"one"}')
    assert not greeting.is_ready(b'{"type":"welcome"}')


def test_a_client_of_ours_without_rooms_is_ready_when_it_is_welcome():
    greeting = Greeting(Dialect.GATEHOUSE, "token")
    assert greeting.answer(b'{"type":"welcome"}') is None
    assert greeting.answers_wanted == 1
    assert greeting.is_ready(b'{"type":"welcome"}')


def test_a_socketio_client_connects_when_opened_and_answers_pings():
    greeting = Greeting(Dialect.SOCKETIO)
    assert greeting.answer(b'0{"sid":"x"}') == b"40"
    assert greeting.answer(b"2") == b"3"
    assert greeting.answer(b'42["message",{}]') is None
    assert greeting.is_ready(b'40{"sid":"x"}')


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [(Dialect.GATEHOUSE, b'{"type":"accepted","id":12}'), (Dialect.SOCKETIO, b"4312[]"), (Dialect.BARE, b"12")],
)
def test_an_answer_names_the_message_it_is_for(dialect, answer):
    assert b"12" in spoken(dialect, 12, "room", "text")
    assert answered(dialect, answer) == 12
    assert answered(dialect, b'{"type":"event"}') is None


def test_a_refused_message_is_an_error():
    with pytest.raises(ValueError, match="not_a_member"):
        answered(Dialect.GATEHOUSE, b'{"type":"refused","id":1,"code":"not_a_member"}')
