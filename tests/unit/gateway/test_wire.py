from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from services.gateway.wire import text_frame


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_a_text_frame_is_what_a_websocket_library_builds(length: int) -> None:
    payload = b"x" * length
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
