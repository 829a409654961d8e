"""SIGKILL in mid-traffic: what was accepted is stored, once, under the seq that was promised (I1, I2, I3, I4)."""

import asyncio

import pymongo
import pytest

from tests.bed.native import NativeClient
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack, pytest.mark.timeout(300)]

SENDERS = 4
ROOMS = ("killed-1", "killed-2", "killed-3")


class Sender:
    """A member that writes message after message and repeats each under its own command_id until it knows the end."""

    def __init__(self, client, name):
        self._client = client
        self._name = name
        self.accepted = {}
        self.stop = asyncio.Event()

    async def run(self):
        number = 0
        while not self.stop.is_set():
            number += 1
            room = ROOMS[number % len(ROOMS)]
            command_id = f"{self._name}-{number}"
            answer = await self._sent(room=room, text=f"text of {command_id}", command_id=command_id)
            self.accepted[command_id] = answer

    async def _sent(self, **fields):
        answer = await self._client.ask("send", **fields)
        while answer["type"] == "refused":
            assert answer["retry"], answer
            again = {} if answer["definite"] else {"retry": True}
            answer = await self._client.ask("send", **again, **fields)
        return answer


@pytest.fixture
async def chat(start_stack):
    """A stack, its senders on two gates, and everyone attached to every room."""
    stack = await start_stack(gates=2, environment={"GATEHOUSE_COMMAND_SECONDS": "4", "GATEHOUSE_COMMAND_RATE": "1000"})
    clients = [
        await NativeClient.open(stack.gates[number % 2].url, stack.token(f"sender-{number}"))
        for number in range(SENDERS)
    ]
    for room in ROOMS:
        members = [f"sender-{number}" for number in range(1, SENDERS)]
        assert (await clients[0].ask("create", room=room, title=room, members=members))["type"] == "accepted"
        for client in clients:
            assert (await client.ask("attach", room=room, echo=True))["type"] == "attached"
    yield stack, clients
    await asyncio.gather(*(client.close() for client in clients))


async def test_i1_i2_every_accepted_message_is_stored_once_though_workers_are_killed_in_mid_traffic(chat):
    stack, clients = chat
    senders = [Sender(client, f"sender-{number}") for number, client in enumerate(clients)]
    running = [asyncio.create_task(sender.run()) for sender in senders]
    for kind in ("room", "history", "room", "history"):
        await progress(senders, 20)
        stack.kill9(kind)
        if kind == "history":
            await progress(senders, 20)  # live chat goes on without history
        await stack.restart(kind)
    await progress(senders, 20)
    for sender in senders:
        sender.stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 60)

    promised = {
        (answer["room"], answer["seq"]): command_id
        for sender in senders
        for command_id, answer in sender.accepted.items()
    }
    assert len(promised) == sum(len(sender.accepted) for sender in senders)
    await eventually(lambda: promised.items() <= stored(stack.mongo_url).items(), 60)
    for room in ROOMS:
        seqs = sorted(seq for name, seq in stored(stack.mongo_url) if name == room)
        assert seqs == list(range(1, len(seqs) + 1))  # I3: gapless
        whole = tuple(range(2, len(seqs) + 1))
        await eventually(lambda room=room, whole=whole: {tuple(c.seqs(room)) for c in clients} == {whole}, 60)  # I4


async def progress(senders, more):
    """Wait until that many more messages were accepted."""
    goal = accepted(senders) + more
    await eventually(lambda: accepted(senders) >= goal, 60)


def accepted(senders):
    """How many messages were accepted."""
    return sum(len(sender.accepted) for sender in senders)


def stored(mongo_url):
    """Every stored event: (room, seq) -> command_id."""
    with pymongo.MongoClient(mongo_url) as store:
        rows = list(store.get_default_database()["events"].find({"room": {"$in": list(ROOMS)}}))
    events = {(row["room"], row["seq"]): row["command_id"] for row in rows}
    assert len(events) == len(rows)
    assert len({(row["room"], row["actor"], row["command_id"]) for row in rows}) == len(rows)  # I2
    return events
