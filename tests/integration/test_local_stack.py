"""The one-machine stack comes up, heals by another `up`, and goes down without a trace. Workers are stand-ins here."""

import os
import signal
import socket
import sys
from urllib.parse import urlsplit

import httpx
import pytest

from infra.local import StackSettings, StartFailed, down, read_endpoints, up
from infra.local.handshake import broker_answers
from infra.local.ledger import alone, drop_ledger, read_ledger
from infra.local.stack import StartGivenUp
from infra.local.store import store_answers
from infra.local.workers import PROJECT
from infra.process import is_alive, kill_process, last_lines, start_process
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.broker, pytest.mark.store]

STAND_IN = """
import http.server, os, sys, threading
own = "GATEHOUSE_HTTP_PORT" if sys.argv[1] == "gateway" else "GATEHOUSE_OPS_PORT"
ports = [int(os.environ[name]) for name in (own, "GATEHOUSE_SHARED_PORT") if name in os.environ]
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
class Server(http.server.HTTPServer):
    allow_reuse_port = True
for port in ports:
    threading.Thread(target=Server(("127.0.0.1", port), Ready).serve_forever).start()
"""
WORKER = (sys.executable, "-c", STAND_IN)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "run"
    down(tmp_path / "run")


@pytest.fixture
def settings(folder, amqp_url, mongo_url):
    return StackSettings(folder=folder, amqp_url=amqp_url, mongo_url=mongo_url, command=WORKER)


def with_counts(settings, **counts):
    return settings.model_copy(update=counts)


def test_up_returns_when_every_worker_is_ready(settings):
    endpoints = up(with_counts(settings, gates=2))
    assert len(endpoints.gates) == 2
    for url in (*endpoints.gates, *endpoints.ops_room, *endpoints.ops_history):
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    assert read_endpoints(settings.folder) == endpoints


def test_a_second_up_starts_nothing(settings):
    assert up(settings) == up(settings)


def test_up_starts_only_the_worker_that_was_killed(settings):
    before = up(with_counts(settings, gates=2))
    os.kill(before.pids_gateway[1], signal.SIGKILL)
    after = up(with_counts(settings, gates=2))
    assert after.pids_gateway[0] == before.pids_gateway[0]
    assert after.pids_gateway[1] != before.pids_gateway[1]
    assert (after.gates, after.pids_room, after.pids_history) == (before.gates, before.pids_room, before.pids_history)


def test_up_with_more_gates_adds_them(settings):
    before = up(settings)
    after = up(with_counts(settings, gates=3))
    assert after.gates[0] == before.gates[0]
    assert after.pids_gateway[0] == before.pids_gateway[0]
    assert len(set(after.gates)) == 3


def test_two_gates_share_a_port_beside_their_own_and_keep_it_when_one_was_killed(settings):
    before = up(with_counts(settings, gates=2))
    assert before.doors == (before.shared, *before.gates)
    assert len(set(before.doors)) == 3
    assert httpx.get(f"{before.shared}/readyz", trust_env=False).status_code == 200
    os.kill(before.pids_gateway[0], signal.SIGKILL)
    after = up(with_counts(settings, gates=2))
    assert after.doors == before.doors


def test_a_gate_alone_shares_nothing(settings):
    alone = up(settings)
    assert alone.doors == alone.gates
    assert up(with_counts(settings, gates=2)).shared


def test_the_secret_is_kept_across_down_and_up(settings):
    before = up(settings)
    down(settings.folder)
    assert up(settings).jwt_secret == before.jwt_secret


def test_down_leaves_no_process_and_no_endpoints(settings):
    endpoints = up(settings)
    assert set(down(settings.folder)) == {"gateway-1", "room-1", "history-1"}
    assert read_endpoints(settings.folder) is None
    for pid in (*endpoints.pids_gateway, *endpoints.pids_room, *endpoints.pids_history):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert down(settings.folder) == []


def test_a_worker_that_fails_is_named_with_the_end_of_its_log(settings):
    broken = (sys.executable, "-c", "import sys; sys.exit('the shard count is wrong')")
    with pytest.raises(StartFailed, match="history-1 ended while it was starting") as failure:
        up(settings.model_copy(update={"command": broken}))
    assert "the shard count is wrong" in str(failure.value)


