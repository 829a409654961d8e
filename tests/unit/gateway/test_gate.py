"""The gate on a link that only remembers: what rooms are told of sessions, and how long a client waits for history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from schemas import routes
from schemas.answers import Accepted, Refused
from schemas.commands import COMMAND, Attach, Command, Detach, Position, SaidStatus, Send, SetStatus
from schemas.errors import Code
from schemas.events import MemberBanned, MemberLeft, MessageDeleted
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.ids import ClientId, CommandId, RoomId, UserId
from schemas.queries import PageAnswer
from services.gateway.fanout import Fanout
from services.gateway.gate import Gate
from services.gateway.queries import Queries
from services.gateway.session import Session, Stage
from services.gateway.settings import GatewaySettings
from services.runtime.observe import Health
from services.runtime.rpc import Call, LinkLost, NotTaken, TooManyInFlight
from tests.bed.waiting import eventually
from tests.unit.gateway.rooms import EPOCH, ROOM, Wall, attach_answer, event


class Link:
    """What the gate published on it; `full` refuses more, `blocked` is an alarm. Confirms wait for the test."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.calls: list[Call] = []
        self.confirms: list[Callable[[bool], None]] = []
        self.probes = 0
        self.full = False
        self.blocked = False

    def send(self, _exchange: str, _key: str, body: bytes, **_: Any) -> Call:
        self._take(body)
        self.calls.append(Call(str(len(self.commands)), asyncio.get_running_loop().create_future()))
        return self.calls[-1]

    def post(self, exchange: str, _key: str, body: bytes, *, on_confirm: Any = None, **_: Any) -> None:
        if exchange == routes.FANOUT:
            self.probes += 1
            return
        self._take(body)
        self.confirms.append(on_confirm)

    def _take(self, body: bytes) -> None:
        if self.blocked:
            raise NotTaken("blocked")
        if self.full:
            raise TooManyInFlight("full")
        self.commands.append(COMMAND.validate_json(body))

    def forget(self, call: Call) -> None:
        pass

    @property
    def detached(self) -> list[str]:
        return [one.user for command in self.commands if isinstance(command, Detach) for one in command.sessions]


class Client(Wall):
    def forget(self, session: Session) -> None:
        pass


def make_gate(**overrides: Any) -> Gate:
    known = {"amqp_url": "amqp://nowhere", "jwt_secret": "unit-tests-secret-0123456789abcdef", "_env_file": None}
    return Gate(GatewaySettings(**{**known, **overrides}))


def session(name: str, *, position: Position | None = None, room: RoomId = ROOM) -> Session:
    return Session(room, ClientId(f"g/{name}"), UserId(name), Client(), frame_id=1, position=position)


def attach(
    gate: Gate, link: Link, name: str, *, at: int = 4, position: Position | None = None, room: RoomId = ROOM
) -> Session:
    made = session(name, position=position, room=room)
    gate.attach(made)
    gate.receive_attached(attach_answer(link.commands[-1].command_id, at).model_copy(update={"room": room}))
    gate.carry_out()
    return made


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


async def test_a_detach_that_the_broker_refused_is_posted_again_and_a_taken_one_never() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    sessions = [attach(gate, link, name) for name in ("ann", "bob")]
    gate.detach(sessions)
    refused, taken = link.confirms
    refused(False)
    taken(True)
    gate.tick()
    assert link.detached == ["ann", "bob", "ann"]
    gate.link_down()
    again = Link()
    gate.link_up(again)
    assert again.detached == ["ann"]


async def test_every_session_has_a_number_that_grows_and_that_its_attaches_and_its_detach_carry() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    attach(gate, link, "ann")
    again = attach(gate, link, "ann")
    bob = attach(gate, link, "bob")
    gate.hub.reattach()
    gate.carry_out()
    gate.detach([again, bob])
    told = [[(one.user, one.attach_ref) for one in command.sessions] for command in link.commands]
    assert told == [[("ann", 1)], [("ann", 2)], [("bob", 3)], [("ann", 2), ("bob", 3)], [("ann", 2)], [("bob", 3)]]


async def test_a_session_taken_back_is_named_by_the_number_the_room_knows() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    ann = session("ann")
    gate.attach(ann)
    gate.detach([ann])
    [asked, early] = link.commands
    gate.receive_attached(attach_answer(asked.command_id, 4))
    assert [one.attach_ref for command in (early, link.commands[-1]) for one in command.sessions] == [1, 1]


async def test_a_status_is_told_again_with_every_attach_of_its_session() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    ann = attach(gate, link, "ann")
    ann.status = SaidStatus(state="away", mood="tea", text="back soon")
    gate.hub.reattach()
    gate.carry_out()
    [told] = link.commands[-1].sessions
    assert told.status == SaidStatus(state="away", mood="tea", text="back soon")


class Asker:
    def __init__(self) -> None:
        self.answers: list[Accepted | Refused] = []

    def receive_answer(self, answer: Accepted | Refused) -> None:
        self.answers.append(answer)


def send_command(*, retry: bool = False) -> Send:
    return Send(room=ROOM, actor=UserId("ann"), command_id=CommandId("c"), text="hi", retry=retry)


async def submitted(gate: Gate, command: Command) -> Refused | Asker:
    asker = Asker()
    return gate.commands.submit(command, asker) or asker


