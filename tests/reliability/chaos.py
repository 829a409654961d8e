"""One run of everything: all workloads at once on a stack behind wires, while a nemesis carries its plan out; then
quiet, then all checks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import Any, Final, NamedTuple

from infra.local.workers import Kind as Service
from tests.bed.native import token_for
from tests.bed.waiting import eventually
from tests.reliability.checks.anomalies import Anomaly, Finding, Place, Stored
from tests.reliability.checks.ending import judge_outstanding, judge_parked
from tests.reliability.checks.following import judge_client, judge_unattached
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
from tests.reliability.doors.amqp import AmqpDoor
from tests.reliability.doors.rest import RestDoor
from tests.reliability.doors.websocket import SocketDoor
from tests.reliability.dump import parked_reasons, stored_events, stored_places
from tests.reliability.fleet import has_all, heads_of
from tests.reliability.healing import Healing, healings
from tests.reliability.journal import Answered, Asked, Done, Entry, Got, Opened, Refused, Reset, Unanswered
from tests.reliability.logins import Logins
from tests.reliability.nemesis.nemesis import Nemesis
from tests.reliability.nemesis.places import Places
from tests.reliability.nemesis.schedule import Fault
from tests.reliability.questions import Questions
from tests.reliability.workloads.closing import judge_memberships
from tests.reliability.workloads.membership import Comings
from tests.reliability.workloads.receipts import Readers
from tests.reliability.workloads.returning import Returning
from tests.reliability.workloads.send import Repeaters, Senders
from tests.reliability.workloads.size import Size
from tests.reliability.workloads.world import World

CALM_SECONDS: Final = 3.0
"""Traffic goes on for so long behind the last fault."""
READY_SECONDS: Final = 90.0

Condition = Callable[[], Awaitable[bool]]


class Bounds(NamedTuple):
    """Until when, in seconds from the last fault, what must come to pass in the end."""

    settle: float = 90.0
    """Every command has come to its end."""
    level: float = 60.0
    """Everything accepted is stored, and every follower has everything."""
    counts: float = 30.0
    """Everybody's counts of unread messages are right."""
    presence: float = 30.0
    """Who is told to be there is; three heartbeats and the grace are 7 seconds here."""


