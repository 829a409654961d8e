"""A log that refuses, or says nothing: who hears what and how soon, what stays bounded, and that all of it ends."""

import asyncio
import time

import pytest

from schemas import routes
from schemas.errors import Code
from services.room import shedding
from services.room.shedding import FIRST_PROOF_SECONDS
from services.runtime.broker import NotConfirmed, open_channel, publish_patiently
from services.runtime.confirms import Publisher
from tests.bed.waiting import eventually
from tests.integration.room.around import answered

pytestmark = pytest.mark.broker

FULL = 40
OVERSHOOT = 300
"""A queue says no a little late: what was in flight when it became full is still taken."""
WITHIN_SECONDS = 20


@pytest.fixture
def bound_log(management):
    """`bound_log(40)`: so many entries may wait in a queue of the log; `bound_log(None)`: as many as ever."""
    path = f"policies/{management._quoted_vhost}/small-log"

    def bound(length):
        if length is None:
            management._delete(path)
        else:
            body = {"pattern": "^history[.]shard[.]", "definition": {"max-length": length}, "apply-to": "queues"}
            management._put(path, body)

    return bound


async def test_a_full_log_refuses_new_commands_at_once_loses_nothing_accepted_and_goes_on_by_itself(
    start_worker, history, sender, link, bound_log
):
    await start_worker()
    await start_worker()
    await sender.make_room()
    await history.stop()
    bound_log(FULL)
    accepted = []
    await eventually(lambda: refused_from_now_on(sender, accepted), 60)
    for number in range(300):
        asked = time.monotonic()
        assert (await sender.ask("send", "mia", text=f"refused {number}")).code is Code.OVERLOADED
        assert time.monotonic() - asked < 5
    assert (await sender.ask("send", "mia", text="perhaps", retry=True)).code is Code.NO_ANSWER
    assert FULL <= await waiting(link, routes.history_queue(routes.shard_of("general", 2))) <= FULL + OVERSHOOT
    assert await waiting(link, routes.room_queue(routes.shard_of("general", 2))) == 0
    await history.start()
    answer = await eventually(lambda: accepted_again(sender), WITHIN_SECONDS)
    accepted.append(answer)
    assert len({answer.seq for answer in accepted}) == len(accepted)
    await eventually(lambda: history.seqs("general")[-1:] == [answer.seq])
    assert history.seqs("general") == list(range(1, answer.seq + 1))
    stored = {event.command_id: event.seq for event in history.events["general"]}
    assert {each.command_id: each.seq for each in accepted}.items() <= stored.items()


async def waiting(link, queue):
    channel = await open_channel(link, confirms=False)
    return (await channel.queue_declare(queue, passive=True)).message_count


async def refused_from_now_on(sender, accepted):
    """Send a burst; true once all of it is refused as a first try."""
    sends = [sender.send("send", "mia", text="x") for _ in range(20)]
    answers = [await answered(future) for future in sends]
    accepted += [answer for answer in answers if answer.type == "accepted"]
    return all(answer.type == "refused" and answer.code is Code.OVERLOADED for answer in answers)


async def accepted_again(sender):
    answer = await sender.ask("send", "mia", text="again")
    return answer if answer.type == "accepted" else None


async def test_sessions_and_what_nobody_waits_for_are_kept_until_the_log_takes_something_again(
    start_worker, history, sender, open_gate, bound_log
):
    await start_worker()
    gate = await open_gate("g1")
    await sender.make_room()
    await gate.attach("general", a="mia")
    await history.stop()
    bound_log(1)
    await eventually(lambda: refused_from_now_on(sender, []), 60)
    attaching = asyncio.create_task(gate.attach("general", b="rita"))
    for _ in range(3):
        assert (await sender.ask("send", "mia", text="refused")).code is Code.OVERLOADED
    sender.post("send", "mia", text="into the blue", command_id="blue")
    assert (await sender.ask("send", "mia", text="refused")).code is Code.OVERLOADED
    assert not attaching.done()
    bound_log(None)
    await history.start()
    assert (await attaching).member_count == 3
    told = await eventually(lambda: inspected(sender))
    assert [(each.gate, each.sessions) for each in told.gates] == [("g1", 2)]
    await eventually(lambda: "blue" in [event.command_id for event in history.events["general"]])


async def inspected(sender):
    told = await sender.inspect()
    return told if told.type == "inspection" and told.online == 2 else None


async def test_a_log_that_says_nothing_leads_to_refusals_within_the_bound_and_then_goes_on(
    start_worker, history, sender, monkeypatch
):
    """As a queue that has lost its quorum."""
    silent = plant_silence(monkeypatch)
    await start_worker(broker_timeout_seconds=2)
    await sender.make_room()
    silent.set()
    asked = time.monotonic()
    assert (await sender.ask("send", "mia", text="perhaps", command_id="mine")).code is Code.NO_ANSWER
    assert 2 <= time.monotonic() - asked < 2 + FIRST_PROOF_SECONDS + 3
    for _ in range(20):
        asked = time.monotonic()
        assert (await sender.ask("send", "mia", text="no")).code is Code.OVERLOADED
        assert time.monotonic() - asked < 1
    silent.clear()
    await eventually(lambda: accepted_again(sender), WITHIN_SECONDS)
    assert (await sender.ask("send", "mia", text="perhaps", command_id="mine", retry=True)).type == "accepted"


async def test_a_cold_room_of_a_log_that_says_nothing_is_refused_and_its_shard_sheds(
    start_worker, history, sender, monkeypatch
):
    silent = plant_silence(monkeypatch)
    await start_worker(broker_timeout_seconds=2, snapshot_seconds=2)
    silent.set()
    assert (await sender.ask("send", "mia", room="cold", text="x")).code is Code.NO_ANSWER
    asked = time.monotonic()
    assert (await sender.ask("send", "mia", room="cold", text="x")).code is Code.OVERLOADED
    assert time.monotonic() - asked < 1


def plant_silence(monkeypatch):
    """While the event is set no publish to the log is confirmed, and none arrives."""
    silent, write = asyncio.Event(), Publisher._write_outgoing

    async def write_outgoing(publisher):
        if silent.is_set():
            publisher._outgoing.clear()
        await write(publisher)

    async def publish(channel, exchange, key, body, properties, *, timeout_seconds):
        if not silent.is_set():
            await publish_patiently(channel, exchange, key, body, properties, timeout_seconds=timeout_seconds)
            return
        try:
            await asyncio.wait_for(asyncio.Event().wait(), timeout_seconds)
        except TimeoutError as error:
            raise NotConfirmed(exchange, key, "planted") from error

    monkeypatch.setattr(Publisher, "_write_outgoing", write_outgoing)
    monkeypatch.setattr(shedding, "publish_patiently", publish)
    return silent
