"""The fleet: rooms, clients and writers on the gates of a stack, and the question whether all of them are well."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, NamedTuple

from services.runtime.broker import wait_or
from tests.bed.native import NativeClient
from tests.bed.waiting import eventually
from tests.reliability.checks.anomalies import Finding, Place, Stored
from tests.reliability.checks.following import judge_client
from tests.reliability.checks.keeping import judge_answers, judge_store
from tests.reliability.client import FleetClient
from tests.reliability.dump import stored_events
from tests.reliability.journal import Answered

CONNECTS_AT_ONCE = 50
WINDOW = 16
"""Commands a writer has in flight: when answers stay out it writes no more, and repeats what it has."""
FILES_BESIDE = 500


class Size(NamedTuple):
    """How big a workload is. `rate` is messages a second over all rooms, while `seconds` last."""

    clients: int
    rooms: int
    rooms_each: int
    writers: int
    rate: float
    seconds: float
    text_bytes: int = 40


class Fleet:
    """`clients` follow `rooms`, the first ones of them write too. `sent` is when each command was first sent."""

    def __init__(self, stack: Any, size: Size, prefix: str, gates: Sequence[str] | None = None) -> None:
        """`gates`: where the stack's gates are found, where that is not where they listen."""
        self.stack = stack
        self.size = size
        self.rooms = [f"{prefix}-{number}" for number in range(size.rooms)]
        self.chance = Random(prefix)
        self.sent: dict[str, float] = {}
        self.bytes_sent = 0
        self.delays: list[float] = []
        self._gates = [gate.url for gate in stack.gates] if gates is None else list(gates)
        self.clients = [self._client(f"{prefix}-user-{number}", number) for number in range(size.clients)]
        self.writers = self.clients[: size.writers]
        self._quiet = asyncio.Event()
        self._writing: list[asyncio.Task[None]] = []
        self._lives: list[asyncio.Task[None]] = []

    def _client(self, user: str, number: int) -> FleetClient:
        size = self.size
        rooms = [self.rooms[(number + step) % size.rooms] for step in range(size.rooms_each)]
        client = FleetClient(user, self.stack.token(user), rooms, self._gates, number % len(self._gates))
        client.on_event = self._note_delay
        return client

    # The life of the fleet.

    async def begin(self) -> None:
        """Make the rooms, and have everybody come and attach."""
        members = defaultdict(list)
        for client in self.clients:
            for room in client.rooms:
                members[room].append(client.user)
        founder = await NativeClient.open(self._gates[0], self.stack.token("founder"))
        for room in self.rooms:
            answer = await founder.ask("create", room=room, title=room, members=members[room])
            assert answer["type"] == "accepted", answer
        await founder.close()
        for start in range(0, len(self.clients), CONNECTS_AT_ONCE):
            batch = self.clients[start : start + CONNECTS_AT_ONCE]
            self.launch(*batch)
            await eventually(lambda batch=batch: all(client.settled for client in batch), 60, "all are attached")

    def launch(self, *clients: FleetClient) -> None:
        """Let clients live."""
        self._lives += [asyncio.create_task(client.live()) for client in clients]

    def write(self) -> None:
        """Everybody who writes begins to."""
        self._quiet.clear()
        pause = self.size.writers / self.size.rate
        self._writing = [asyncio.create_task(self._write(client, pause)) for client in self.writers]

    async def keep_on(self, seconds: float | None = None) -> None:
        """Let things take their course for as long as the workload lasts, or for a part of it."""
        await wait_or(self._quiet, self.size.seconds if seconds is None else seconds)

    async def quiet(self, within_seconds: float = 60) -> None:
        """Nobody begins another message; all that were begun are accepted."""
        self._quiet.set()
        await asyncio.gather(*self._writing)
        await eventually(
            lambda: not any(client.outstanding for client in self.clients),
            within_seconds,
            "everything that was sent is accepted",
        )

    async def end(self) -> None:
        """All go home."""
        self._quiet.set()
        for client in self.clients:
            client.end()
        for task in self._writing:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*self._lives, *self._writing, return_exceptions=True), 60)

    async def _write(self, client: FleetClient, pause: float) -> None:
        """A message each `pause` seconds, room after room, by the clock: what could not be sent is not made up for."""
        number, due = 0, time.monotonic() + self.chance.uniform(0, pause)
        while not await wait_or(self._quiet, max(0.0, due - time.monotonic())):
            due = max(due + pause, time.monotonic() - pause)
            if len(client.outstanding) >= WINDOW:
                continue
            number += 1
            self.write_one(client, str(number), client.rooms[number % len(client.rooms)])

    def write_one(self, client: FleetClient, word: str, room: str | None = None) -> None:
        """Have a client send one message, named after `word`; what becomes of it is waited for like any other."""
        command_id = f"{client.user}-{word}"
        self.sent[command_id] = time.monotonic()
        self.bytes_sent += self.size.text_bytes
        client.wish(command_id, type="send", room=room or client.rooms[0], text="x" * self.size.text_bytes)

    def _note_delay(self, command_id: str) -> None:
        if command_id in self.sent:
            self.delays.append(time.monotonic() - self.sent[command_id])

    # What is known.

    def take_delays(self) -> list[float]:
        """Seconds from sending to receiving, of every push to whoever is measured, since the last call."""
        delays, self.delays = self.delays, []
        return delays

    @property
    def accepted(self) -> int:
        """How many commands were accepted."""
        return sum(len(client.accepted) for client in self.clients)

    def tops(self) -> dict[str, int]:
        """The highest seq that anybody has, for each room."""
        return {
            room: max(client.positions[room][1] for client in self.clients if room in client.positions)
            for room in self.rooms
        }

    async def converge(self, within_seconds: float = 60) -> dict[Place, Stored]:
        """Wait until everything accepted is stored and everybody has everything that is stored; what is stored."""
        promised = {(entry.room, entry.seq) for client in self.clients for entry in client.journal.of(Answered)}
        await eventually(lambda: promised <= self._stored().keys(), within_seconds, "what was accepted is stored")
        stored = self._stored()
        heads = heads_of(stored)

        def behind() -> list[str]:
            return [client.user for client in self.clients if not has_all(client, heads)]

        await eventually(lambda: not behind(), within_seconds, "every client has everything")
        return stored

    def findings(self, stored: Mapping[Place, Stored]) -> list[Finding]:
        """Every anomaly of the whole run."""
        heads = heads_of(stored)
        journals = {client.user: client.journal for client in self.clients}
        found = judge_store(self.documents()) + judge_answers(journals, stored)
        for client in self.clients:
            own = {room: heads[room] for room in client.rooms}
            found += judge_client(client.user, client.journal, stored, own)
        return found

    def documents(self) -> list[Stored]:
        """Every stored event of the rooms."""
        return stored_events(self.stack.mongo_url, self.rooms)

    def _stored(self) -> dict[Place, Stored]:
        return {(event.room, event.seq): event for event in self.documents()}


@asynccontextmanager
async def fleet_of(stack: Any, size: Size, prefix: str, gates: Sequence[str] | None = None) -> AsyncIterator[Fleet]:
    """A fleet that has begun; it goes home at the end."""
    _raise_file_limit(2 * size.clients + FILES_BESIDE)
    fleet = Fleet(stack, size, prefix, gates)
    try:
        await fleet.begin()
        yield fleet
    finally:
        await fleet.end()


def heads_of(stored: Iterable[Place]) -> dict[str, int]:
    """The last seq of each room."""
    heads: dict[str, int] = defaultdict(int)
    for room, seq in stored:
        heads[room] = max(heads[room], seq)
    return heads


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def has_all(client: FleetClient, heads: Mapping[str, int]) -> bool:
    """Whether a client is connected and has the last event of each of its rooms."""
    return client.settled and all(client.positions[room][1] >= heads[room] for room in client.rooms)


def _raise_file_limit(files: int) -> None:
    """The gates inherit it when they start after this; the load itself needs it now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))
