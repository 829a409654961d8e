"""The gate on a link that only remembers: what rooms are told of sessions, and how long a client waits for history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from schemas.answers import Refused
from schemas.commands import Attach, Position
from schemas.errors import Code
from schemas.events import MemberBanned, MemberLeft, MessageDeleted, MessagePosted
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.ids import RoomId
from schemas.queries import PageAnswer
from services.gateway.fanout import Fanout
from services.gateway.gate import Gate
from services.gateway.queries import Fetched, Queries
from services.gateway.ring import Numbered
from services.gateway.session import Stage
from services.runtime.observe import Health
from tests.bed.waiting import eventually
from tests.unit.gateway.gates import Link, attach, make_gate, session
from tests.unit.gateway.rooms import EPOCH, ROOM, attach_answer, event


async def test_a_detach_that_could_not_be_sent_is_sent_when_the_broker_is_back() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    ann = attach(gate, link, "ann")
    gate.link_down()
    gate.detach([ann])
    again = Link()
    gate.link_up(again)
    assert again.detached == ["ann"]


async def test_a_detach_that_found_the_link_full_is_sent_at_the_next_tick() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    ann = attach(gate, link, "ann")
    link.full = True
    gate.detach([ann])
    link.full = False
    assert link.detached == []
    gate.tick()
    assert link.detached == ["ann"]


async def test_a_client_that_came_back_is_not_detached_by_what_was_kept() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    ann = attach(gate, link, "ann")
    gate.detach([ann])
    attach(gate, link, "ann")
    gate.link_down()
    again = Link()
    gate.link_up(again)
    assert again.commands == []


async def test_a_session_the_room_took_after_its_client_went_is_taken_back() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    ann, bob, cat = session("ann"), session("bob"), session("cat")
    asked = []
    for one in (ann, bob, cat):
        gate.attach(one)
        asked.append(link.commands[-1])
    gate.detach([ann, cat])
    link.commands.clear()
    for command, refused in zip(asked, (None, None, {"cat": Code.NOT_A_MEMBER}), strict=True):
        gate.receive_attached(attach_answer(command.command_id, 4, refused=refused))
    assert link.detached == ["ann"]


class History:
    """Answers what it `found`, when it is let go; remembers behind which seq it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.found: list[Fetched] | Refused | None = None
        self.goes = asyncio.Event()

    async def missing(self, _room: str, _epoch: str, after: int, _through: int, *, bytes_limit: int) -> Any:
        assert bytes_limit > 0
        self.asked.append(after)
        await self.goes.wait()
        return self.found


def posted(*seqs: int) -> list[MessagePosted]:
    common = {"room": ROOM, "epoch": EPOCH, "at": "2026-11-20T00:00:00Z", "actor": "ann"}
    return [MessagePosted(**common, command_id=f"c{seq}", seq=seq, message_id=f"msg_{seq}", text="x") for seq in seqs]


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[tuple[Gate, Link, History]]]]:
    """Start a gate whose history does not answer by itself."""
    stopping = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def begin(**overrides: Any) -> tuple[Gate, Link, History]:
        gate, link, history = make_gate(**overrides), Link(), History()
        gate.link_up(link)
        gate.queries = history
        tasks.append(asyncio.create_task(gate.run(stopping)))
        await eventually(lambda: gate._group is not None, 20, "the gate runs")
        return gate, link, history

    yield begin
    stopping.set()
    await asyncio.gather(*tasks)


async def test_attaches_that_wait_their_turn_for_a_dead_history_are_reset_in_bounded_time(start) -> None:
    gate, link, _ = await start(replays_at_once=1, replay_seconds=0.2)
    waiting = [attach(gate, link, name, position=Position(epoch=EPOCH, seq=1)) for name in ("ann", "bob", "cat")]
    await eventually(lambda: all(one.stage is Stage.LIVE for one in waiting), 20, "every attach is answered")
    assert [[frame["type"] for frame in one.outlet.frames] for one in waiting] == [["reset", "attached"]] * 3


async def test_history_is_asked_once_for_all_who_come_back_to_a_room_at_once(start) -> None:
    gate, link, history = await start(replays_at_once=1, replay_seconds=30)
    history.found = [Fetched(one, Numbered(one.seq, event(one.seq).frame)) for one in posted(2, 3, 4)]
    position = Position(epoch=EPOCH, seq=1)
    waiting = [attach(gate, link, name, position=position) for name in ("ann", "bob", "cat")]
    await eventually(lambda: history.asked, 20, "history is asked")
    history.goes.set()
    await eventually(lambda: all(one.stage is Stage.LIVE for one in waiting), 20, "every attach is answered")
    assert [one.outlet.seqs for one in waiting] == [[2, 3, 4]] * 3
    assert history.asked == [1]


