"""The worker as a process: ready when it can work, killed without loss, gone within its bound when told to."""

import asyncio
import os
import signal
import sys

import httpx
import pytest

from tests.bed.waiting import eventually
from tests.contract.chronicle import Chronicle

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.timeout(120)]


class Process:
    def __init__(self, process, url):
        self.process = process
        self.url = url

    async def get(self, path):
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            return await http.get(self.url + path)

    async def is_ready(self):
        try:
            return (await self.get("/readyz")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def end(self, number):
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)


@pytest.fixture
async def start_process(amqp_url, mongo_url, ports, log_side):
    processes = []

    async def start(**told):
        port = ports.take()
        environment = os.environ | {
            "GATEHOUSE_AMQP_URL": amqp_url,
            "GATEHOUSE_MONGO_URL": mongo_url,
            "GATEHOUSE_SHARDS": "2",
            "GATEHOUSE_OPS_PORT": str(port),
            "GATEHOUSE_HEARTBEAT_SECONDS": "1",
            "GATEHOUSE_STORE_TIMEOUT_SECONDS": "2",
        }
        environment |= told
        made = await asyncio.create_subprocess_exec(sys.executable, "-m", "services", "history", env=environment)
        processes.append(made)
        return Process(made, f"http://127.0.0.1:{port}")

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_worker_is_ready_once_it_can_work_counts_what_it_does_and_stops_when_told(start_process, log_side):
    worker = await start_process()
    await eventually(worker.is_ready, 30, "ready")
    story = Chronicle()
    await log_side.log([story.created(), *story.chat(9)])
    await log_side.hole("general", after=0)
    metrics = (await worker.get("/metrics")).text
    assert "history_events_stored_total 10.0" in metrics
    assert "general" not in metrics
    assert await worker.end(signal.SIGTERM) == 0


async def test_messages_that_a_room_has_kept_for_long_enough_are_emptied_while_the_worker_runs(start_process, log_side):
    worker = await start_process(GATEHOUSE_RETENTION_SECONDS="0.2")
    await eventually(worker.is_ready, 30, "ready")
    story = Chronicle()
    edit = {"target": 2, "text": "better"}
    await log_side.log([story.created(retention_days=30), *story.chat(3), story.event("message_edited", **edit)])

    async def emptied():
        page = await log_side.hole("general", after=1)
        return [(event.seq, event.text) for event in page.events] == [(2, None), (3, None), (4, None), (5, None)]

    async def counted():
        return "history_messages_emptied_total 3.0" in (await worker.get("/metrics")).text

    await eventually(emptied, 30)
    await eventually(counted, 30, "what the page shows emptied is counted once the round is over")


async def test_a_worker_without_its_store_is_not_ready_and_is_again_when_it_is_back(start_process, store):
    worker = await start_process()
    await eventually(worker.is_ready, 30, "ready")
    await asyncio.to_thread(store.kill)

    async def not_ready():
        answer = await worker.get("/readyz")
        return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and answer.json()["checks"]["store"] != "ok"

    await eventually(not_ready, 30, "not ready")
    assert (await worker.get("/healthz")).status_code == httpx.codes.OK
    await asyncio.to_thread(store.start)
    await eventually(worker.is_ready, 30, "ready again")


async def test_i1_i3_a_killed_worker_loses_nothing_and_doubles_nothing(start_process, log_side, stored):
    worker = await start_process()
    story = Chronicle()
    await log_side.log([story.created()])

    async def tell():
        while story.seq < 1000:
            await log_side.log(story.chat(20))

    traffic = asyncio.create_task(tell())
    await eventually(lambda: len(stored()) >= 200, 60)
    assert await worker.end(signal.SIGKILL) == -signal.SIGKILL
    await start_process()
    await traffic
    await eventually(lambda: stored() == list(range(1, story.seq + 1)), 60)


async def test_a_worker_with_a_store_url_that_names_no_database_does_not_start(amqp_url):
    environment = os.environ | {"GATEHOUSE_AMQP_URL": amqp_url, "GATEHOUSE_MONGO_URL": "mongodb://127.0.0.1:1"}
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "history", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, told = await asyncio.wait_for(made.communicate(), 30)
    assert made.returncode != 0
    assert b"names no database" in told
