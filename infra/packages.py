"""Programs this machine lacks, taken from the system's own packages. Debian and its kin only, and only as root."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

INSTALL_SECONDS = 600.0
SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")


class PackagesUnavailable(Exception):
    """The packages are missing and cannot be installed from here."""

    def __init__(self, packages: Sequence[str], reason: str) -> None:
        self.packages = tuple(packages)
        self.reason = reason
        super().__init__(f"{', '.join(packages)} cannot be installed: {reason}")


def install_packages(packages: Sequence[str], log: Path) -> None:
    """Install the packages without starting any of their services; apt's words go to `log`.

    Raises PackagesUnavailable with the reason, bounded by INSTALL_SECONDS.
    """
    if shutil.which("apt-get") is None:
        raise PackagesUnavailable(packages, "this is not a Debian-like system (no apt-get)")
    if os.geteuid() != 0:
        raise PackagesUnavailable(packages, f"not root; run `sudo apt-get install {' '.join(packages)}`")
    log.parent.mkdir(parents=True, exist_ok=True)
    with _services_kept_down():
        if not _apt(["install", *packages], log):
            _apt(["update"], log)
            if not _apt(["install", *packages], log):
                raise PackagesUnavailable(packages, f"apt-get failed, see {log}")


def _apt(arguments: Sequence[str], log: Path) -> bool:
    command = ["apt-get", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with log.open("ab") as sink:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=environment,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


@contextmanager
def _services_kept_down() -> Iterator[None]:
    """A freshly installed package must not take the standard ports: Debian asks this file before it starts anything."""
    if SERVICE_POLICY.exists():
        yield
        return
    SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n")
    SERVICE_POLICY.chmod(0o755)
    try:
        yield
    finally:
        SERVICE_POLICY.unlink(missing_ok=True)
