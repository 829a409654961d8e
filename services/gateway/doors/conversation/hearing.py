"""Native frames read back from the bytes that a gate pushes: once for each event, however many clients get it. Pure.

The hub writes the same bytes object to every socket of a room; what was read in it is kept by those bytes, and what is
said alike to all clients is made with it. Both tables are bounded in entries and in bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from pydantic_core import from_json, to_json

from services.gateway.doors.conversation.asking import Frame
from services.gateway.doors.conversation.telling import ALIKE
from services.gateway.wire import text_frame, text_payloads

ENTRIES: Final = 512
BYTES: Final = 4 * 1024 * 1024

T = TypeVar("T")


class Heard(NamedTuple):
    """One native frame, and the bytes that say it to every client, where all are told the same."""

    frame: Frame
    said: bytes | None = None


class Hearing:
    """Reads what a gate writes. `read` counts the frames that had to be parsed."""

    def __init__(self) -> None:
        self.read = 0
        self._bursts: _Remembered[tuple[Heard, ...]] = _Remembered()
        self._frames: _Remembered[Heard] = _Remembered()

    def hear(self, data: bytes) -> tuple[Heard, ...]:
        """The frames in `data`, which are whole ones (`wire.text_frame`), in order."""
        return self._bursts.get(data, self._split)

    def hear_once(self, data: bytes) -> tuple[Heard, ...]:
        """The same for what one client alone is told: nothing of it is kept."""
        return tuple(map(self._parse, text_payloads(data)))

    def _split(self, data: bytes) -> tuple[Heard, ...]:
        return tuple(self._frames.get(payload, self._parse) for payload in text_payloads(data))

    def _parse(self, payload: bytes) -> Heard:
        self.read += 1
        frame: Frame = from_json(payload)
        tell = ALIKE.get(frame["event"]) if frame["type"] == "event" else None
        return Heard(frame) if tell is None else Heard(frame, encode(tell(frame)))


class _Remembered(Generic[T]):
    """What was made of some bytes; the longest unused is forgotten first."""

    def __init__(self) -> None:
        self._made: OrderedDict[bytes, T] = OrderedDict()
        self._bytes = 0

    def get(self, data: bytes, make: Callable[[bytes], T]) -> T:
        """What `make` makes of `data`, made now or before."""
        known = self._made.get(data)
        if known is not None:
            self._made.move_to_end(data)
            return known
        made = make(data)
        if len(data) <= BYTES // 4:
            self._made[data] = made
            self._bytes += len(data)
            self._forget()
        return made

    def _forget(self) -> None:
        while len(self._made) > ENTRIES or self._bytes > BYTES:
            data, _ = self._made.popitem(last=False)
            self._bytes -= len(data)


def encode(frame: Frame) -> bytes:
    """A frame as WebSocket bytes."""
    return text_frame(to_json(frame))
