"""Everybody is cut and comes back at once, so many events behind: until the last is level with the room.

Nobody else resumes: neither python-socketio nor websockets nor ws keeps what a client missed, so ours stands alone. The
room's recent events are in the gate's memory, because somebody stayed; that history was not asked is checked.
"""

from __future__ import annotations

from typing import Final

from benchmarks.bed import Nodes, stack
from benchmarks.company import Keeper, Room, keeper, open_room, people, port_of, tokens
from benchmarks.crowd import Join, Leave, Settle
from benchmarks.dialects import Dialect
from benchmarks.events import TEXT_BYTES, stamped_text
from benchmarks.figures import Counted, counters_when, read_counters, total
from benchmarks.load import CrowdTrouble, Load, crowd
from benchmarks.meter import Meter
from benchmarks.sample import OURS, Sample
from benchmarks.scenario import Plan, Scenario
from infra.local.endpoints import Endpoints

USERS: Final = 90
CLIENTS: Final = 2_000
QUICK_CLIENTS: Final = 200
BEHIND: Final = 100
ROOMS: Final = (1, 20)
KEEPERS: Final = 1


async def measure(plan: Plan) -> list[Sample]:
    """All in one room, and the same spread over some."""
    clients = QUICK_CLIENTS if plan.quick else CLIENTS
    samples = []
    for _ in range(plan.repeats):
        for rooms in ROOMS:
            values = await _storm(plan.nodes, clients, rooms)
            case = {"clients": clients, "rooms": rooms, "behind": BEHIND}
            samples.append(Sample(contender=OURS, case=case, values=values))
    return samples


async def _storm(nodes: Nodes, clients: int, count: int) -> dict[str, float]:
    with stack(nodes) as endpoints:
        users = people(USERS)
        rooms = [await open_room(endpoints, users) for _ in range(count)]
        async with keeper(endpoints) as stays, crowd() as load:
            await stays.attach(rooms)
            await load.tell(_join(endpoints, clients, rooms))
            await load.tell(Leave())
            await counters_when(endpoints.http, lambda counted: total(counted, "gateway_connections") == KEEPERS)
            await _fall_behind(stays, rooms)
            return await _come_back(endpoints, load, clients, rooms)


async def _fall_behind(stays: Keeper, rooms: list[Room]) -> None:
    for room in rooms:
        await stays.say(room, BEHIND, stamped_text(TEXT_BYTES))


async def _come_back(endpoints: Endpoints, load: Load, clients: int, rooms: list[Room]) -> dict[str, float]:
    gate = Meter(endpoints.pids_gateway)
    before, spent = await _counted(endpoints), gate.cpu_seconds()
    report = await load.tell(_join(endpoints, clients, rooms, events_each=BEHIND))
    spent = gate.cpu_seconds() - spent
    await load.tell(Settle())
    ring = 'gateway_replays_total{source="ring"}'
    after = await counters_when(endpoints.http, lambda counted: counted.get(ring, 0) - before.get(ring, 0) >= clients)
    after |= await read_counters(endpoints.ops_history[0])
    _check(before, after)
    return {
        "history_replays": _risen(before, after, 'gateway_replays_total{source="history"}'),
        "seconds_to_level": report.ended - report.began,
        "gate_cpu_seconds": spent,
        "gate_cpu_us_per_client": spent * 1e6 / clients,
    }


async def _counted(endpoints: Endpoints) -> Counted:
    return await read_counters(endpoints.http) | await read_counters(endpoints.ops_history[0])


def _risen(before: Counted, after: Counted, name: str) -> float:
    return after.get(name, 0) - before.get(name, 0)


def _check(before: Counted, after: Counted) -> None:
    """Raises CrowdTrouble: history was asked for something, or somebody was reset."""
    for name in (
        'gateway_replays_total{source="reset"}',
        'history_barriers_total{type="hole"}',
        'history_queries_total{outcome="answered",type="page"}',
    ):
        if risen := _risen(before, after, name):
            raise CrowdTrouble(f"{name} went up by {risen:g}")


def _join(endpoints: Endpoints, clients: int, rooms: list[Room], *, events_each: int = 0) -> Join:
    return Join(
        dialect=Dialect.GATEHOUSE,
        port=port_of(endpoints.http),
        clients=clients,
        tokens=tokens(endpoints, people(USERS)),
        rooms=[room.room for room in rooms],
        positions=[(room.epoch, room.seq) for room in rooms],
        one_room_each=True,
        events_each=events_each,
    )


SCENARIO = Scenario("resume_storm", "A crowd comes back at once", measure)
