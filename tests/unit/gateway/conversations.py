"""Makers for the tests of the conversation socket: native frames of one room, and a script that is told them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.answers import Accepted, MemberView, Refused
from schemas.errors import Code
from schemas.events import EVENT, Event, MessagePosted
from schemas.frames import Attached, Page, Reset
from schemas.ids import CommandId, Epoch, MessageId, RoomId, UserId
from schemas.model import Model
from schemas.queries import PageAnswer
from schemas.roles import Role, Visibility
from services.gateway.doors.conversation.hearing import Hearing
from services.gateway.doors.conversation.script import Effect, Reload, Say, Script, Wish
from services.gateway.wire import text_frame, text_payloads

ROOM = RoomId("general")
EPOCH = Epoch("e1")
START = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ME = UserId("ann")


def posted(seq: int, actor: str = "bob", text: str = "hello", epoch: str = EPOCH, **fields: Any) -> MessagePosted:
    return MessagePosted.model_validate(
        {
            **common(seq, actor, epoch),
            "message_id": MessageId(f"msg_{seq}"),
            "text": text,
            **fields,
        }
    )


def common(seq: int, actor: str = "bob", epoch: str = EPOCH) -> dict[str, Any]:
    return {
        "room": ROOM,
        "epoch": epoch,
        "seq": seq,
        "at": (START + timedelta(seconds=seq)).isoformat(),
        "actor": actor,
        "command_id": f"c-{seq}",
    }


def event(name: str, seq: int, actor: str = "bob", epoch: str = EPOCH, **fields: Any) -> Event:
    return EVENT.validate_python({"event": name, **common(seq, actor, epoch), **fields})


def accepted(seq: int, epoch: str = EPOCH, **fields: Any) -> Accepted:
    known = {
        "id": "message",
        "command_id": CommandId(f"c-{seq}"),
        "room": ROOM,
        "epoch": epoch,
        "seq": seq,
        "message_id": f"msg_{seq}",
        "at": START + timedelta(seconds=seq),
    }
    return Accepted.model_validate(known | fields)


def refused(code: Code, frame_id: str | None = "message", **known: Any) -> Refused:
    return Refused.of(code, id=frame_id, **known)


def attached(seq: int, *members: str, online: tuple[str, ...] = (), epoch: str = EPOCH, count: int = 0) -> Attached:
    people = members or (ME, "bob")
    return Attached(
        id="attach",
        room=ROOM,
        epoch=Epoch(epoch),
        seq=seq,
        title="General",
        visibility=Visibility.PUBLIC,
        member_count=count or len(people),
        members=tuple(MemberView(user=UserId(user), role=Role.MEMBER, online=user in online) for user in people),
    )


def reset(seq: int, epoch: str = EPOCH) -> Reset:
    return Reset(room=ROOM, epoch=Epoch(epoch), seq=seq)


def newest(*events: Event, head: int = 0, epoch: str = EPOCH) -> PageAnswer:
    return PageAnswer(
        room=ROOM, epoch=Epoch(epoch), head=head or max((e.seq for e in events), default=0), events=events
    )


def page(*events: Event, head: int, epoch: str = EPOCH) -> Page:
    return Page(id="sync", room=ROOM, epoch=Epoch(epoch), head=head, events=events)


class Client:
    """A script and everything it said or wished so far. `hear` is the gate's voice, `say` the client's."""

    def __init__(self, *shown: Event, head: int = 0, user: str = ME, epoch: str = EPOCH) -> None:
        self.script = Script(ROOM, UserId(user), newest(*shown, head=head, epoch=epoch))
        self.hearing = Hearing()
        self.told: list[dict[str, Any]] = []
        self.wished: list[dict[str, Any]] = []
        self.others: list[Effect] = []
        self.take(self.script.open())

    @classmethod
    def live(cls, *shown: Event, head: int = 0, **attachment: Any) -> Client:
        """One that was told everything there is to tell at the opening."""
        client = cls(*shown, head=head)
        client.hear(attached(head or max((e.seq for e in shown), default=0), **attachment))
        client.clear()
        return client

    def hear(self, *frames: Model) -> list[dict[str, Any]]:
        data = b"".join(text_frame(frame.to_json()) for frame in frames)
        return self.take(self.script.receive(self.hearing.hear(data), NOW))

    def say(self, **frame: Any) -> list[dict[str, Any]]:
        return self.take(self.script.receive_text(json.dumps(frame).encode()))

    def reloaded(self, answer: PageAnswer) -> list[dict[str, Any]]:
        return self.take(self.script.receive_page(answer))

    def take(self, effects: list[Effect]) -> list[dict[str, Any]]:
        """What these effects say."""
        fresh = []
        for effect in effects:
            if isinstance(effect, Say):
                fresh += [json.loads(payload) for payload in text_payloads(effect.data)]
            elif isinstance(effect, Wish):
                self.wished.append(effect.frame)
            else:
                self.others.append(effect)
        self.told += fresh
        return fresh

    def clear(self) -> None:
        self.told, self.wished, self.others = [], [], []

    @property
    def reloading(self) -> bool:
        return Reload() in self.others
