"""A publish as the bytes of its AMQP frames, put together from parts that stay the same. Pure.

The driver encodes every frame anew, field by field. Here what does not change from one publish to the next is encoded
once: the method with its exchange and key, and the properties.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pamqp import commands, constants, encode, frame

KEYS_REMEMBERED: Final = 8_192
NAMES_REMEMBERED: Final = 64

_HEAD: Final = struct.Struct(">BHI")
_CONTENT: Final = struct.Struct(">BHIHHQH")
_CONTENT_BYTES: Final = 14
_FLAGS: Final = struct.Struct(">H")
_LENGTH: Final = struct.Struct(">I")
_MESSAGE_ID: Final = commands.Basic.Properties.flags["message_id"]
_HEADERS: Final = commands.Basic.Properties.flags["headers"]
_DELIVERY_MODE: Final = commands.Basic.Properties.flags["delivery_mode"]
_END: Final = constants.FRAME_END_CHAR


class Envelope(NamedTuple):
    """The properties of a publish, encoded."""

    flags: int
    encoded: bytes

    @classmethod
    def of(cls, properties: commands.Basic.Properties) -> Envelope:
        """Encode properties, for many publishes."""
        encoded = properties.marshal()
        [flags] = _FLAGS.unpack_from(encoded)
        return cls(flags, encoded[_FLAGS.size :])

    @classmethod
    def of_headers(cls, table: dict[str, Any], delivery_mode: int) -> Envelope:  # Any: an AMQP field table
        """The same for a header table that belongs to one publish only."""
        return cls(_HEADERS | _DELIVERY_MODE, b"%b%c" % (encoded_table(table), delivery_mode))

    def numbered(self, message_id: str) -> Envelope:
        """The same with a message id, which must be its last property.

        Raises:
            ValueError: it has one, or one that stands behind it.
        """
        if self.flags & (2 * _MESSAGE_ID - 1):
            raise ValueError("nothing may stand behind the message id")
        return Envelope(self.flags | _MESSAGE_ID, b"%b%c%b" % (self.encoded, len(message_id), message_id.encode()))


def encoded_table(table: dict[str, Any]) -> bytes:  # Any: an AMQP field table
    """A header table; its texts, which most of its values are, without the driver."""
    parts = []
    for name, value in table.items():
        parts.append(_encoded_name(name))
        if isinstance(value, str):
            text = value.encode()
            parts += (b"S", _LENGTH.pack(len(text)), text)
        else:
            parts.append(encode.encode_table_value(value))
    encoded = b"".join(parts)
    return _LENGTH.pack(len(encoded)) + encoded


class Frames(NamedTuple):
    """How a channel cuts its publishes: under its number, into bodies of at most `most_bytes`."""

    channel: int
    most_bytes: int

    def publish(self, exchange: str, key: str, envelope: Envelope, body: bytes, *, mandatory: bool) -> bytes:
        """The frames of one publish.

        Raises:
            ValueError, TypeError: exchange or key are too long for AMQP.
        """
        length = _CONTENT_BYTES + len(envelope.encoded)
        content = _CONTENT.pack(
            constants.FRAME_HEADER, self.channel, length, commands.Basic.frame_id, 0, len(body), envelope.flags
        )
        parts = [_method(self.channel, exchange, key, mandatory), content, envelope.encoded, _END]
        for start in range(0, len(body), self.most_bytes):
            part = body[start : start + self.most_bytes]
            parts += (_HEAD.pack(constants.FRAME_BODY, self.channel, len(part)), part, _END)
        return b"".join(parts)


@lru_cache(KEYS_REMEMBERED)
def _method(channel: int, exchange: str, key: str, mandatory: bool) -> bytes:  # noqa: FBT001 - a part of the cache's key
    return frame.marshal(commands.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory), channel)


@lru_cache(NAMES_REMEMBERED)
def _encoded_name(name: str) -> bytes:
    return encode.short_string(name)
