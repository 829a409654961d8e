"""Chat under way for tests that break things: senders that never give up, and what must hold of their work."""

import asyncio
import time

import pymongo

from tests.bed.native import NativeClient
from tests.bed.waiting import eventually


class Sender:
    """A member that writes message after message, over its rooms in turn, and repeats each under its own command_id
    until it knows the end. `accepted` holds the answers, `refusals` every no on the way, `longest` the longest wait."""

    def __init__(self, client, name, rooms):
        self.client = client
        self.name = name
        self.accepted = {}
        self.refusals = []
        self.longest = 0.0
        self.stop = asyncio.Event()
        self._rooms = rooms

    async def run(self):
        number = 0
        while not self.stop.is_set():
            number += 1
            command_id = f"{self.name}-{number}"
            await self.send(self._rooms[number % len(self._rooms)], command_id)

    async def send(self, room, command_id, **fields):
        """Send until accepted; the answer."""
        began = time.monotonic()
        wish = {"room": room, "text": f"text of {command_id}", "command_id": command_id}
        answer = await self.client.ask("send", **wish, **fields)
        while answer["type"] == "refused":
            self.refusals.append(answer)
            assert answer["retry"], answer
            answer = await self.client.ask("send", **wish, **({} if answer["definite"] else {"retry": True}))
        self.longest = max(self.longest, time.monotonic() - began)
        self.accepted.setdefault(command_id, answer)
        return answer


class Traffic:
    """Senders on all gates of a stack, each attached to every room and hearing its own messages too."""

    def __init__(self, stack, rooms, senders):
        self.stack = stack
        self.rooms = rooms
        self.senders = senders
        self._running = []

    @classmethod
    async def begin(cls, stack, rooms, senders):
        names = [f"sender-{number}" for number in range(senders)]
        clients = [
            await NativeClient.open(stack.gates[number % len(stack.gates)].url, stack.token(name))
            for number, name in enumerate(names)
        ]
        for room in rooms:
            created = await clients[0].ask("create", room=room, title=room, members=names[1:])
            assert created["type"] == "accepted", created
            for client in clients:
                attached = await client.ask("attach", room=room, echo=True)
                assert attached["type"] == "attached", attached
        return cls(stack, rooms, [Sender(client, name, rooms) for client, name in zip(clients, names, strict=True)])

    def go(self):
        """Everybody writes, as fast as answers come."""
        self._running = [asyncio.create_task(sender.run()) for sender in self.senders]

    async def halt(self):
        """Everybody ends with the message in hand."""
        for sender in self.senders:
            sender.stop.set()
        await asyncio.wait_for(asyncio.gather(*self._running), 60)

    async def close(self):
        for task in self._running:
            task.cancel()
        await asyncio.gather(
            *self._running, *(sender.client.close() for sender in self.senders), return_exceptions=True
        )

    @property
    def accepted(self):
        """How many messages were accepted."""
        return sum(len(sender.accepted) for sender in self.senders)

    @property
    def refusals(self):
        return [refusal for sender in self.senders for refusal in sender.refusals]

    def take_longest(self):
        """The longest wait of a send since the last call, in seconds."""
        longest = max(sender.longest for sender in self.senders)
        for sender in self.senders:
            sender.longest = 0.0
        return longest

    async def progress(self, more, within_seconds=60):
        """Wait until that many more messages were accepted."""
        goal = self.accepted + more
        await eventually(lambda: self.accepted >= goal, within_seconds, f"{more} more messages are accepted")

    async def assert_nothing_lost_repeated_or_reordered(self):
        """Accepted is stored, once, under the seq that was promised; no seq is missing; all clients saw one order."""
        promised = {
            (answer["room"], answer["seq"]): command_id
            for sender in self.senders
            for command_id, answer in sender.accepted.items()
        }
        assert len(promised) == self.accepted
        await eventually(lambda: promised.items() <= self.stored().items(), 60, "all that was accepted is stored")
        stored = self.stored()
        for room in self.rooms:
            seqs = sorted(seq for name, seq in stored if name == room)
            assert seqs == list(range(1, len(seqs) + 1))
            await self._everybody_saw(room, tuple(range(2, len(seqs) + 1)))

    async def _everybody_saw(self, room, whole):
        def seen():
            return {tuple(sender.client.seqs(room)) for sender in self.senders} == {whole}

        await eventually(seen, 60, f"every client has all of {room}, in order")

    def stored(self):
        """Every stored event of the rooms: (room, seq) -> command_id."""
        with pymongo.MongoClient(self.stack.mongo_url) as store:
            rows = list(store.get_default_database()["events"].find({"room": {"$in": list(self.rooms)}}))
        events = {(row["room"], row["seq"]): row["command_id"] for row in rows}
        assert len(events) == len(rows)
        assert len({(row["room"], row["actor"], row["command_id"]) for row in rows}) == len(rows)
        return events
