"""Resume storm: cables are pulled all the time, and everybody ends with every event once, in order (I1-I4)."""

import asyncio

import pytest

from tests.bed.scale import is_full
from tests.bed.unlimited import ENVIRONMENT
from tests.reliability.fleet import fleet_of
from tests.reliability.gates import summed
from tests.reliability.nemesis.cables import cut_some
from tests.reliability.scale import size_of

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

SHARE = 0.1


async def test_who_is_cut_off_again_and_again_has_every_event_once_and_in_order(start_stack, report):
    size = size_of("resume storm")
    stack = await start_stack(gates=2, environment=ENVIRONMENT)
    async with fleet_of(stack, size, "storm") as fleet:
        stop = asyncio.Event()
        fleet.write()
        storm = asyncio.create_task(cut_some(fleet, stop, every_seconds=2 if is_full() else 0.5, share=SHARE))
        await fleet.keep_on()
        stop.set()
        cuts = await storm
        await fleet.quiet()
        stored = await fleet.converge()
        report(
            accepted=fleet.accepted,
            cuts=cuts,
            connections=sum(client.connections for client in fleet.clients),
            replays=await summed(stack.gates, "gateway_replays_total"),
        )
        assert fleet.findings(stored) == []
        assert fleet.accepted == len(fleet.sent)
