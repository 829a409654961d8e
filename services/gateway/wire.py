"""WebSocket bytes of what a server sends. A frame is built once and the same bytes go to every socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_FINAL_TEXT: Final = 0x81
_SEVEN_BITS: Final = 126
_SIXTEEN_BITS: Final = 1 << 16
_LENGTH_BYTES: Final = {126: 2, 127: 8}


def text_frame(payload: bytes) -> bytes:
    """One final, unmasked text frame (RFC 6455 §5.2) around UTF-8 `payload`."""
    length = len(payload)
    if length < _SEVEN_BITS:
        return bytes((_FINAL_TEXT, length)) + payload
    if length < _SIXTEEN_BITS:
        return bytes((_FINAL_TEXT, 126)) + length.to_bytes(2) + payload
    return bytes((_FINAL_TEXT, 127)) + length.to_bytes(8) + payload


def text_payloads(data: bytes) -> Iterator[bytes]:
    """What is in whole frames that `text_frame` made, in order: its inverse, for a door that says them otherwise.

    Raises:
        ValueError: these are other bytes, or the last frame is cut off.
    """
    place = 0
    while place < len(data):
        start, end = _bounds(data, place)
        if data[place] != _FINAL_TEXT or end > len(data):
            raise ValueError(f"no whole text frame at byte {place}")
        yield data[start:end]
        place = end


def _bounds(data: bytes, place: int) -> tuple[int, int]:
    """Where the payload of the frame at `place` starts and ends."""
    length = data[place + 1] if place + 1 < len(data) else len(data)
    start = place + 2
    extended = _LENGTH_BYTES.get(length, 0)
    if extended:
        length = int.from_bytes(data[start : start + extended])
    return start + extended, start + extended + length
