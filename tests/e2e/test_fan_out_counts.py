"""One chat message costs one publish to the log and one delivery to each gate that holds a session (I3, I4, I6)."""

import asyncio
import re
import time
from contextlib import asynccontextmanager

import httpx
import pymongo
import pytest

from schemas import routes
from services.room.tops import TELLINGS
from tests.bed.native import NativeClient
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

CLIENTS_PER_GATE = 50
MESSAGES = 200
ROOM = "counted"
SLOW_PROBE_FAST_HEARTBEAT = {"GATEHOUSE_PROBE_SECONDS": "600", "GATEHOUSE_HEARTBEAT_SECONDS": "0.8"}
TOPS = re.compile(r'^gateway_fanout_deliveries_total\{kind="tops"\} (\S+)', re.MULTILINE)


@asynccontextmanager
async def attached_members(stack, gates):
    """One member on each of `gates` (a gate may stand there often), all attached. The first one owns the room."""
    clients = await asyncio.gather(
        *(NativeClient.open(gate.url, stack.token(f"user-{number}")) for number, gate in enumerate(gates))
    )
    try:
        assert (await clients[0].ask("create", room=ROOM, title="Counted"))["type"] == "accepted"
        joined = await asyncio.gather(*(client.ask("join", room=ROOM) for client in clients[1:]))
        assert {answer["type"] for answer in joined} == {"accepted"}
        attached = await asyncio.gather(*(client.ask("attach", room=ROOM, echo=True) for client in clients))
        assert {(answer["type"], answer["seq"]) for answer in attached} == {("attached", len(clients))}
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients))


def presence_is_said(clients):
    """Everybody is known to be there: no signal of it comes among the messages that are counted."""
    told = [frame["online_count"] for frame in clients[0].frames if frame.get("signal") == "presence"]
    return told and told[-1] == len(clients)


def deliveries(management):
    """How many deliveries each gate's queue, and the room's log queue, have seen."""
    queues = [name for name in management.queue_names() if name.startswith("gate.")]
    log = routes.history_queue(routes.shard_of(ROOM, routes.DEFAULT_SHARDS))
    return {name: management.counters(name)["published"] for name in (*queues, log)}


async def tops_of(stack):
    """How often each gate heard how far quiet rooms are: what it gets beside messages."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        pages = [(await http.get(f"{gate.url}/metrics")).text for gate in stack.gates]
    return [int(float(found[1])) if (found := TOPS.search(page)) else 0 for page in pages]


async def settled(read, quiet_seconds=3.0, within_seconds=60.0):
    """What `read` says once it has said the same for `quiet_seconds`, some heartbeats of the room and some seconds of
    the broker's counters, which come late."""
    said, since = read(), time.monotonic()

    def quiet():
        nonlocal said, since
        if (now := read()) != said:
            said, since = now, time.monotonic()
        return time.monotonic() - since > quiet_seconds

    await eventually(quiet, within_seconds)
    return said


async def test_i6_each_message_reaches_each_gate_with_a_session_once_and_no_other(start_stack, management):
    stack = await start_stack(gates=3, environment=SLOW_PROBE_FAST_HEARTBEAT)
    busy = [stack.gates[number % 2] for number in range(2 * CLIENTS_PER_GATE)]
    async with attached_members(stack, busy) as clients:
        await eventually(lambda: presence_is_said(clients), 60)
        before = await settled(lambda: deliveries(management))
        tops = await tops_of(stack)
        bindings = management.bindings()
        texts = [f"message {number}" for number in range(MESSAGES)]
        for number, text in enumerate(texts):
            answer = await clients[number % len(clients)].ask("send", room=ROOM, text=text)
            assert answer["type"] == "accepted"

        first = len(clients) + 1
        expected = list(range(first, first + MESSAGES))
        await eventually(lambda: all(client.seqs(ROOM)[-MESSAGES:] == expected for client in clients), 60)  # I3
        orders = {tuple(event["text"] for event in client.events[ROOM][-MESSAGES:]) for client in clients}
        assert orders == {tuple(texts)}  # I4

        after = await settled(lambda: deliveries(management))
        grown = sorted(after[name] - before[name] for name in after)
        more = sorted(now - then for now, then in zip(await tops_of(stack), tops, strict=True))
        assert more[0] == 0
        assert max(more) <= TELLINGS
        assert grown == [0, MESSAGES, *(MESSAGES + count for count in more[1:])]  # the idle gate, the log, two gates
        assert management.bindings() == bindings
    assert stored_messages(stack.mongo_url) == list(zip(expected, texts, strict=True))


def stored_messages(mongo_url):
    """The messages of the room as MongoDB holds them, by seq."""
    with pymongo.MongoClient(mongo_url) as store:
        rows = store.get_default_database()["events"].find({"room": ROOM, "event": "message_posted"})
        return sorted((row["seq"], row["text"]) for row in rows)
