"""An alarm of the broker, which blocks whoever publishes: nothing ends, nothing is forgotten, all goes on after."""

import asyncio
import contextlib
import itertools
import time

import pytest
from pamqp import commands
from prometheus_client import CollectorRegistry

from schemas import routes
from schemas.answers import ANSWER
from services.runtime.broker import PERSISTENT, NotConfirmed, connect, open_channel, publish_confirmed
from services.runtime.observe import Health
from services.runtime.rpc import NotTaken
from tests.bed.waiting import eventually
from tests.integration.room.around import Wire, answered
from tests.integration.room.test_liveness import make_worker, tell_nobody

pytestmark = pytest.mark.broker

WITHIN_SECONDS = 30
PATIENCE_SECONDS = 15
NUMBERS = itertools.count(1)
SENDS = 50


@pytest.fixture
def alarm(broker):
    """`await alarm(on=True)`: the broker says that its memory is full. It is this session's own."""

    async def set_alarm(*, on):
        await asyncio.to_thread(broker.control, "set_vm_memory_high_watermark", "0.000001" if on else "0.4")

    yield set_alarm
    broker.control("set_vm_memory_high_watermark", "0.4")


async def test_an_alarm_costs_a_worker_its_health_and_nothing_else(amqp_url, history, sender, alarm):
    """Longer than every bound; what the worker had written and what it had in progress is all there in the end."""
    registry, health, stopping = CollectorRegistry(), Health(stale_seconds=9), asyncio.Event()
    async with Wire(amqp_url) as wire, asyncio.timeout(100):
        connection = await connect(wire.url, "room-test", timeout_seconds=10)
        made = make_worker(amqp_url, health, tell_nobody, registry, broker_timeout_seconds=4)
        serving = asyncio.create_task(made.serve(connection, stopping))
        await sender.make_room()
        await eventually(lambda: checks(health) == {"broker": "ok", "consumers": "ok", "publishing": "ok"})
        wire.hold()
        sends = [sender.send("send", "mia", text=f"{number}") for number in range(SENDS)]
        await asyncio.wait(sends, timeout=0.2)
        await alarm(on=True)
        wire.release()
        await eventually(lambda: checks(health)["publishing"] == "missing")
        assert registry.get_sample_value("room_publishing_blocked") == 1
        await eventually(lambda: checks(health)["broker"] == "stale", WITHIN_SECONDS)
        assert not serving.done()
        assert not any(future.done() for future in sends)
        await alarm(on=False)
        assert [(await answered(future)).seq for future in sends] == list(range(2, SENDS + 2))
        await eventually(lambda: checks(health) == {"broker": "ok", "consumers": "ok", "publishing": "ok"})
        assert (await sender.ask("send", "mia", text="after")).seq == SENDS + 2
        assert history.snapshots == 1
        assert registry.get_sample_value("room_shard_ends_total", {"reason": "NotConfirmed"}) is None
        stopping.set()
        await serving
        await connection.close()


def checks(health):
    found = health.checks(time.monotonic())
    return {part: found[part] for part in ("broker", "consumers", "publishing")}


async def test_no_process_ends_under_an_alarm_and_none_needs_another_connection(
    start_process, history, sender, amqp_url, roll, management, alarm
):
    processes = [await start_process(GATEHOUSE_BROKER_TIMEOUT_SECONDS="2") for _ in range(2)]
    await sender.make_room()
    await eventually(lambda: len(roll.active()) == 2, WITHIN_SECONDS)
    before = await eventually(lambda: connections(management, 5))
    done = asyncio.Event()
    talking = [asyncio.create_task(talk(sender, done)) for _ in range(20)]
    await alarm(on=True)
    with pytest.raises(NotConfirmed):
        await publish_something(amqp_url)
    assert all(process.alive() for process in processes)
    await alarm(on=False)
    done.set()
    answers = [answer for told in await asyncio.gather(*talking) for answer in told]
    assert {answer.type for answer in answers} == {"accepted"}
    assert (await sender.ask("send", "mia", text="after")).type == "accepted"
    assert history.seqs("general") == list(range(1, len(answers) + 3))
    assert await eventually(lambda: connections(management, 5)) == before
    assert all(process.alive() for process in processes)


async def test_a_worker_that_is_told_to_end_under_an_alarm_ends_in_time(start_process, history, sender, roll, alarm):
    bounds = {"GATEHOUSE_BROKER_TIMEOUT_SECONDS": "2", "GATEHOUSE_DRAIN_SECONDS": "2"}
    process = await start_process(**bounds)
    await sender.make_room()
    done = asyncio.Event()
    talking = [asyncio.create_task(talk(sender, done)) for _ in range(20)]
    await alarm(on=True)
    assert await process.stop() == 0
    await alarm(on=False)
    done.set()
    await start_process(**bounds)
    answers = [answer for told in await asyncio.gather(*talking) for answer in told]
    assert {answer.type for answer in answers} == {"accepted"}
    assert history.seqs("general")[: len(answers)] == list(range(1, len(answers) + 1))


async def talk(sender, done):
    """One message after the other, until the sender's own connection is blocked. A reply may be lost with the worker
    that was to send it, though the command is settled: then the sender asks again, as senders do."""
    answers = []
    with contextlib.suppress(NotTaken):
        while not done.is_set():
            command_id = f"talk-{next(NUMBERS)}"
            answers.append(await said(sender, command_id))
    return answers


async def said(sender, command_id):
    first = sender.send("send", "mia", text="on and on", command_id=command_id)
    try:
        return ANSWER.validate_json(await asyncio.wait_for(first, PATIENCE_SECONDS))
    except TimeoutError:
        return await sender.ask("send", "mia", text="on and on", command_id=command_id, retry=True)


async def publish_something(amqp_url):
    """Longer than any bound of the processes."""
    connection = await connect(amqp_url, "outsider", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True)
    properties = commands.Basic.Properties(delivery_mode=PERSISTENT)
    try:
        await publish_confirmed(channel, routes.PARKED, "test", b"x", properties, timeout_seconds=8)
    finally:
        await connection.close()


async def connections(management, number):
    """Those of two processes and of the test, by the port at the far end: one that is replaced has another."""
    ports = {each["peer_port"] for each in await asyncio.to_thread(management.connections)}
    return ports if len(ports) == number else None
