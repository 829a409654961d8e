"""A gate whose link takes nothing: what is refused, what is sent again, what is left as it is."""

from __future__ import annotations

import asyncio

import pytest

from schemas.answers import Accepted, Refused
from schemas.commands import Command, Send
from schemas.ids import CommandId, UserId
from services.gateway.fanout import Fanout
from services.gateway.gate import Gate
from services.gateway.session import Stage
from services.runtime.observe import Health
from services.runtime.rpc import LinkLost, NotTaken
from tests.bed.waiting import eventually
from tests.unit.gateway.gates import Link, attach, make_gate, session
from tests.unit.gateway.rooms import ROOM


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
