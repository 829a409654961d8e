"""An engine where none answers: installed as root on Debian, started by hand with the first flags that work."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.deadline import wait_until
from infra.engine.docker import engine_answers
from infra.packages import PackagesUnavailable, install_packages
from infra.process import Process, is_alive, last_lines, start_process, stop_process

START_SECONDS = 45.0
NO_FIREWALL = ("--iptables=false", "--ip6tables=false", "--ip-masq=false")
# What fails in a sandbox is the packet filter, then the overlay file system: published ports work without the former.
ATTEMPTS: tuple[tuple[str, ...], ...] = ((), NO_FIREWALL, (*NO_FIREWALL, "--storage-driver=vfs"))


class EngineUnavailable(Exception):
    """No Docker engine can be had here; the text says why."""


def ensure_engine(folder: Path) -> str:
    """Return one sentence once an engine answers. Its log and pid are kept in `folder`. Raises EngineUnavailable."""
    if engine_answers():
        return "a Docker engine answers"
    if os.environ.get("DOCKER_HOST"):
        raise EngineUnavailable("the engine of DOCKER_HOST does not answer")
    _install(folder)
    if Path("/run/systemd/system").exists() and _started_by_system():
        return "the system's Docker engine has been started"
    return _started_by_hand(folder)


def stop_engine(folder: Path) -> bool:
    """Stop the engine that `ensure_engine` started by hand; False when there is none."""
    record = folder / "dockerd.json"
    if not record.exists():
        return False
    stop_process(Process.model_validate_json(record.read_text()))
    record.unlink()
    return True


def _install(folder: Path) -> None:
    log = folder / "logs" / "packages.log"
    wanted = [("dockerd", ["docker.io", "iptables"]), ("docker", ["docker-cli"])]
    try:
        for program, packages in wanted:
            if shutil.which(program) is None:
                print(f"no {program} here: taking it from the system's packages", file=sys.stderr, flush=True)
                install_packages(packages, log)
    except PackagesUnavailable as problem:
        raise EngineUnavailable(f"no Docker engine answers, and {problem}") from problem
    if os.geteuid() != 0:
        raise EngineUnavailable("no Docker engine answers, and only root can start one")


def _started_by_system() -> bool:
    subprocess.run(["systemctl", "start", "docker"], timeout=START_SECONDS, check=False, stdin=subprocess.DEVNULL)
    return wait_until(engine_answers, START_SECONDS)


def _started_by_hand(folder: Path) -> str:
    log = folder / "logs" / "dockerd.log"
    for flags in ATTEMPTS:
        if _attempt(flags, folder, log):
            return f"a Docker engine has been started ({' '.join(flags) or 'plain'}; log {log})"
    raise EngineUnavailable(f"dockerd does not start here; the last lines of {log}:\n{last_lines(log)}")


def _attempt(flags: Sequence[str], folder: Path, log: Path) -> bool:
    process = start_process(["dockerd", *flags], os.environ, log)
    wait_until(lambda: not is_alive(process) or engine_answers(), START_SECONDS)
    if is_alive(process) and engine_answers():
        (folder / "dockerd.json").write_text(process.model_dump_json())
        return True
    stop_process(process)
    return False
