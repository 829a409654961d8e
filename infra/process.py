"""One background process, known by pid and start mark so that a recycled pid is never hit."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from infra.deadline import wait_until

STOP_SECONDS = 20.0
KILL_SECONDS = 5.0


class Process(BaseModel, frozen=True):
    """A started process. `mark` is the moment the kernel says it started: another process with this pid has another."""

    pid: int
    mark: str


def start_process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start the command off this terminal, its output appended to `log`. Raises OSError when it cannot run."""
    log.parent.mkdir(parents=True, exist_ok=True)
    pid = os.posix_spawnp(
        command[0],
        list(command),
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(pid=pid, mark=_start_mark(pid) or "")


def is_alive(process: Process) -> bool:
    alive = _start_mark(process.pid) == process.mark
    if not alive:
        _reap(process.pid)
    return alive


def stop_process(process: Process, within_seconds: float = STOP_SECONDS) -> bool:
    """SIGTERM, then SIGKILL when it has not ended in time. True when it ended by itself."""
    send_signal(process, signal.SIGTERM)
    if wait_until(lambda: not is_alive(process), within_seconds):
        return True
    kill_process(process)
    return False


def kill_process(process: Process) -> None:
    """SIGKILL, and wait until the pid is gone."""
    send_signal(process, signal.SIGKILL)
    wait_until(lambda: not is_alive(process), KILL_SECONDS)


def send_signal(process: Process, number: signal.Signals) -> None:
    if is_alive(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def last_lines(log: Path, count: int = 20) -> str:
    """The end of a log, to be shown beside a failure."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:]) or "(empty log)"


def _reap(pid: int) -> None:
    """Collect our own dead child, if it is one, so that it does not linger as a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _start_mark(pid: int) -> str | None:
    """When the process started, in the kernel's words; None when there is no such process or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self").exists() else _start_mark_of_ps(pid)
    state, *fields = stat.rpartition(")")[2].split()
    threads, mark = int(fields[16]), fields[18]
    # While a killed process still has threads on their way out, its ports are not free yet.
    return None if state == "Z" and threads <= 1 else mark


def _start_mark_of_ps(pid: int) -> str | None:
    """The same without /proc (macOS)."""
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
    ).stdout.split(maxsplit=1)
    return None if not answer or answer[0].startswith("Z") else answer[1].strip()
