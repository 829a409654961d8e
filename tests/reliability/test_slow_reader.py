"""A client that never reads, among others: they get everything; it is told by code and brought up to date, or closed
(I9). It is slow to all rooms of the fleet."""

from contextlib import asynccontextmanager

import pytest

from schemas.errors import ERRORS, Code
from tests.bed.memory import resident_mib
from tests.bed.native import NativeClient
from tests.bed.unlimited import ENVIRONMENT
from tests.bed.waiting import eventually
from tests.reliability.client import FleetClient
from tests.reliability.fleet import fleet_of, percentile
from tests.reliability.gates import samples
from tests.reliability.journal import Lagged, Lost
from tests.reliability.scale import size_of

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

TOO_SLOW = ERRORS[Code.SLOW_CONSUMER].close
LITTLE = 4096
"""A receive buffer so small that it hides nothing of a client's slowness."""
HIDDEN_BYTES = 5 * 2**20
"""What the kernel may take on the gate's side for a client that does not read (`net.ipv4.tcp_wmem`), and some more."""
LONG_TEXTS = {
    "GATEHOUSE_WRITE_BUFFER_BYTES": str(64 * 1024),
    "GATEHOUSE_RESUME_LIMIT": "20000",
    "GATEHOUSE_REPLAY_SECONDS": "60",
    "GATEHOUSE_REPLAY_HELD_EVENTS": "5000",
    "GATEHOUSE_RESUME_BYTES": str(64 * 2**20),
    "GATEHOUSE_REPLAY_HELD_BYTES": str(64 * 2**20),
}
"""Texts are long here, so that the kernel is full soon: what is missed may be many bytes, and is to be replayed."""
PATIENT = {"GATEHOUSE_LAG_SECONDS": "300", "GATEHOUSE_PONG_SECONDS": "300"}
IMPATIENT = {"GATEHOUSE_LAG_SECONDS": "1", "GATEHOUSE_PONG_SECONDS": "300", "GATEHOUSE_CLOSE_SECONDS": "1"}


@asynccontextmanager
async def slow_among(start_stack, environment):
    """A fleet on one gate, and beside it a client that is a member of all its rooms, attached, and not yet slow."""
    stack = await start_stack(gates=1, environment=ENVIRONMENT | LONG_TEXTS | environment)
    async with fleet_of(stack, size_of("slow reader"), "slow") as fleet:
        slow = FleetClient("slow", stack.token("slow"), fleet.rooms, [stack.http], receive_buffer=LITTLE)
        newcomer = await NativeClient.open(stack.http, stack.token("slow"))
        for room in fleet.rooms:
            assert (await newcomer.ask("join", room=room))["type"] == "accepted"
        await newcomer.close()
        fleet.clients.append(slow)
        fleet.launch(slow)
        await eventually(lambda: slow.settled, 30, "the slow client is attached")
        yield fleet, slow


async def test_a_client_that_stops_reading_slows_nobody_and_is_replayed_when_it_reads_again(start_stack, report):
    async with slow_among(start_stack, PATIENT) as (fleet, slow):
        [gate] = fleet.stack.gates
        fleet.write()
        await fleet.keep_on()
        alone, before = fleet.take_delays(), resident_mib(gate)
        slow.line.stop_reading()
        read = len(slow.journal)
        await fleet.keep_on()
        await kernel_is_full(fleet)
        beside, after = fleet.take_delays(), resident_mib(gate)
        heads = dict(fleet.tops())
        await eventually(lambda: others_have(fleet, slow, heads), 60, "the others have everything")
        assert len(slow.journal) == read
        slow.line.read_on()
        await fleet.keep_on()
        await fleet.quiet()
        stored = await fleet.converge()
        report(
            accepted=fleet.accepted,
            p99_delay_seconds_without_it=percentile(alone, 0.99),
            p99_delay_seconds_with_it=percentile(beside, 0.99),
            gate_mib_before=before,
            gate_mib_after=after,
            lagged=len(slow.journal.of(Lagged)),
            replays=await samples(gate, "gateway_replays_total"),
        )
        assert fleet.findings(stored) == []
        assert slow.journal.of(Lagged), "the slow client is told that it lagged"
        assert slow.connections == 1, "it is not closed for having been slow"


async def test_a_client_that_never_reads_again_is_closed_by_code_and_comes_back_to_everything(start_stack, report):
    async with slow_among(start_stack, IMPATIENT) as (fleet, slow):
        [gate] = fleet.stack.gates
        fleet.write()
        slow.line.stop_reading()
        await eventually(lambda: closes(gate), 60, "the gate closes it with 4001")
        await fleet.quiet()
        first = slow.line
        first.read_on()
        await eventually(lambda: slow.journal.of(Lost), 30, "it notices when it reads again")
        stored = await fleet.converge()
        report(accepted=fleet.accepted, connections_of_the_slow_one=slow.connections)
        assert fleet.findings(stored) == []
        assert [client.connections for client in fleet.clients if client is not slow] == [1] * (len(fleet.clients) - 1)


async def kernel_is_full(fleet):
    """Wait until so much was written that the rest must wait, or be left out, in the gate."""
    enough = fleet.bytes_sent + HIDDEN_BYTES
    await eventually(lambda: fleet.bytes_sent > enough, 60, "the kernel takes no more for who does not read")


def others_have(fleet, slow, heads):
    return all(
        client.positions[room][1] >= heads[room]
        for client in fleet.clients
        if client is not slow
        for room in client.rooms
    )


async def closes(gate):
    """How many the gate has closed for being slow."""
    return (await samples(gate, "gateway_closes_total")).get(f'code="{TOO_SLOW}"', 0)
