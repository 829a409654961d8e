"""A connection at a gate: it only listens, and checks what it hears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from schemas.answers import Accepted
from schemas.commands import SaidStatus, SetStatus
from schemas.ids import ClientId, RoomId, UserId
from services.gateway.backlog import Backlog
from services.gateway.session import Session

if TYPE_CHECKING:
    from tests.traces.world import World

PLACES = 2
"""So many pushes have a place in the backlog of a client that does not read."""


class Client:
    """A connection at a gate. Says what it is told, and checks that events come in order and without a hole (I3)."""

    def __init__(self, client: ClientId, user: UserId, world: World) -> None:
        self.client = client
        self.user = user
        self.gate, _, own = client.partition("/")
        self.name = f"{own.replace('-', '.', 1)}@{self.gate}"
        self.sessions: dict[RoomId, Session] = {}
        self.tops: dict[str, int] = {}
        self.backlog = Backlog(frames_limit=PLACES)
        self._behind: list[Session] = []
        self._world = world

    def write(self, data: bytes) -> None:
        """Frames of the hub, which are pushes."""
        for payload in payloads(data):
            self._check(from_json(payload))

    def forget(self, session: Session) -> None:
        """A session is over."""
        if self.sessions.get(session.room) is session:
            del self.sessions[session.room]
            self.tops.pop(session.room, None)

    def fall_behind(self, session: Session) -> None:
        """The hub keeps nothing for it any more."""
        self._behind.append(session)
        self._world.say(f"  {self.name} falls behind at {session.room} {session.start}")

    def take_behind(self) -> list[Session]:
        """The sessions that want to catch up."""
        behind, self._behind = self._behind, []
        return [session for session in behind if self.sessions.get(session.room) is session]

    def remember_status(self, said: SetStatus) -> None:
        """The room took what the user said of themselves."""
        if said.room in self.sessions:
            self.sessions[said.room].status = SaidStatus(state=said.state, mood=said.mood, text=said.text)

    def _check(self, frame: dict[str, Any]) -> None:
        room, seq = frame.get("room", ""), frame.get("seq")
        match frame["type"]:
            case "attached" | "reset":
                self.tops[room] = frame["seq"]
            case "event" if room in self.tops:
                if seq not in {self.tops[room], self.tops[room] + 1}:
                    self._world.say(f"!! {self.name} was at {self.tops[room]} and got {seq}")
                self.tops[room] = frame["seq"]
            case "accepted":
                self._world.check_answer(self.user, Accepted.model_validate(frame))
                if seq == self.tops.get(room, -1) + 1:
                    self.tops[room] = frame["seq"]


def payloads(data: bytes) -> list[bytes]:
    """The texts of whole, unmasked frames."""
    found = []
    while data:
        length, start = data[1], 2
        if length == 126:
            length, start = int.from_bytes(data[2:4]), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10]), 10
        found.append(data[start : start + length])
        data = data[start + length :]
    return found
