"""One client of the fleet: it keeps its position in each room, comes back with it after whatever happened, and writes
everything it is told into its journal."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from services.runtime.broker import wait_or
from tests.reliability.journal import (
    Answered,
    Asked,
    Attached,
    Bye,
    Detached,
    Garbled,
    Got,
    Journal,
    Lagged,
    Lost,
    Opened,
    Refused,
    Reset,
    Service,
    Told,
)
from tests.reliability.line import Line, NotOpened

OPEN_SECONDS = 20.0
PAUSE_SECONDS = (0.05, 0.3)
"""Between two tries to connect, and before a refused attach is repeated. Much shorter than a real client's."""
DOOR = "websocket"
LONGEST_RETURN_SECONDS = 5.0
"""Nobody stays away for longer because a gate says so: a run has its end."""


class FleetClient:
    """`live` is its life, until `end`. `home` is the gate it comes to first; where it comes back is for `chance`."""

    def __init__(
        self,
        user: str,
        token: str,
        rooms: Sequence[str],
        gates: Sequence[str],
        home: int = 0,
        *,
        receive_buffer: int | None = None,
        insists_after: tuple[float, float] | None = None,
    ) -> None:
        """`insists_after`: one that was sent out of a room, or not let in, tries to come back after so many seconds."""
        self.user = user
        self.rooms = tuple(rooms)
        self.journal = Journal()
        self.positions: dict[str, tuple[str, int]] = {}
        self.gate = home
        self.line: Line | None = None
        self.outstanding: dict[str, dict[str, Any]] = {}
        self.accepted: set[str] = set()
        self.service: Service | None = None
        self.on_event: Callable[[str], None] | None = None
        self._token = token
        self._gates = gates
        self._buffer = receive_buffer
        self._insists_after = insists_after
        self._attached: set[str] = set()
        self._on_line: set[str] = set()
        self._retry: dict[str, asyncio.TimerHandle] = {}
        self._ended = asyncio.Event()
        self._called = asyncio.Event()
        self._chance = Random(user)
        self._return_seconds: float | None = None
        self._away_seconds: float | None = None

    @property
    def settled(self) -> bool:
        """Whether it is connected, and attached to all of its rooms."""
        return len(self._attached) == len(self.rooms)

    def is_attached_to(self, room: str) -> bool:
        """Whether events of the room come now."""
        return room in self._attached

    @property
    def connections(self) -> int:
        """How many it had."""
        return len(self.journal.of(Opened))

    @property
    def in_flight(self) -> frozenset[str]:
        """The commands that were sent on the present connection and have no answer."""
        return frozenset(self._on_line)

    async def live(self) -> None:
        """Connect, and connect again, until `end`."""
        while not self._ended.is_set():
            self.line = Line(self._gates[self.gate], self._token, self._receive, self._note_garbled)
            if await self._is_open(self.line):
                if self._ended.is_set():
                    self.line.cut()
                self._forget_line(await self.line.lost)
            await wait_or(self._called, self._pause_before_return())
            self._called.clear()
            self.gate = self._chance.randrange(len(self._gates))

    def end(self) -> None:
        """Stay away from now on."""
        self._ended.set()
        self._called.set()
        self._cancel_retries()
        if self.line is not None:
            self.line.cut()

    def cut(self) -> None:
        """Pull the cable."""
        if self.line is not None:
            self.line.cut()

    def stay_away(self, seconds: float) -> None:
        """Pull the cable, and come back after so long."""
        self._away_seconds = seconds
        self.cut()

    def come_back(self) -> None:
        """Now."""
        self._called.set()

    # Writing.

    def wish(self, command_id: str, **frame: Any) -> None:
        """Have a command applied: it is sent again, flagged, until it is accepted."""
        self.outstanding[command_id] = {"id": command_id, "command_id": command_id, **frame}
        self._send(command_id)

    def _send(self, command_id: str) -> None:
        frame = self.outstanding.get(command_id)
        if frame is not None and self.line is not None:
            self._on_line.add(command_id)
            again = frame.get("retry", False)
            now, text, user = time.monotonic(), frame.get("text"), frame.get("user")
            self.journal.append(Asked(command_id, frame["room"], frame["type"], DOOR, again, now, text, user))
            self.line.send(**frame)

    def _cancel_retries(self) -> None:
        """What is tried again was meant for the line that is gone: the next one begins with everything."""
        for timer in self._retry.values():
            timer.cancel()
        self._retry.clear()

    def _send_later(
        self, key: str, send: Callable[[], None], pause_seconds: tuple[float, float] = PAUSE_SECONDS
    ) -> None:
        if not self._ended.is_set():
            pause = self._chance.uniform(*pause_seconds)
            self._retry[key] = asyncio.get_running_loop().call_later(pause, send)

    # The connection.

    async def _is_open(self, line: Line) -> bool:
        try:
            await line.open(within_seconds=OPEN_SECONDS, receive_buffer=self._buffer)
        except (OSError, NotOpened, TimeoutError):
            return False
        return True

    def _forget_line(self, code: int | None) -> None:
        self.journal.append(Lost(code, frozenset(self._on_line), time.monotonic()))
        for frame in self.outstanding.values():
            frame["retry"] = True
        self._cancel_retries()
        self.line = None
        self._on_line.clear()
        self._attached.clear()

    def _pause_before_return(self) -> float:
        if self._away_seconds is not None:
            away, self._away_seconds = self._away_seconds, None
            return away
        told, self._return_seconds = self._return_seconds, None
        return self._chance.uniform(*PAUSE_SECONDS) if told is None else min(told, LONGEST_RETURN_SECONDS)

    def _begin(self) -> None:
        for room in self.rooms:
            self._attach(room)
        for command_id in list(self.outstanding):
            self._send(command_id)

    def _attach(self, room: str) -> None:
        if self.line is None:
            return
        known = self.positions.get(room)
        position = None if known is None else {"epoch": known[0], "seq": known[1]}
        self.line.send(type="attach", id=f"attach:{room}", room=room, position=position)

    def _attach_later(self, room: str) -> None:
        self._send_later(f"attach:{room}", lambda: self._attach(room), self._insists_after or PAUSE_SECONDS)

    # What it is told.

    def _note_garbled(self, why: str) -> None:
        self.journal.append(Garbled(why, time.monotonic()))

    def _receive(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "event":
                self._receive_event(frame)
            case "accepted":
                self._receive_accepted(frame)
            case "refused":
                self._receive_refused(frame)
            case "welcome":
                self.journal.append(Opened(self.gate, time.monotonic()))
                self._begin()
            case "bye":
                self._return_seconds = frame.get("retry_after_seconds")
                self.journal.append(Bye(frame["code"], self._return_seconds, time.monotonic()))
            case "signal" if frame["signal"] == "service":
                self.service = Service(frame["available"], time.monotonic())
                self.journal.append(self.service)
            case "signal":
                self.journal.append(Told(frame["room"], frame["signal"], time.monotonic(), as_pushed(frame)))
            case _ if "room" in frame:
                self._receive_word(frame["type"], frame)

    def _receive_word(self, kind: str, frame: dict[str, Any]) -> None:
        """What is said of a session."""
        room = frame["room"]
        match kind:
            case "attached":
                self.journal.append(Attached(room, frame["epoch"], frame["seq"], time.monotonic()))
                self.positions[room] = frame["epoch"], frame["seq"]
                self._attached.add(room)
            case "reset":
                self.journal.append(Reset(room, frame["epoch"], frame["seq"], time.monotonic()))
                self.positions[room] = frame["epoch"], frame["seq"]
            case "lagged":
                self.journal.append(Lagged(room, frame["from"], frame["to"], time.monotonic()))
            case "detached":
                self.journal.append(Detached(room, frame["code"], time.monotonic()))
                self._attached.discard(room)
                if self._insists_after is not None:
                    self._attach_later(room)

    def _receive_event(self, frame: dict[str, Any]) -> None:
        room, seq, command_id = frame["room"], frame["seq"], frame["command_id"]
        self.journal.append(got(frame))
        known = self.positions.get(room)
        if known is not None and seq > known[1]:
            self.positions[room] = frame["epoch"], seq
            if self.on_event is not None:
                self.on_event(command_id)

    def _receive_accepted(self, frame: dict[str, Any]) -> None:
        room, seq, command_id = frame["room"], frame["seq"], frame["command_id"]
        self.journal.append(Answered(room, frame["epoch"], seq, command_id, time.monotonic()))
        self.accepted.add(command_id)
        self.outstanding.pop(command_id, None)
        self._on_line.discard(command_id)
        if room in self._attached and self.positions[room] == (frame["epoch"], seq - 1):
            self.positions[room] = frame["epoch"], seq

    def _receive_refused(self, frame: dict[str, Any]) -> None:
        number = str(frame.get("id"))
        self.journal.append(Refused(frame["code"], frame["retry"], frame["definite"], number, time.monotonic()))
        kind, _, room = number.partition(":")
        if kind == "attach":
            self._attach_later(room)
        elif number in self.outstanding and frame["retry"]:
            self._on_line.discard(number)
            if not frame["definite"]:
                self.outstanding[number]["retry"] = True
            self._send_later(number, lambda: self._send(number))


def got(frame: dict[str, Any]) -> Got:
    """An event's entry."""
    room, epoch, seq, command_id = frame["room"], frame["epoch"], frame["seq"], frame["command_id"]
    return Got(room, epoch, seq, command_id, frame.get("text"), time.monotonic(), as_pushed(frame))


def as_pushed(frame: dict[str, Any]) -> str:
    """The whole frame as JSON: one text for all who get the same, however many they are."""
    return sys.intern(json.dumps(frame, sort_keys=True))
