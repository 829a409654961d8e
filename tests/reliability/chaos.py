"""One run of everything: all workloads at once on a stack behind wires, while a nemesis carries its plan out; then
quiet, then all checks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple

from infra.local.workers import Kind as Service
from tests.bed.native import token_for
from tests.bed.waiting import eventually
from tests.reliability.checks.anomalies import Anomaly, Finding, Stored
from tests.reliability.checks.ending import (
    judge_outstanding,
    judge_parked,
    judge_presence,
    judge_unread,
    unread_of,
)
from tests.reliability.checks.following import judge_client
from tests.reliability.checks.keeping import (
    judge_answers,
    judge_message_ids,
    judge_refusals,
    judge_store,
    judge_wishes,
    judge_writers,
)
from tests.reliability.checks.ordering import judge_order, judge_split, operations_of
from tests.reliability.checks.secrecy import judge_leaks
from tests.reliability.doors import AmqpDoor, NoAnswer, RestDoor, SocketDoor
from tests.reliability.dump import parked_reasons, stored_events
from tests.reliability.fleet import heads_of
from tests.reliability.healing import Healing, healings
from tests.reliability.journal import Answered, Asked, Done, Entry, Got, Opened, Refused, Reset, Unanswered
from tests.reliability.line import Line, NotOpened
from tests.reliability.logins import Logins
from tests.reliability.nemesis.nemesis import Nemesis
from tests.reliability.nemesis.places import Places
from tests.reliability.nemesis.schedule import Fault
from tests.reliability.workloads.membership import Comings
from tests.reliability.workloads.receipts import Readers
from tests.reliability.workloads.returning import Returning
from tests.reliability.workloads.send import Repeaters, Senders
from tests.reliability.workloads.size import Size
from tests.reliability.workloads.world import FOUNDER, World

CALM_SECONDS: Final = 3.0
"""Traffic goes on for so long behind the last fault."""
ASK_SECONDS: Final = 5.0
READY_SECONDS: Final = 90.0


class Bounds(NamedTuple):
    """Until when, in seconds from the last fault, what must come to pass in the end."""

    settle: float = 90.0
    """Every command has come to its end."""
    level: float = 60.0
    """Everything accepted is stored, and every follower has everything."""
    counts: float = 30.0
    """Everybody's counts of unread messages, and who is told to be there, are right."""


class Outcome(NamedTuple):
    """What a run showed. `commands` are tries, and what came of them."""

    seconds: float
    findings: list[Finding]
    commands: Counter[str]
    by_door: Counter[str]
    deliveries: int
    connections: int
    resets: int
    faults: Counter[str]
    healings: list[Healing]
    parked: Counter[str]
    stored: int