@pytest.mark.parametrize(("retry", "code", "definite"), [(False, "overloaded", True), (True, "no_answer", False)])
@pytest.mark.parametrize("obstacle", ["away", "full", "blocked"])
async def test_a_command_that_cannot_be_sent_is_refused_at_once(obstacle, retry, code, definite) -> None:
    gate, link = make_gate(), Link()
    if obstacle != "away":
        gate.link_up(link)
        setattr(link, obstacle, True)
    refused = await submitted(gate, send_command(retry=retry))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.definite, refused.retry, refused.command_id) == (code, definite, True, "c")


@pytest.mark.parametrize(("retry", "code", "definite"), [(False, "overloaded", True), (True, "no_answer", False)])
async def test_a_command_that_a_full_queue_refused_is_refused_at_once(retry, code, definite) -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    asker = await submitted(gate, send_command(retry=retry))
    link.calls[-1].answer.set_exception(NotTaken("full"))
    await eventually(lambda: asker.answers, 20)
    assert [(one.code, one.definite) for one in asker.answers] == [(code, definite)]


async def test_what_was_sent_before_the_link_went_may_have_been_applied_though_a_full_queue_refuses_it_now() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    asker = await submitted(gate, send_command())
    gate.link_down()
    link.calls[-1].answer.set_exception(LinkLost("cut"))
    await asyncio.sleep(0)
    again = Link()
    gate.link_up(again)
    again.calls[-1].answer.set_exception(NotTaken("full"))
    await eventually(lambda: asker.answers, 20)
    assert [(one.code, one.definite) for one in asker.answers] == [("no_answer", False)]


async def test_an_attach_that_a_full_queue_refused_is_refused_and_one_of_many_is_asked_again() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    ann = attach(gate, link, "ann")
    bob = session("bob")
    gate.attach(bob)
    link.calls[-1].answer.set_exception(NotTaken("full"))
    await eventually(lambda: bob.stage is Stage.ENDED, 20)
    assert [frame["code"] for frame in bob.outlet.frames] == ["overloaded"]
    gate.hub.reattach()
    gate.carry_out()
    link.calls[-1].answer.set_exception(NotTaken("full"))
    before = len(link.calls)
    await asyncio.sleep(0)
    gate.tick()
    assert (len(link.calls), ann.stage) == (before + 1, Stage.LIVE)


async def test_clients_are_told_of_an_alarm_and_no_probe_of_before_ends_it() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    link.blocked = True
    gate.link_blocked()
    gate.announce_service(available=True)
    assert not gate.service_available
    link.blocked = False
    gate.announce_service(available=True)
    assert gate.service_available


async def test_an_alarm_costs_the_gate_neither_its_queue_nor_a_probe() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    now = 0.0
    gate.clock = lambda: now
    fanout = Fanout(gate, Health(), asyncio.Event())
    fanout._heard = 0.0
    link.blocked = True
    gate.link_blocked()
    for now in (1.0, 100.0, 1_000.0):
        fanout._judge(now)
    assert link.probes == 0
    link.blocked = False
    fanout._judge(1_000.5)
    assert link.probes == 1


class FakeIdentity:
    user = UserId("ann")
    expires_at = 1e12


class Mute:
    """A socket nobody looks at."""

    def write(self, data: bytes) -> None:
        pass

    answer = write


def connected(gate: Gate) -> Any:
    connection = gate.connect(Mute())
    connection.identity = FakeIdentity()
    return connection


async def answered(link: Link, body: bytes) -> None:
    link.calls[-1].answer.set_result(body)
    await asyncio.sleep(0)


async def test_the_session_keeps_the_last_status_that_the_room_accepted_also_over_a_second_attach() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    connection = connected(gate)
    connection.receive_text(b'{"type":"attach","room":"general"}')
    said = Accepted(command_id=CommandId("c"), room=ROOM, epoch=EPOCH, seq=4, at="2026-11-20T00:00:00Z")
    for state, answer in (
        ("away", said),
        ("dnd", Refused.of(Code.RATE_LIMITED)),
    ):
        connection.receive_text(b'{"type":"set_status","room":"general","state":"%b","mood":"tea"}' % state.encode())
        assert isinstance(link.commands[-1], SetStatus)
        await answered(link, answer.to_json())
    assert connection.sessions[ROOM].status == SaidStatus(state="away", mood="tea")
    connection.receive_text(b'{"type":"attach","room":"general"}')
    [told] = link.commands[-1].sessions
    assert (told.attach_ref, told.status) == (2, SaidStatus(state="away", mood="tea"))
    connection.receive_text(b'{"type":"detach","room":"general"}')
    connection.receive_text(b'{"type":"attach","room":"general"}')
    assert link.commands[-1].sessions[0].status is None


async def test_a_status_said_where_there_is_no_session_is_kept_by_nobody() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    connection = connected(gate)
    connection.receive_text(b'{"type":"set_status","room":"general","state":"away"}')
    said = Accepted(command_id=CommandId("c"), room=ROOM, epoch=EPOCH, seq=4, at="2026-11-20T00:00:00Z")
    await answered(link, said.to_json())
    connection.receive_text(b'{"type":"attach","room":"general"}')
    assert link.commands[-1].sessions[0].status is None


class History:
    """Answers None, when it is let go; remembers behind which seq it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.goes = asyncio.Event()

    async def missing(self, _room: str, _epoch: str, after: int, _through: int, *, bytes_limit: int) -> None:
        assert bytes_limit > 0
        self.asked.append(after)
        await self.goes.wait()


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
    assert [one.expel for one in found] == ["bob", "cat", None]


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
