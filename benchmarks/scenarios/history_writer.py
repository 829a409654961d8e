"""The history writer: how fast the log becomes documents, against a plain loop that inserts the same documents.

The process is stopped while the log fills, so that neither the publisher nor a start is measured, and goes on with all
of it waiting. Behind the last event of each shard stands a barrier query: its answer says that the shard is stored.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pymongo
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands
from pydantic_core import from_json

from benchmarks.bed import Nodes, stack
from benchmarks.events import TEXT_BYTES
from benchmarks.meter import Meter
from benchmarks.sample import LIMIT, OURS, Case, Sample
from benchmarks.scenario import Plan, Scenario
from schemas import routes
from schemas.events import Event, FirstMember, MessagePosted, RoomCreated, encode_logged
from schemas.ids import CommandId, Epoch, MessageId, RoomId, UserId
from schemas.queries import LookupQuery
from schemas.roles import Role, Visibility
from services.runtime.broker import PERSISTENT, connect, open_channel, publish_confirmed

ROOMS: Final = (1, 200)
EVENTS: Final = 10_000
EVENTS_QUICK: Final = 1_000
WARM_UP: Final = 1_000
BATCH: Final = 200
IN_FLIGHT: Final = 500
WITHIN_SECONDS: Final = 120.0
FENCE: Final = 1
AUTHOR: Final = UserId("owner")
VOCABULARY: Final = 2_000


class WriterTrouble(Exception):
    """What is in the store is not what was logged."""


class Talk:
    """Events of some rooms, round about, as the room service logs them: texts of `TEXT_BYTES` bytes of many words."""

    def __init__(self, rooms: int) -> None:
        self._chance = random.Random(1)  # noqa: S311 - no secret, and the same in every run
        self._words = [f"{self._chance.getrandbits(28):x}"[: self._chance.randint(2, 7)] for _ in range(VOCABULARY)]
        self._made = 0
        self.rooms = [RoomId(f"bench-{uuid4().hex[:8]}-{number}") for number in range(rooms)]

    def begin(self) -> list[Event]:
        """The first event of every room."""
        return [
            RoomCreated(
                room=room,
                epoch=Epoch("bench"),
                seq=1,
                at=datetime.now(UTC),
                actor=AUTHOR,
                command_id=CommandId("begin"),
                title="bench",
                visibility=Visibility.PUBLIC,
                capacity=100,
                members=(FirstMember(user=AUTHOR, role=Role.OWNER),),
            )
            for room in self.rooms
        ]

    def go_on(self, count: int) -> list[Event]:
        """So many messages more, one room after the other."""
        return [self._message() for _ in range(count)]

    def _message(self) -> MessagePosted:
        self._made += 1
        round_, place = divmod(self._made - 1, len(self.rooms))
        return MessagePosted(
            room=self.rooms[place],
            epoch=Epoch("bench"),
            seq=round_ + 2,
            at=datetime.now(UTC),
            actor=AUTHOR,
            command_id=CommandId(f"c{self._made:012d}"),
            message_id=MessageId(f"msg_{1_700_000_000_000_000_000 + self._made}"),
            text=self._text(),
        )

    def _text(self) -> str:
        return " ".join(self._chance.choices(self._words, k=TEXT_BYTES))[:TEXT_BYTES].rstrip().ljust(TEXT_BYTES, ".")


@dataclass(slots=True)
class Log:
    """The way into the log, and the answers that come out of it."""

    channel: Channel
    answers: str
    answered: asyncio.Semaphore

    async def write(self, events: Sequence[Event]) -> None:
        """Publish them in their order, each confirmed."""
        properties = commands.Basic.Properties(delivery_mode=PERSISTENT, content_type="application/json")
        for start in range(0, len(events), IN_FLIGHT):
            some = events[start : start + IN_FLIGHT]
            await asyncio.gather(
                *(
                    self._publish(routes.log_key(e.room, e.event), encode_logged(e.to_json(), FENCE), properties)
                    for e in some
                )
            )

    async def ask(self, rooms: Sequence[RoomId]) -> int:
        """A barrier query behind all of each shard that has one of the rooms; says how many those are."""
        asked = {routes.shard_of(room, routes.DEFAULT_SHARDS): room for room in rooms}
        for room in asked.values():
            query = LookupQuery(room=room, actor=AUTHOR, command_id=CommandId("begin"))
            properties = commands.Basic.Properties(reply_to=self.answers, correlation_id=room)
            await self._publish(routes.query_key(room), query.to_json(), properties)
        return len(asked)

    async def stored(self, questions: int) -> float:
        """The moment in which the last of so many questions was answered."""
        async with asyncio.timeout(WITHIN_SECONDS):
            for _ in range(questions):
                await self.answered.acquire()
        return time.monotonic()

    async def _publish(self, key: str, body: bytes, properties: commands.Basic.Properties) -> None:
        await publish_confirmed(self.channel, routes.LOG, key, body, properties, timeout_seconds=WITHIN_SECONDS)


@asynccontextmanager
async def log_of(nodes: Nodes) -> AsyncIterator[Log]:
    """A connection to the log."""
    connection = await connect(nodes.amqp_url, "bench", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True)
    declared = await channel.queue_declare("", exclusive=True)
    answered = asyncio.Semaphore(0)

    async def take(_: DeliveredMessage) -> None:
        answered.release()

    queue = declared.queue or ""
    await channel.basic_consume(queue, take, no_ack=True)
    yield Log(channel, queue, answered)
    await connection.close()


async def measure(plan: Plan) -> list[Sample]:
    """Ours, then the limit with the documents that ours has left, for one room and for many, and all of it again."""
    server = plan.nodes.mongo_url
    samples = []
    for _ in range(plan.repeats):
        for rooms in ROOMS:
            case: Case = {"rooms": rooms, "batch": BATCH}
            with fresh_databases(server) as (ours, limit):
                count = EVENTS_QUICK if plan.quick else EVENTS
                values = await _measure_ours(replace(plan.nodes, mongo_url=ours), rooms, count)
                samples.append(Sample(contender=OURS, case=case, values=values))
                values = await _measure_limit(ours, limit, rooms + WARM_UP, count)
                samples.append(Sample(contender=LIMIT, case=case, values=values))
    return samples


@contextmanager
def fresh_databases(server: str) -> Iterator[tuple[str, str]]:
    """URLs of two databases that nobody has used, dropped in the end."""
    parts = urlsplit(server)
    names = [f"bench_{uuid4().hex[:12]}" for _ in range(2)]
    ours, limit = (parts._replace(path=f"/{name}").geturl() for name in names)
    try:
        yield ours, limit
    finally:
        with pymongo.MongoClient[dict[str, object]](server) as client:
            for name in names:
                client.drop_database(name)


async def _measure_ours(nodes: Nodes, rooms: int, count: int) -> dict[str, float]:
    with stack(nodes, gates=0, rooms=0) as endpoints:
        process, store = psutil.Process(*endpoints.pids_history), _store_meter(nodes.mongo_url)
        meter = Meter(endpoints.pids_history)
        talk = Talk(rooms)
        async with log_of(nodes) as log:
            await log.write([*talk.begin(), *talk.go_on(WARM_UP)])
            await log.stored(await log.ask(talk.rooms))
            process.suspend()
            await log.write(talk.go_on(count))
            questions = await log.ask(talk.rooms)
            spent, spent_by_store = meter.cpu_seconds(), store.cpu_seconds()
            began = time.monotonic()
            process.resume()
            ended = await log.stored(questions)
            spent, spent_by_store = meter.cpu_seconds() - spent, store.cpu_seconds() - spent_by_store
    _check(nodes.mongo_url, rooms, rooms + WARM_UP + count)
    return _values(count, ended - began, spent, spent_by_store if store.pids else None)


async def _measure_limit(ours: str, limit: str, warm_up: int, count: int) -> dict[str, float]:
    store = _store_meter(limit)
    command = [sys.executable, "-m", "benchmarks.contenders.insert_many", "--source", ours, "--into", limit]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--batch",
        str(BATCH),
        "--warm-up",
        str(warm_up),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError("started with pipes")
    async with asyncio.timeout(WITHIN_SECONDS):
        await process.stdout.readuntil(b"ready\n")
        spent_by_store = store.cpu_seconds()
        process.stdin.write(b"\n")
        report = from_json(await process.stdout.readline())
        spent_by_store = store.cpu_seconds() - spent_by_store
        await process.wait()
    if report["documents"] != warm_up + count:
        raise WriterTrouble(f"the limit stored {report['documents']} documents of {warm_up + count}")
    return _values(count, report["seconds"], report["cpu_seconds"], spent_by_store if store.pids else None)


def _values(count: int, seconds: float, spent: float, spent_by_store: float | None) -> dict[str, float]:
    values = {"events_per_second": count / seconds, "cpu_us_per_event": spent * 1e6 / count}
    return values if spent_by_store is None else values | {"store_cpu_us_per_event": spent_by_store * 1e6 / count}


def _check(url: str, rooms: int, events: int) -> None:
    """Every event is there once, and every room says so."""
    with pymongo.MongoClient[dict[str, int]](url) as client:
        database = client.get_default_database()
        stored = database["events"].count_documents({})
        folded = [document["seq"] for document in database["rooms"].find({}, {"seq": 1})]
    if (stored, len(folded), sum(folded)) != (events, rooms, events):
        raise WriterTrouble(f"{events} events of {rooms} rooms: {stored} stored, {sum(folded)} of {len(folded)} folded")


def _store_meter(url: str) -> Meter:
    """Watches the process that listens there; nobody, where it is on another machine."""
    port = urlsplit(url).port
    listening = psutil.net_connections("tcp")
    return Meter(tuple({c.pid for c in listening if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid}))


SCENARIO = Scenario("history_writer", "The log into the store, one history process", measure)