class Chaos:
    """Made for one run."""

    def __init__(self, places: Places, size: Size, *, seed: int, bounds: Bounds) -> None:
        self._places = places
        self._bounds = bounds
        self._nemesis = Nemesis(places)
        logins = Logins(places.management, places.amqp_url)
        chance = Random(seed)
        secret = places.stack.jwt_secret
        gates = places.gates

        def token_of(user: str) -> str:
            """Good before and after a gate's clock has jumped."""
            return token_for(user, secret, iat=time.time() - 600)

        doors = (
            SocketDoor(gates, token_of, Random(chance.random())),
            RestDoor(gates, token_of, Random(chance.random())),
            AmqpDoor(logins.own, speaks_for_others=False),
            AmqpDoor(logins.shared, speaks_for_others=True),
        )
        self._world = World(gates, token_of, {door.name: door for door in doors}, chance)
        self._senders = Senders(self._world, size)
        self._repeaters = Repeaters(self._world, size)
        self._readers = Readers(self._world, size)
        self._workloads = (
            self._senders,
            self._repeaters,
            self._readers,
            Returning(self._world, size, self._senders.rooms),
            Comings(self._world, size),
        )

    async def run(self, plan: Sequence[Fault], *, seconds: float) -> Outcome:
        """All of it, to the verdict. Traffic lasts so many seconds, and longer than the plan."""
        began = time.monotonic()
        try:
            for workload in self._workloads:
                await workload.prepare()
            await self._break_while_all_work(plan, seconds)
            await self._wait_until_whole()
            return await self._judge(began)
        finally:
            await self._world.go_home()

    async def _break_while_all_work(self, plan: Sequence[Fault], seconds: float) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(workload.run()) for workload in self._workloads]
            try:
                await self._nemesis.carry_out(plan)
                await asyncio.sleep(max(CALM_SECONDS, began + seconds - time.monotonic()))
                self._world.quiet.set()
                await asyncio.wait(working, timeout=self._bounds.settle)
            finally:
                self._world.quiet.set()
                self._world.over.set()

    async def _wait_until_whole(self) -> None:
        """Not a promise of the service: the nemesis mends what it broke, and that takes its time."""
        for kind in Service:
            for service in self._places.services(kind):
                await service.ready(READY_SECONDS)

    def journals(self) -> Iterator[dict[str, Any]]:
        """Everything that was journalled, an entry a line, for whoever looks for the cause of a finding."""
        for who, journal in self._world.journals().items():
            for entry in journal:
                yield {"who": who, "entry": type(entry).__name__, **entry._asdict()}

    # The verdict.

    async def _judge(self, began: float) -> Outcome:
        journals = self._world.journals()
        await self._until(self._bounds.level, lambda: self._is_level(journals))
        unread, presence = await asyncio.gather(self._judge_unread(), self._judge_presence())
        stored = self._stored()
        parked = await parked_reasons(self._places.amqp_url)
        journals = self._world.journals()
        findings = [
            *judge_events(journals, stored),
            *judge_outstanding(self._world.outstanding()),
            *judge_leaks(journals, stored, {room: self._world.founders[room] for room in self._world.private}),
            *judge_refusals(journals, self._world.entitled),
            *judge_parked(parked),
            *self._judge_followers(stored),
            *unread,
            *presence,
        ]
        return Outcome(
            seconds=time.monotonic() - began,
            findings=findings,
            commands=outcomes_of(journals),
            by_door=Counter(entry.door for entry in all_of(journals) if isinstance(entry, Asked)),
            deliveries=sum(isinstance(entry, Got) for entry in all_of(journals)),
            connections=sum(isinstance(entry, Opened) for entry in all_of(journals)),
            resets=sum(isinstance(entry, Reset) for entry in all_of(journals)),
            faults=Counter(done.fault.kind.value for done in self._nemesis.done),
            healings=self._healings(journals),
            parked=parked,
            stored=len(stored),
        )

    def _stored(self) -> list[Stored]:
        return stored_events(self._places.stack.mongo_url, self._world.founders)

    async def _is_level(self, journals: Mapping[str, Iterable[Entry]]) -> bool:
        promised = {(entry.room, entry.seq) for entry in all_of(journals) if isinstance(entry, Answered)}
        stored = {(event.room, event.seq): event for event in await asyncio.to_thread(self._stored)}
        heads = heads_of(stored)
        return promised <= stored.keys() and all(
            client.settled and all(client.positions[room][1] >= heads[room] for room in client.rooms)
            for client in self._world.followers
        )

    def _judge_followers(self, stored: list[Stored]) -> list[Finding]:
        """A reset is said, not silent: here it is counted, and no anomaly. Guests are refused as a matter of course,
        and need not have everything."""
        kept = {(event.room, event.seq): event for event in stored}
        heads = heads_of(kept)
        wanted = {client: {room: heads[room] for room in client.rooms} for client in self._world.followers}
        wanted |= {client: {} for client in (*self._world.gone, *self._world.guests)}
        guests = {guest.user for guest in self._world.guests}
        return [
            finding
            for client, rooms in wanted.items()
            for finding in judge_client(client.user, client.journal, kept, rooms)
            if finding.anomaly is not Anomaly.NEEDLESS_RESET
            and not (finding.anomaly is Anomaly.REFUSED_FOR_GOOD and finding.who in guests)
        ]

    async def _judge_unread(self) -> list[Finding]:
        stored, journals = self._stored(), self._world.journals()
        counted = {
            (user, room): unread_of(user, room, journals[user], stored)
            for user in self._readers.users
            for room in self._readers.rooms
        }

        async def told() -> list[Finding]:
            return judge_unread(await self._unread_told(), counted)

        return await self._last(told)

    async def _unread_told(self) -> dict[tuple[str, str], int]:
        door = self._world.doors["websocket"]
        assert isinstance(door, SocketDoor)
        told: dict[tuple[str, str], int] = {}
        for user in self._readers.users:
            try:
                answer = await door.ask(user, {"type": "rooms"}, ASK_SECONDS)
            except NoAnswer:
                continue
            told |= {(user, each["room"]): each["unread"] for each in answer.get("rooms", ())}
        return told

    async def _judge_presence(self) -> list[Finding]:
        async def told() -> list[Finding]:
            there = {room: self._there(room) for room in self._world.founders}
            found = []
            for gate in self._world.gates:
                found += judge_presence(await self._presence_told(gate, there), there)
            return found

        return await self._last(told)

    def _there(self, room: str) -> frozenset[str]:
        clients = (*self._world.followers, *self._world.guests)
        return frozenset(client.user for client in clients if client.is_attached_to(room))

    async def _presence_told(self, gate: str, rooms: Iterable[str]) -> dict[str, frozenset[str]]:
        """As one who just came is told; whoever asks is left out."""
        frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        line = Line(gate, self._world.token_of(FOUNDER), frames.put_nowait)
        told: dict[str, frozenset[str]] = dict.fromkeys(rooms, frozenset())
        try:
            await line.open(within_seconds=ASK_SECONDS)
            for room in rooms:
                line.send(type="attach", id=room, room=room)
            async with asyncio.timeout(ASK_SECONDS):
                missing = set(told)
                while missing:
                    frame = await frames.get()
                    if frame["type"] == "attached" and frame["room"] in missing:
                        missing.discard(frame["room"])
                        online = (each["user"] for each in frame["members"] if each.get("online"))
                        told[frame["room"]] = frozenset(online) - {FOUNDER}
        except (OSError, NotOpened, TimeoutError):
            pass
        finally:
            line.cut()
        return told

    async def _last(self, judged: Any) -> list[Finding]:
        """What is found when nothing is, or when time is over."""
        last: list[Finding] = []

        async def none_is() -> bool:
            nonlocal last
            last = await judged()
            return not last

        await self._until(self._bounds.counts, none_is)
        return last

    async def _until(self, seconds: float, condition: Any) -> None:
        """Wait for it; that it does not come is for the checks to say."""
        try:
            await eventually(condition, seconds)
        except AssertionError:
            return

    def _healings(self, journals: Mapping[str, Iterable[Entry]]) -> list[Healing]:
        """By the rooms that somebody writes to all the time, and those who are there all the time."""
        operations = [each for who, journal in journals.items() for each in operations_of(who, journal)]
        steady = [client for client in self._world.followers if client.user not in self._world.restless]
        followers = {
            room: [client.journal for client in steady if room in client.rooms]
            for room in (*self._senders.rooms, *self._repeaters.rooms)
        }
        return healings(self._nemesis.done, operations, followers)


def judge_events(journals: Mapping[str, Iterable[Entry]], stored: Sequence[Stored]) -> list[Finding]:
    """All checks that want nothing but journals and what is stored."""
    kept = {(event.room, event.seq): event for event in stored}
    return [
        *judge_store(stored),
        *judge_answers(journals, kept),
        *judge_wishes(journals, stored),
        *judge_writers(stored),
        *judge_message_ids(stored),
        *judge_split(journals),
        *judge_order(journals),
    ]


def outcomes_of(journals: Mapping[str, Iterable[Entry]]) -> Counter[str]:
    """How many tries of commands there were, and what came of them."""
    told: Counter[str] = Counter()
    for entry in all_of(journals):
        match entry:
            case Asked():
                told["tries"] += 1
            case Answered() | Done():
                told["accepted"] += 1
            case Refused(command_id=command_id) if not command_id.startswith("attach:"):
                told["refused"] += 1
            case Unanswered():
                told["unanswered"] += 1
    return told


def all_of(journals: Mapping[str, Iterable[Entry]]) -> Iterable[Entry]:
    """Every entry of everybody."""
    return (entry for journal in journals.values() for entry in journal)
