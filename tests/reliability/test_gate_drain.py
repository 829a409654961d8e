"""SIGTERM of one of two gates with clients attached: all are told by code and come back, nothing is missed, and what
was in flight is answered."""

import signal
import time

import pytest

from schemas.errors import ERRORS, Code
from tests.bed.scale import is_full
from tests.bed.unlimited import ENVIRONMENT
from tests.bed.waiting import eventually
from tests.reliability.fleet import fleet_of
from tests.reliability.journal import Bye, Lost, Opened, Refused
from tests.reliability.scale import size_of

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

DRAINING = ERRORS[Code.DRAINING].close
DRAIN_SECONDS = {"GATEHOUSE_DRAIN_SECONDS": "20" if is_full() else "8"}


async def test_a_gate_that_goes_down_sends_its_clients_away_by_code_and_nobody_misses_anything(start_stack, report):
    size = size_of("gate drain")
    stack = await start_stack(gates=2, environment=ENVIRONMENT | DRAIN_SECONDS)
    async with fleet_of(stack, size, "drain") as fleet:
        going, staying = ([client for client in fleet.clients if client.gate == gate] for gate in (0, 1))
        fleet.write()
        await fleet.keep_on()
        for client in going:
            fleet.write_one(client, "last-words")
        owed = {client.user: client.in_flight for client in going}
        began = time.monotonic()
        stack.gates[0].signal(signal.SIGTERM)
        await eventually(lambda: not stack.gates[0].alive(), 40, "the gate ends on SIGTERM")
        drained = time.monotonic() - began
        await eventually(lambda: all(client.settled for client in fleet.clients), 60, "all are attached again")
        resumed = time.monotonic() - began
        await fleet.keep_on()
        await fleet.quiet()
        stored = await fleet.converge()

        farewells = [farewell_of(client) for client in going]
        pauses = [bye.retry_after_seconds for bye, _ in farewells if bye is not None]
        report(
            clients_sent_away=len(going),
            accepted=fleet.accepted,
            drain_seconds=drained,
            all_resumed_seconds=resumed,
            shortest_return_seconds=min(pauses, default=None),
            longest_return_seconds=max(pauses, default=None),
            commands_in_flight_at_sigterm=sum(map(len, owed.values())),
            refused_while_draining=sum(
                entry.code == Code.DRAINING for client in going for entry in client.journal.of(Refused)
            ),
        )
        assert fleet.findings(stored) == []
        assert fleet.accepted == len(fleet.sent)
        assert {(bye and bye.code, lost.code) for bye, lost in farewells} == {(DRAINING, DRAINING)}
        assert all(pause is not None and pause > 0 for pause in pauses)
        assert len(set(pauses)) > len(pauses) / 4, "the moments to come back at are spread"
        unanswered = [client.user for client in going if owed[client.user] & lost_of(client).owed]
        assert unanswered == [], "commands in flight at SIGTERM are answered before the connection closes"
        assert [client.connections for client in going] == [2] * len(going)
        assert [client.connections for client in staying] == [1] * len(staying)


def lost_of(client):
    """How its first connection ended."""
    return client.journal.of(Lost)[0]


def farewell_of(client):
    """The `bye` on its first connection, if there was one, and how the connection ended."""
    entries = iter(client.journal)
    bye = None
    for entry in entries:
        if isinstance(entry, Bye):
            bye = entry
        if isinstance(entry, Lost):
            return bye, entry
    raise AssertionError(f"{client.user} never lost its connection: {len(client.journal.of(Opened))} opened")
