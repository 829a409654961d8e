"""Everybody who is connected already wants the same room at once: from the first wish to the last `attached`.

No peer answers such a wish with what the room is and a position behind which nothing is missed. The limit is a bare
uvloop server that answers frames of the same sizes without a look at them.
"""

from __future__ import annotations

import json
from typing import Final

from benchmarks.bed import stack
from benchmarks.company import Room, open_room, people, port_of, tokens
from benchmarks.contender import python_contender
from benchmarks.crowd import Join, Leave, Report, Say, Settle
from benchmarks.dialects import Dialect
from benchmarks.figures import counters_when, read_counters, total
from benchmarks.load import CrowdTrouble, Load, crowd
from benchmarks.meter import Meter
from benchmarks.sample import LIMIT, OURS, Case, Sample
from benchmarks.scenario import Plan, Scenario
from infra.local.endpoints import Endpoints

USERS: Final = 90
CLIENTS: Final = 2_000
QUICK_CLIENTS: Final = 200
WARM_UP_CLIENTS: Final = 100
ANSWERS: Final = 'gateway_fanout_deliveries_total{kind="attached"}'


async def measure(plan: Plan) -> list[Sample]:
    """Ours, and the limit with frames of the sizes that ours just had."""
    clients = QUICK_CLIENTS if plan.quick else CLIENTS
    case: Case = {"clients": clients}
    samples = []
    for _ in range(plan.repeats):
        with stack(plan.nodes) as endpoints:
            ours, answer_bytes = await _ours(endpoints, clients)
        samples += [
            Sample(contender=OURS, case=case, values=ours),
            Sample(contender=LIMIT, case=case, values=await _limit(clients, answer_bytes)),
        ]
    return samples


async def _ours(endpoints: Endpoints, clients: int) -> tuple[dict[str, float], int]:
    """The values, and the bytes of an answer."""
    room = await open_room(endpoints, people(USERS))
    async with crowd() as load:
        await _attach(endpoints, load, room, WARM_UP_CLIENTS)
        await load.tell(Leave())
        await counters_when(endpoints.http, lambda counted: total(counted, "gateway_sessions") == 0)
        gate, worker = Meter(endpoints.pids_gateway), Meter(endpoints.pids_room)
        await _connect(endpoints, load, clients)
        asked = (await read_counters(endpoints.http))[ANSWERS]
        gate_before, room_before = gate.cpu_seconds(), worker.cpu_seconds()
        report = await load.tell(_wish(room))
        gate_spent, room_spent = gate.cpu_seconds() - gate_before, worker.cpu_seconds() - room_before
        counted = await counters_when(endpoints.http, lambda counted: total(counted, "gateway_sessions") == clients)
        least, most = (await load.tell(Settle())).received
    return _values(report, clients) | {
        "cpu_us_per_attach": gate_spent * 1e6 / clients,
        "room_cpu_us_per_attach": room_spent * 1e6 / clients,
        "questions": counted[ANSWERS] - asked,
    }, (least + most) // 2


async def _attach(endpoints: Endpoints, load: Load, room: Room, clients: int) -> Report:
    await _connect(endpoints, load, clients)
    return await load.tell(_wish(room))


async def _connect(endpoints: Endpoints, load: Load, clients: int) -> None:
    port = port_of(endpoints.http)
    names = tokens(endpoints, people(USERS))
    await load.tell(Join(dialect=Dialect.GATEHOUSE, port=port, clients=clients, tokens=names))
    await load.tell(Settle())


def _wish(room: Room) -> Say:
    return Say(frames=[json.dumps({"id": 1, "type": "attach", "room": room.room})], answer='{"type":"attached"')


async def _limit(clients: int, answer_bytes: int) -> dict[str, float]:
    asked = _wish(Room("r" * 36, "", "", 0)).model_copy(update={"answer": "x"})
    with python_contender("echo", "--bytes", str(answer_bytes)) as running:
        async with crowd() as load:
            await load.tell(Join(dialect=Dialect.BARE, port=running.port, clients=clients))
            await load.tell(asked)
            await load.tell(Settle())
            before = running.meter.cpu_seconds()
            report = await load.tell(asked)
            spent = running.meter.cpu_seconds() - before
            least, most = (await load.tell(Settle())).received
    if least != most:
        raise CrowdTrouble(f"the limit answered with {least} to {most} bytes")
    return _values(report, clients) | {"cpu_us_per_attach": spent * 1e6 / clients}


def _values(report: Report, clients: int) -> dict[str, float]:
    seconds = report.ended - report.began
    return {"attaches_per_second": clients / seconds, "seconds_to_last": seconds}


SCENARIO = Scenario("attaches", "Attaches to one room, all at once", measure)
