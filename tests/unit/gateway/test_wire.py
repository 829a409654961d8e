from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from services.gateway.wire import text_frame, text_payloads


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_a_text_frame_is_what_a_websocket_library_builds(length: int) -> None:
    payload = b"x" * length
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 65_535, b"x" * 65_536])))
def test_frames_put_together_are_read_back_one_by_one(payloads: list[bytes]) -> None:
    assert list(text_payloads(b"".join(map(text_frame, payloads)))) == payloads


@given(st.binary(min_size=1, max_size=200), st.integers(min_value=1))
def test_a_frame_that_is_cut_off_is_no_frame(payload: bytes, cut: int) -> None:
    frame = text_frame(payload)
    with pytest.raises(ValueError, match="no whole text frame at byte 0"):
        list(text_payloads(frame[: 1 + cut % (len(frame) - 1)]))


@pytest.mark.parametrize("data", [Frame(Opcode.BINARY, b"x").serialize(mask=False), b"\x01\x01x", b"GET / HTTP/1.1"])
def test_what_a_gate_never_pushes_is_not_read(data: bytes) -> None:
    with pytest.raises(ValueError, match="no whole text frame at byte 0"):
        list(text_payloads(data))
