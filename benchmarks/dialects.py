"""How a load client makes itself heard: the few bytes that each contender wants before it pushes. Pure."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from enum import StrEnum

MASK_BIT = 0x80
KEY = b64encode(b"sixteen bytes ok").decode()
SEVEN_BITS = 126


class Dialect(StrEnum):
    """BARE: nothing at all, bytes come. PLAIN: WebSocket. SOCKETIO: Engine.IO 4 over WebSocket. GATEHOUSE: ours."""

    BARE = "bare"
    PLAIN = "plain"
    SOCKETIO = "socketio"
    GATEHOUSE = "gatehouse"


PATHS = {Dialect.PLAIN: "/", Dialect.SOCKETIO: "/socket.io/?EIO=4&transport=websocket", Dialect.GATEHOUSE: "/ws"}


@dataclass(frozen=True, slots=True)
class Greeting:
    """What one client says to be let in. With `rooms` empty a client of ours stays in no room."""

    dialect: Dialect
    token: str = ""
    rooms: tuple[str, ...] = ()
    positions: tuple[tuple[str, int], ...] = ()
    """Where to resume each room, `(epoch, seq)` in the order of `rooms`; without, from here on."""
    events: int = 0
    """How many events a client of ours wants before it is ready."""

    def opening(self, host: str) -> bytes:
        """The first bytes on the wire; none for BARE."""
        if self.dialect is Dialect.BARE:
            return b""
        bearer = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        return (
            f"GET {PATHS[self.dialect]} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{bearer}\r\n"
        ).encode()

    def answer(self, payload: bytes) -> bytes | None:
        """What to say to a frame; None: nothing."""
        if self.dialect is Dialect.SOCKETIO:
            return {b"0": b"40", b"2": b"3"}.get(payload[:1])
        if self.dialect is Dialect.GATEHOUSE and payload.startswith(b'{"type":"welcome"'):
            return self.attaches() or None
        return None

    def attaches(self) -> bytes:
        """The wishes for all rooms, as one run of client frames' payloads parted by line ends."""
        wishes: list[dict[str, object]] = [{"id": n, "type": "attach", "room": r} for n, r in enumerate(self.rooms)]
        for wish, (epoch, seq) in zip(wishes, self.positions, strict=False):
            wish["position"] = {"epoch": epoch, "seq": seq}
        return b"\n".join(json.dumps(wish).encode() for wish in wishes)

    @property
    def answers_wanted(self) -> int:
        """How many frames of `is_ready` make the client ready."""
        if self.dialect is Dialect.GATEHOUSE:
            return self.events + (len(self.rooms) or 1)
        return 1 if self.dialect is Dialect.SOCKETIO else 0

    def is_ready(self, payload: bytes) -> bool:
        """This frame says that pushes come from here on."""
        if self.dialect is Dialect.SOCKETIO:
            return payload.startswith(b"40")
        wanted = b'{"type":"attached"' if self.rooms else b'{"type":"welcome"'
        return payload.startswith(wanted) or (self.events > 0 and payload.startswith(b'{"type":"event"'))


def spoken(dialect: Dialect, number: int, room: str, text: str) -> bytes:
    """The bytes by which a client says a message and asks to be answered under `number`."""
    match dialect:
        case Dialect.GATEHOUSE:
            wish = {"id": number, "type": "send", "room": room, "text": text}
            return client_frame(json.dumps(wish).encode())
        case Dialect.SOCKETIO:
            return client_frame(f"42{number}{json.dumps(['message', {'text': text}])}".encode())
        case _:
            return f"{number} {text}\n".encode()


def answered(dialect: Dialect, payload: bytes) -> int | None:
    """The number of the message that a frame answers with yes; None: it is no answer.

    Raises:
        ValueError: it says no.
    """
    match dialect:
        case Dialect.GATEHOUSE:
            if payload.startswith(b'{"type":"refused"'):
                raise ValueError(payload.decode())
            return int(json.loads(payload)["id"]) if payload.startswith(b'{"type":"accepted"') else None
        case Dialect.SOCKETIO:
            return int(payload[2:].partition(b"[")[0]) if payload.startswith(b"43") else None
        case _:
            return int(payload) if payload.isdigit() else None


def client_frame(payload: bytes) -> bytes:
    """A text frame as a client must send it, under a mask of zeros (RFC 6455 §5.3), so that it need not be masked."""
    if len(payload) < SEVEN_BITS:
        return bytes((0x81, MASK_BIT | len(payload))) + bytes(4) + payload
    return bytes((0x81, MASK_BIT | SEVEN_BITS)) + len(payload).to_bytes(2) + bytes(4) + payload


def take_frames(buffer: bytearray) -> list[bytes]:
    """The payloads of whole server frames at the front of `buffer`, which are cut off it."""
    payloads, place = [], 0
    while len(buffer) >= place + 2:
        length, start = buffer[place + 1], place + 2
        if length >= SEVEN_BITS:
            start = place + (4 if length == SEVEN_BITS else 10)
            length = int.from_bytes(buffer[place + 2 : start])
        if len(buffer) < start + length:
            break
        place = start + length
        payloads.append(bytes(buffer[start:place]))
    del buffer[:place]
    return payloads
