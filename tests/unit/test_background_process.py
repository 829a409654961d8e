"""Processes known by pid and start mark."""

import os
import sys

from infra.process import Process, is_alive, kill_process, last_lines, start_process, stop_process
from tests.bed.waiting import eventually

SLEEPER = (sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
)


async def started(command, log):
    process = start_process(command, os.environ, log)
    await eventually(lambda: "up" in last_lines(log))
    return process


async def test_a_started_process_ends_on_sigterm(tmp_path):
    process = await started(SLEEPER, tmp_path / "log")
    assert is_alive(process)
    assert stop_process(process)
    assert not is_alive(process)


async def test_one_that_ignores_sigterm_is_killed_after_the_bound(tmp_path):
    process = await started(STUBBORN, tmp_path / "log")
    assert not stop_process(process, within_seconds=0.2)
    assert not is_alive(process)


async def test_a_recycled_pid_is_never_hit(tmp_path):
    process = await started(SLEEPER, tmp_path / "log")
    namesake = Process(pid=process.pid, mark="another moment")
    assert not is_alive(namesake)
    kill_process(namesake)
    assert is_alive(process)
    kill_process(process)


async def test_a_process_outlives_nobodys_terminal(tmp_path):
    process = await started(SLEEPER, tmp_path / "log")
    assert os.getsid(process.pid) == process.pid
    kill_process(process)
