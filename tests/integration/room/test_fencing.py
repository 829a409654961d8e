"""A writer that stood still for so long that it was replaced, and then goes on: nothing that it says is taken up."""

import asyncio
import signal

import httpx
import pymongo
import pytest
from pamqp import commands

from schemas import routes
from schemas.events import decode_logged
from services.runtime.broker import PERSISTENT, headers_of, open_channel, publish_confirmed
from tests.bed.waiting import eventually
from tests.integration.room.around import answered
from tests.integration.room.tap import Tap

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

WITHIN_SECONDS = 60
SENDS = 100
STILL = {"GATEHOUSE_BALANCE_SECONDS": "3600", "GATEHOUSE_BROKER_TIMEOUT_SECONDS": "3"}


async def test_i8_a_writer_that_was_stopped_and_replaced_is_not_accepted_afterwards_and_what_it_wrote_is_dropped(
    amqp_url, mongo_url, start_stack, start_process, sender, link, roll
):
    """The broker hears nothing of the stopped one for two heartbeats, and gives the shard to the other. Behind the tap
    the stopped one does not hear of that, and decides what had been delivered to it."""
    stack = await start_stack(gates=0, rooms=0, histories=1, shards=2)
    async with Tap(amqp_url) as tap:
        paused = await start_process(f"{tap.url}?heartbeat=2", **STILL)
        await eventually(lambda: roll.loads() == [2], WITHIN_SECONDS)
        await start_process(**STILL)
        await eventually(lambda: roll.loads() == [0, 2], WITHIN_SECONDS)
        await sender.make_room()
        answers = [await sender.ask("send", "mia", text="before")]
        paused.signal(signal.SIGSTOP)
        sends = [sender.send("send", "mia", text=f"{number}") for number in range(SENDS)]
        answers += [await answered(future) for future in sends]
        lines = [line for line in tap.lines if line.late_from is not None]
        assert lines
        paused.signal(signal.SIGCONT)
        await asyncio.wait_for(asyncio.gather(*(line.over.wait() for line in lines)), WITHIN_SECONDS)
    late = [publish for line in lines for publish in line.late_publishes()]
    events = [publish for publish in late if publish.exchange == routes.LOG and publish.key.startswith("room.")]
    assert len(events) > 0
    assert not [publish for publish in late if publish.exchange == "" and b'"accepted"' in publish.body]
    assert not [publish for publish in late if publish.exchange == routes.FANOUT and b'"event"' in publish.body]
    for publish in events:
        await log_late(link, publish)
    await eventually(lambda: counted(stack, len(events)), WITHIN_SECONDS)
    assert [await next_parked(link) for _ in events] == [("stale_fence", publish.body) for publish in events]
    assert (await sender.ask("send", "mia", text="after")).seq == SENDS + 3
    assert {answer.type for answer in answers} == {"accepted"}
    stored = await eventually(lambda: stored_up_to(mongo_url, SENDS + 3), WITHIN_SECONDS)
    assert [each["seq"] for each in stored] == list(range(1, SENDS + 4))
    assert {answer.message_id for answer in answers} <= {each.get("message_id") for each in stored}
    said_late = {decode_logged(publish.body).entry.message_id for publish in events}
    assert not said_late & {each.get("message_id") for each in stored}


async def log_late(link, publish):
    channel = await open_channel(link, confirms=True)
    properties = commands.Basic.Properties(content_type="application/json", delivery_mode=PERSISTENT)
    await publish_confirmed(channel, routes.LOG, publish.key, publish.body, properties, timeout_seconds=10)
    await channel.close()


async def counted(stack, number):
    """History counted so many entries of replaced writers."""
    async with httpx.AsyncClient(trust_env=False) as http:
        page = (await http.get(f"{stack.histories[0].url}/metrics")).text
    return f"\nhistory_stale_fences_total {number:.1f}\n" in page


async def next_parked(link):
    channel = await open_channel(link, confirms=False)
    delivery = await channel.basic_get(routes.PARKED_QUEUE, no_ack=True)
    await channel.close()
    return headers_of(delivery)["x-park-reason"], delivery.body


def stored_up_to(mongo_url, top):
    with pymongo.MongoClient(mongo_url) as client:
        found = sorted(client.get_default_database()["events"].find({"room": "general"}), key=lambda each: each["seq"])
    return found if found and found[-1]["seq"] == top else None