class Outcome(NamedTuple):
    """What a run showed. `commands` are tries, and what came of them."""

    seconds: float
    findings: list[Finding]
    commands: Counter[str]
    by_door: Counter[str]
    pushes: int
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
        self._questions = Questions(self._world, self._readers, places.stack.mongo_url)
        self._not_back: list[Finding] = []
        self._comings = Comings(self._world, size)
        self._workloads = (
            self._senders,
            self._repeaters,
            self._readers,
            Returning(self._world, size, self._senders.rooms),
            self._comings,
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
                await self._carry_out(plan)
                await asyncio.sleep(max(CALM_SECONDS, began + seconds - time.monotonic()))
                self._world.quiet.set()
                await asyncio.wait(working, timeout=self._bounds.settle)
            finally:
                self._world.quiet.set()
                self._world.over.set()

    async def _carry_out(self, plan: Sequence[Fault]) -> None:
        try:
            await self._nemesis.carry_out(plan)
        except* AssertionError as failures:
            self._not_back += [_not_back(failure) for failure in failures.exceptions]

    async def _wait_until_whole(self) -> None:
        """The nemesis mends what it broke, and that takes its time."""
        for kind in Service:
            for service in self._places.services(kind):
                try:
                    await service.ready(READY_SECONDS)
                except AssertionError as failure:
                    self._not_back.append(_not_back(failure))

    def journals(self) -> Iterator[dict[str, Any]]:
        """Everything that was journalled, an entry a line, for whoever looks for the cause of a finding."""
        for who, journal in self._world.journals().items():
            for entry in journal:
                yield {"who": who, "entry": type(entry).__name__, **entry._asdict()}

    # The verdict.

    async def _judge(self, began: float) -> Outcome:
        """What must be asked is asked first; then all go home, and what they hold is compared with what is stored."""
        await self._until(self._bounds.level, self._everything_is_there())
        unread, marks, presence = await asyncio.gather(
            self._questions.about_unread(self._bounds.counts),
            self._questions.about_marks(self._bounds.counts),
            self._questions.about_presence(self._bounds.presence),
        )
        memberships = await judge_memberships(self._world, self._comings, self._mongo_url, self._bounds.counts)
        await self._world.go_home()
        journals = self._world.journals()
        await self._until(self._bounds.level, self._is_stored(_places_told(journals)))
        stored, parked = stored_events(self._mongo_url), await parked_reasons(self._places.amqp_url)
        private = {room: self._world.founders[room] for room in self._world.private}
        findings = [
            *self._not_back,
            *judge_events(journals, stored),
            *judge_outstanding(self._world.outstanding()),
            *judge_leaks(journals, stored, private),
            *judge_refusals(journals, self._world.entitled),
            *marks,
            *judge_parked(parked),
            *self._judge_followers(stored),
            *unread,
            *presence,
            *memberships,
        ]
        return Outcome(
            seconds=time.monotonic() - began,
            findings=findings,
            commands=outcomes_of(journals),
            by_door=Counter(entry.door for entry in all_of(journals) if isinstance(entry, Asked)),
            pushes=sum(isinstance(entry, Got) for entry in all_of(journals)),
            connections=sum(isinstance(entry, Opened) for entry in all_of(journals)),
            resets=sum(isinstance(entry, Reset) for entry in all_of(journals)),
            faults=Counter(done.fault.kind.value for done in self._nemesis.done),
            healings=self._healings(journals),
            parked=parked,
            stored=len(stored),
        )

    @property
    def _mongo_url(self) -> str:
        return self._places.stack.mongo_url

    def _is_stored(self, places: AbstractSet[Place]) -> Condition:
        async def is_stored() -> bool:
            return places <= await asyncio.to_thread(stored_places, self._mongo_url)

        return is_stored

    def _everything_is_there(self) -> Condition:
        """Everything told is stored, and every follower has everything that is."""
        promised = _places_told(self._world.journals())

        async def is_there() -> bool:
            stored = await asyncio.to_thread(stored_places, self._mongo_url)
            heads = heads_of(stored)
            return promised <= stored and all(has_all(client, heads) for client in self._world.followers)

        return is_there

    async def _until(self, seconds: float, condition: Condition) -> None:
        """Wait for it; that it does not come is for the checks to say."""
        try:
            await eventually(condition, seconds)
        except AssertionError:
            return

    def _judge_followers(self, stored: list[Stored]) -> list[Finding]:
        """Guests are refused as a matter of course, and need not have everything."""
        kept = {(event.room, event.seq): event for event in stored}
        heads = heads_of(kept)
        wanted = {client: {room: heads[room] for room in client.rooms} for client in self._world.followers}
        wanted |= {client: {} for client in (*self._world.gone, *self._world.guests)}
        guests = {guest.user for guest in self._world.guests}
        found = [
            finding
            for client, rooms in wanted.items()
            for finding in judge_client(client.user, client.journal, kept, rooms)
            if not (finding.anomaly is Anomaly.REFUSED_FOR_GOOD and finding.who in guests)
        ]
        return found + [
            finding for user, journal in self._world.overheard().items() for finding in judge_unattached(user, journal)
        ]

    def _healings(self, journals: Mapping[str, Iterable[Entry]]) -> list[Healing]:
        """By the rooms that somebody writes to all the time, and those who are there all the time."""
        operations = [each for who, journal in journals.items() for each in operations_of(who, journal)]
        steady = [client for client in self._world.followers if client.user not in self._world.restless]
        followers = {
            room: [client.journal for client in steady if room in client.rooms]
            for room in (*self._senders.rooms, *self._repeaters.rooms)
        }
        return healings(self._nemesis.done, operations, followers)


def _not_back(failure: BaseException) -> Finding:
    return Finding(Anomaly.NOT_BACK, "nemesis", "", 0, str(failure))


def _places_told(journals: Mapping[str, Iterable[Entry]]) -> set[Place]:
    """Where, by all that anybody was told, there is something."""
    return {(entry.room, entry.seq) for entry in all_of(journals) if isinstance(entry, Answered | Got)}


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
