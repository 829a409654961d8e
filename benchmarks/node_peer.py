"""The Node peer's packages: put into a cache folder from the lock file beside its program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.bed import LOGS
from infra.local.workers import PROJECT
from infra.programs import NODE, ensure_program

SOURCE = Path(__file__).parent / "contenders" / "node_ws"
TARGET = PROJECT / ".cache" / "bench" / "node_ws"
INSTALL_SECONDS = 300


class PeerUnavailable(Exception):
    """Its program or its packages cannot be had here."""


def node_command() -> list[str]:
    """The command that runs the peer; its packages are installed when they are not there yet.

    Raises:
        PeerUnavailable: there is no npm, or the packages cannot be had.
        PackagesUnavailable: there is no Node, and none can be had.
    """
    node = ensure_program(NODE, LOGS / "packages.log")
    lock = "package-lock.json"
    fresh = not (TARGET / lock).exists() or (TARGET / lock).read_bytes() != (SOURCE / lock).read_bytes()
    if fresh:
        _install()
    shutil.copy(SOURCE / "server.js", TARGET)
    return [str(node), str(TARGET / "server.js")]


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise PeerUnavailable("there is no npm here")
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(SOURCE, TARGET)
    try:
        subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=TARGET, check=True, capture_output=True, timeout=INSTALL_SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(TARGET, ignore_errors=True)
        raise PeerUnavailable(f"npm ci: {getattr(error, 'stderr', b'')!r}") from error