def test_running_workers_are_not_moved_to_another_broker(settings, broker):
    up(settings)
    with pytest.raises(StartFailed, match="make down"):
        up(settings.model_copy(update={"amqp_url": broker.url}))


def test_a_gate_takes_the_next_free_port(settings):
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            squatter.bind(("127.0.0.1", 8080))
        except OSError:
            pass  # somebody else holds it already: as good
        else:
            squatter.listen()
        assert urlsplit(up(settings).http).port > 8080


def test_the_embedded_broker_and_store_come_back_where_they_were(folder):
    settings = StackSettings(folder=folder, command=WORKER)
    before = up(settings)
    assert broker_answers(before.amqp_url)
    os.kill(before.pids_broker[0], signal.SIGKILL)
    os.kill(before.pids_store[0], signal.SIGKILL)
    after = up(settings)
    assert (after.amqp_url, after.mongo_url) == (before.amqp_url, before.mongo_url)
    assert broker_answers(after.amqp_url)
    assert store_answers(after.mongo_url)
    assert (after.pids_room, after.pids_gateway) == (before.pids_room, before.pids_gateway)
    assert set(down(folder)) == {"epmd", "broker", "store", "history-1", "room-1", "gateway-1"}
    assert not broker_answers(after.amqp_url)


@pytest.fixture
def foreground(settings, tmp_path):
    """`make run`, with its output in a file."""
    program = (
        "from infra.local import StackSettings, run_foreground; import sys; "
        "run_foreground(StackSettings.model_validate_json(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, settings.model_dump_json()]
    log = tmp_path / "foreground.log"
    process = start_process(command, {**os.environ, "PYTHONPATH": str(PROJECT)}, log)
    yield process, log
    kill_process(process)


async def test_the_foreground_restarts_what_dies_and_stops_all_on_ctrl_c(settings, foreground):
    process, log = foreground
    await eventually(lambda: "Gatehouse is ready" in last_lines(log), within_seconds=20)
    room = read_endpoints(settings.folder).pids_room[0]
    os.kill(room, signal.SIGKILL)
    await eventually(lambda: "ready again" in last_lines(log), within_seconds=20)
    assert "room-1 died" in last_lines(log)
    assert read_endpoints(settings.folder).pids_room[0] != room
    os.kill(process.pid, signal.SIGINT)
    await eventually(lambda: not is_alive(process), within_seconds=30)
    assert "all stopped" in last_lines(log)
    assert read_endpoints(settings.folder) is None
    assert "alice" in log.read_text()


async def test_a_stack_taken_down_from_elsewhere_ends_the_foreground(settings, foreground):
    process, log = foreground
    await eventually(lambda: "Gatehouse is ready" in last_lines(log), within_seconds=20)
    assert len(down(settings.folder)) == 3
    await eventually(lambda: not is_alive(process), within_seconds=30)
    assert "taken down from elsewhere" in last_lines(log)
    assert "Traceback" not in last_lines(log)


async def test_a_down_in_progress_is_not_undone_by_the_foreground(settings, foreground):
    process, log = foreground
    await eventually(lambda: "Gatehouse is ready" in last_lines(log), within_seconds=20)
    with alone(settings.folder):
        for each in read_ledger(settings.folder).processes.values():
            kill_process(each)
        await eventually(lambda: "died; starting again" in last_lines(log), within_seconds=20)
        drop_ledger(settings.folder)
    await eventually(lambda: not is_alive(process), within_seconds=30)
    assert "taken down from elsewhere" in last_lines(log)
    assert "ready again" not in last_lines(log)
    assert read_ledger(settings.folder).processes == {}


def test_a_start_nobody_wants_any_more_starts_nothing(settings):
    with pytest.raises(StartGivenUp):
        up(settings, lambda: True)
    assert read_ledger(settings.folder).processes == {}


async def test_ctrl_c_while_starting_stops_what_had_started(settings, foreground):
    process, log = foreground
    await eventually(lambda: "starting the stack" in last_lines(log))
    os.kill(process.pid, signal.SIGTERM)
    await eventually(lambda: not is_alive(process), within_seconds=30)
    assert "all stopped" in last_lines(log)
    assert "Traceback" not in last_lines(log)
