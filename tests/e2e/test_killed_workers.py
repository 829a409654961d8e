"""SIGKILL in mid-traffic: what was accepted is stored, once, under the seq that was promised (I1, I2, I3, I4)."""

import pytest

from tests.e2e.traffic import Traffic

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack, pytest.mark.timeout(300)]

ROOMS = ("killed-1", "killed-2", "killed-3")


@pytest.fixture
async def traffic(start_stack):
    stack = await start_stack(gates=2, environment={"GATEHOUSE_COMMAND_SECONDS": "4", "GATEHOUSE_COMMAND_RATE": "1000"})
    traffic = await Traffic.begin(stack, ROOMS, senders=4)
    yield traffic
    await traffic.close()


async def test_i1_i2_every_accepted_message_is_stored_once_though_workers_are_killed_in_mid_traffic(traffic):
    traffic.go()
    for kind in ("room", "history", "room", "history"):
        await traffic.progress(20)
        traffic.stack.kill9(kind)
        if kind == "history":
            await traffic.progress(20)  # live chat goes on without history
        await traffic.stack.restart(kind)
    await traffic.progress(20)
    await traffic.halt()
    await traffic.assert_nothing_lost_repeated_or_reordered()
