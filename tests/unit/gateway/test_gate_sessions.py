"""What a gate tells rooms of its sessions: their numbers, and what was last said in them."""

from __future__ import annotations

import asyncio
from typing import Any

from schemas.answers import Accepted, Refused
from schemas.commands import SaidStatus, SetStatus
from schemas.errors import Code
from schemas.ids import CommandId, UserId
from services.gateway.gate import Gate
from tests.unit.gateway.gates import Link, attach, make_gate, session
from tests.unit.gateway.rooms import EPOCH, ROOM, attach_answer


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


class FakeIdentity:
    user = UserId("ann")
    expires_at = 1e12


class Mute:
    """A socket nobody looks at."""

    def write(self, data: bytes) -> None:
        pass


def connected(gate: Gate) -> Any:
    connection = gate.connect(Mute())
    connection.identity = FakeIdentity()
    return connection


async def answered(link: Link, body: bytes) -> None:
    link.calls[-1].answer.set_result(body)
    await asyncio.sleep(0)


def take(gate: Gate, link: Link) -> None:
    """The room takes whom it was asked about last."""
    gate.receive_attached(attach_answer(link.commands[-1].command_id, 4))
    gate.carry_out()


async def test_the_session_keeps_the_last_status_that_the_room_accepted_also_over_a_second_attach() -> None:
    gate, link = make_gate(), Link()
    gate.link_up(link)
    connection = connected(gate)
    connection.receive_text(b'{"type":"attach","room":"general"}')
    take(gate, link)
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
    take(gate, link)
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
