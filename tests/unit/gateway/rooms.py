"""Makers for the gateway's core tests: connections that remember, answers, events."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from schemas.answers import AttachAnswer, SessionRefused
from schemas.commands import Position
from schemas.commands import Session as SessionOfRoom
from schemas.errors import Code
from schemas.events import Expulsion
from schemas.ids import ClientId, CommandId, Epoch, RoomId, UserId
from schemas.roles import Visibility
from services.gateway.backlog import Backlog
from services.gateway.bounds import FeedLimits
from services.gateway.hub import Hub
from services.gateway.ring import Numbered
from services.gateway.session import Ask, Effect, FellBehind, LiveEvent, Own, Session, Write
from services.gateway.wire import text_frame

ROOM = RoomId("general")
EPOCH = Epoch("e1")


class Wall:
    """A connection that remembers what was written to it."""

    def __init__(self, backlog: Backlog | None = None) -> None:
        self.data = b""
        self.writes = 0
        self.backlog = backlog or Backlog()
        self.behind: list[Session] = []

    def write(self, data: bytes) -> None:
        self.data += data
        self.writes += 1

    def forget(self, session: Session) -> None:
        raise AssertionError(f"the core does not end {session}")

    def fall_behind(self, session: Session) -> None:
        self.behind.append(session)

    @property
    def frames(self) -> list[Any]:
        return [from_json(payload) for payload in payloads(self.data)]

    @property
    def seqs(self) -> list[int]:
        return [frame["seq"] for frame in self.frames if frame["type"] in ("event", "accepted")]


def payloads(data: bytes) -> list[bytes]:
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


def event(seq: int, *, epoch: str = EPOCH, own: Own | None = None, expel: str | None = None) -> LiveEvent:
    frame = text_frame(b'{"type":"event","seq":%d}' % seq)
    return LiveEvent(Epoch(epoch), seq, frame, own, Expulsion(UserId(expel)) if expel else None)


def missed(first: int, last: int) -> list[Numbered]:
    return [Numbered(seq, event(seq).frame) for seq in range(first, last + 1)]


def own(session: Session, seq: int) -> Own:
    return Own(session.client, session.outlet, text_frame(b'{"type":"accepted","seq":%d}' % seq))


class Gate:
    """A hub with its effects carried out on `Wall`s; questions, holes and replays are kept for the test to answer."""

    def __init__(self, bounds: FeedLimits | None = None) -> None:
        self.hub = Hub(bounds or FeedLimits())
        self.todo: list[Effect] = []
        self.pushed: list[Write] = []

    def settle(self) -> list[Effect]:
        fresh = self.hub.take()
        self.pushed = [effect for effect in fresh if isinstance(effect, Write)]
        for effect in fresh:
            if isinstance(effect, Write):
                for outlet in effect.outlets:
                    outlet.write(effect.data)
            elif isinstance(effect, FellBehind):
                effect.session.outlet.fall_behind(effect.session)
        self.todo = [effect for effect in fresh if not isinstance(effect, Write | FellBehind)]
        return self.todo

    def asked(self) -> Ask:
        [ask] = [effect for effect in self.todo if isinstance(effect, Ask)]
        return ask

    def attach(
        self,
        name: str,
        *,
        at: int,
        position: tuple[str, int] | None = None,
        echo: bool = False,
        user: str | None = None,
    ) -> Session:
        """A session that the room takes at once, being at seq `at`."""
        session = self.want(name, position=position, echo=echo, user=user)
        self.answer(self.asked(), at)
        return session

    def want(
        self, name: str, *, position: tuple[str, int] | None = None, echo: bool = False, user: str | None = None
    ) -> Session:
        session = wish(name, position=position, echo=echo, user=user)
        self.hub.attach(session)
        self.settle()
        return session

    def answer(self, ask: Ask, seq: int, *, epoch: str = EPOCH, refused: dict[str, Code] | None = None) -> list[Effect]:
        self.hub.receive_attached(attach_answer(ask.command_id, seq, epoch=epoch, refused=refused))
        return self.settle()

    def push(self, *events: LiveEvent) -> list[Effect]:
        for item in events:
            self.hub.receive_event(ROOM, item)
        return self.settle()


def wish(name: str, *, position: tuple[str, int] | None = None, echo: bool = False, user: str | None = None) -> Session:
    """A session that nobody has been asked about."""
    at = Position(epoch=Epoch(position[0]), seq=position[1]) if position else None
    return Session(ROOM, ClientId(f"g/{name}"), UserId(user or name), Wall(), frame_id=1, position=at, echo=echo)


def attach_answer(
    command_id: CommandId, seq: int, *, epoch: str = EPOCH, refused: dict[str, Code] | None = None
) -> AttachAnswer:
    return AttachAnswer(
        command_id=command_id,
        room=ROOM,
        epoch=Epoch(epoch),
        seq=seq,
        title="General",
        visibility=Visibility.PUBLIC,
        member_count=1,
        members=(),
        refused=tuple(
            SessionRefused(session=SessionOfRoom(client=ClientId(f"g/{name}"), user=UserId(name)), code=code)
            for name, code in (refused or {}).items()
        ),
    )
