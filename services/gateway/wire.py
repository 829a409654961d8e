"""WebSocket bytes of what a server sends. A frame is built once and the same bytes go to every socket."""

from __future__ import annotations

from typing import Final

_FINAL_TEXT: Final = 0x81
_SEVEN_BITS: Final = 126
_SIXTEEN_BITS: Final = 1 << 16


def text_frame(payload: bytes) -> bytes:
    """One final, unmasked text frame (RFC 6455 §5.2) around UTF-8 `payload`."""
    length = len(payload)
    if length < _SEVEN_BITS:
        return bytes((_FINAL_TEXT, length)) + payload
    if length < _SIXTEEN_BITS:
        return bytes((_FINAL_TEXT, 126)) + length.to_bytes(2) + payload
    return bytes((_FINAL_TEXT, 127)) + length.to_bytes(8) + payload
