"""The broker restarts in mid-traffic, politely or by SIGKILL: sockets stay open, nothing accepted is
lost, and all clients converge."""

import asyncio
import time

import pytest

from infra.local.handshake import broker_answers
from tests.bed.unlimited import ENVIRONMENT
from tests.bed.waiting import eventually
from tests.reliability.fleet import fleet_of
from tests.reliability.scale import size_of

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

HEAL_SECONDS = 60


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_when_the_broker_comes_back_every_client_is_where_it_was_and_misses_nothing(
    start_stack, broker, report, end
):
    stack = await start_stack(gates=2, environment=ENVIRONMENT)
    async with fleet_of(stack, size_of("broker restart"), f"broker-{end}") as fleet:
        fleet.write()
        await fleet.keep_on()
        await asyncio.to_thread(getattr(broker, end))
        await eventually(lambda: heard(fleet, available=False), 30, "everybody is told that the broker is away")
        down = time.monotonic()
        starting = asyncio.create_task(asyncio.to_thread(broker.start))
        up = await answers(broker)
        accepted = fleet.accepted
        await eventually(lambda: fleet.accepted > accepted, HEAL_SECONDS, "messages are accepted again")
        first_accept = time.monotonic()
        await starting
        await eventually(lambda: heard(fleet, available=True), HEAL_SECONDS, "everybody is told that it is back")
        await fleet.keep_on()
        await fleet.quiet()
        stored = await fleet.converge()
        report(
            accepted=fleet.accepted,
            seconds_down=up - down,
            seconds_to_first_accept=first_accept - up,
            seconds_to_all_told=max(client.service.at for client in fleet.clients) - up,
            seconds_to_all_converged=time.monotonic() - up - fleet.size.seconds,
        )
        assert fleet.findings(stored) == []
        assert fleet.accepted == len(fleet.sent)
        assert [client.connections for client in fleet.clients] == [1] * len(fleet.clients)


async def answers(broker):
    """Wait for the first login the broker takes; when that was."""

    async def answered():
        return await asyncio.to_thread(broker_answers, broker.url)

    await eventually(answered, 90, "the broker takes logins")
    return time.monotonic()


def heard(fleet, *, available):
    """Whether that is what everybody was told last."""
    return all(client.service is not None and client.service.available is available for client in fleet.clients)