async def test_a_history_that_is_away_for_a_moment_is_asked_again_and_nobody_is_reset(start) -> None:
    gate, link, history = await start(replay_seconds=30)
    history.found = Refused.of(Code.OVERLOADED)
    history.goes.set()
    ann = attach(gate, link, "ann", position=Position(epoch=EPOCH, seq=1))
    await eventually(lambda: history.asked, 20, "history is asked")
    history.found = [Fetched(one, Numbered(one.seq, event(one.seq).frame)) for one in posted(2, 3, 4)]
    await eventually(lambda: ann.stage is Stage.LIVE, 20, "the attach is answered")
    assert ann.outlet.seqs == [2, 3, 4]
    assert len(history.asked) > 1


async def test_history_is_not_asked_for_a_session_that_ended_while_it_waited_its_turn(start) -> None:
    gate, link, history = await start(replays_at_once=1, replay_seconds=30)
    waiting = [
        attach(gate, link, name, position=Position(epoch=EPOCH, seq=number))
        for number, name in enumerate(("ann", "bob", "cat"))
    ]
    await eventually(lambda: history.asked, 20, "history is asked")
    gate.detach([waiting[1]])
    history.goes.set()
    await eventually(lambda: waiting[2].stage is Stage.LIVE, 20, "the last attach is answered")
    assert history.asked == [0, 2]


async def test_expulsions_are_read_off_the_events_of_a_gap() -> None:
    common = {"room": ROOM, "epoch": EPOCH, "at": "2026-11-20T00:00:00Z", "actor": "ann", "command_id": "c"}
    events = (
        MemberLeft(**common, seq=1, user="bob", reason="kicked"),
        MemberBanned(**common, seq=2, user="cat"),
        MessageDeleted(**common, seq=3, target=1),
    )
    page = PageAnswer(room=ROOM, epoch=EPOCH, head=3, events=events)

    class Answering:
        async def call(self, *_: Any, **__: Any) -> bytes:
            return page.to_json()

    queries = Queries(timeout_seconds=1, hole_seconds=1)
    queries.link_up(Answering())
    found = await queries.missing(ROOM, EPOCH, 0, 3, bytes_limit=10_000)
    assert [one.numbered.expel for one in found] == [("bob", "not_a_member"), ("cat", "banned"), None]


class Delivery(NamedTuple):
    header: ContentHeader
    body: bytes


def fanned_out(seq: int) -> Delivery:
    headers = FanoutHeaders(FanoutKind.EVENT, ROOM, EPOCH, seq)
    return Delivery(ContentHeader(properties=Basic.Properties(headers=headers.to_headers([]))), b'{"seq":%d}' % seq)


async def test_a_delivery_that_fails_costs_no_other_and_the_rooms_are_asked_again(monkeypatch) -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    fanout = Fanout(gate, Health(), asyncio.Event())
    ann = attach(gate, link, "ann", at=0)
    gate.tick()
    link.commands.clear()
    receive_event = gate.hub.receive_event

    def fail_once(*_: Any) -> bool:
        monkeypatch.setattr(gate.hub, "receive_event", receive_event)
        raise RuntimeError("of no kind that is expected")

    monkeypatch.setattr(gate.hub, "receive_event", fail_once)
    for delivery in (fanned_out(9), fanned_out(1), fanned_out(2)):
        await fanout._on_delivery(delivery)
    await eventually(lambda: [frame.get("seq") for frame in ann.outlet.frames] == [0, 1, 2], 20, "the rest is pushed")
    gate.clock = lambda: time.monotonic() + 10
    gate.tick()
    assert [type(command) for command in link.commands] == [Attach]


async def test_an_effect_that_fails_costs_no_other(monkeypatch) -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    ann, bob = attach(gate, link, "ann", at=0), attach(gate, link, "bob", at=0, room=RoomId("other"))
    monkeypatch.setattr(ann.outlet, "write", None)
    gate.hub.receive_event(ROOM, event(1))
    gate.hub.receive_event(RoomId("other"), event(1))
    with pytest.raises(TypeError):
        gate.carry_out()
    gate.tick()
    assert bob.outlet.seqs == [1]


async def test_a_socket_that_fails_costs_no_other_of_its_crowd(monkeypatch) -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    crowd = [attach(gate, link, name, at=0) for name in ("ann", "bob", "cid")]
    monkeypatch.setattr(crowd[0].outlet, "write", None)
    gate.hub.receive_event(ROOM, event(1))
    with pytest.raises(TypeError):
        gate.carry_out()
    gate.tick()
    assert [one.outlet.seqs for one in crowd[1:]] == [[1], [1]]


async def test_gaps_are_counted() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    attach(gate, link, "ann", at=0)
    gate.hub.receive_event(ROOM, event(2))
    gate.carry_out()
    gate.receive_attached(attach_answer(link.commands[-1].command_id, 2))
    gate.carry_out()
    gate.tick()
    assert gate.metrics.registry.get_sample_value("gateway_gaps_total") == 1
