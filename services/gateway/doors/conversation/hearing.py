"""Native frames read back from the bytes that a gate pushes: once for each event, however many clients get it. Pure.

The hub writes the same bytes object to every socket of a room; what was read in it is kept by those bytes, and what is
said alike to all clients is made with it. Both tables are bounded in entries and in bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, NamedTuple, TypeVar

from pydantic_core import from_json, to_json

from services.gateway.doors.conversation.asking import Frame
from services.gateway.doors.conversation.telling import ALIKE
from services.gateway.wire import text_frame, text_payloads

ENTRIES: Final = 512
BYTES: Final = 4 * 1024 * 1024

SHARED: Final = frozenset({"event", "signal"})

T = TypeVar("T")


class Heard(NamedTuple):
    """One native frame, and the bytes that say it to every client, where all are told the same."""

    frame: Frame
    said: bytes | None = None

    @property
    def is_shared(self) -> bool:
        """Whether others may be told it as well: an answer is for one client alone."""
        return self.frame["type"] in SHARED


class Hearing:
    """Reads what a gate writes. `read` counts the frames that had to be parsed."""

    def __init__(self) -> None:
        self.read = 0
        self._bursts: _Remembered[tuple[Heard, ...]] = _Remembered()
        self._frames: _Remembered[Heard] = _Remembered()

    def hear(self, data: bytes) -> tuple[Heard, ...]:
        """The frames in `data`, which are whole ones (`wire.text_frame`), in order."""
        known = self._bursts.get(data)
        if known is None:
            known = tuple(map(self._hear, text_payloads(data)))
            if all(one.is_shared for one in known):
                self._bursts.keep(data, known)
        return known

    def _hear(self, payload: bytes) -> Heard:
        known = self._frames.get(payload)
        if known is None:
            known = self._parse(payload)
            if known.is_shared:
                self._frames.keep(payload, known)
        return known

    def _parse(self, payload: bytes) -> Heard:
        self.read += 1
        frame: Frame = from_json(payload)
        tell = ALIKE.get(frame["event"]) if frame["type"] == "event" else None
        return Heard(frame) if tell is None else Heard(frame, encode(tell(frame)))


class _Remembered(Generic[T]):
    """What was read in some bytes; the longest unused is forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, T] = OrderedDict()
        self._bytes = 0

    def get(self, data: bytes) -> T | None:
        """What is known of these bytes."""
        known = self._known.get(data)
        if known is not None:
            self._known.move_to_end(data)
        return known

    def keep(self, data: bytes, read: T) -> None:
        """Know it from now on, unless it is so large that little else would have a place."""
        if len(data) > BYTES // 4:
            return
        self._known[data] = read
        self._bytes += len(data)
        while len(self._known) > ENTRIES or self._bytes > BYTES:
            forgotten, _ = self._known.popitem(last=False)
            self._bytes -= len(forgotten)


def encode(frame: Frame) -> bytes:
    """A frame as WebSocket bytes."""
    return text_frame(to_json(frame))
