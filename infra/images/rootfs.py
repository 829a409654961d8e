"""A Debian root file system made on this machine, imported as the base image of everything built here."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.engine import docker
from infra.images.machine import apt_settings, debian_mirror
from infra.local.workers import PROJECT
from infra.packages import PackagesUnavailable, install_packages

RELEASE = "trixie"
BOOTSTRAP_SECONDS = 600.0
LEFTOVERS = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


class RootFileSystemUnavailable(Exception):
    """It cannot be made here; the text says why."""


def import_root_file_system(packages: Sequence[str], tag: str) -> None:
    """Make a RELEASE system with the packages and import it under `tag`. Raises RootFileSystemUnavailable."""
    mirror = debian_mirror()
    if mirror is None or os.geteuid() != 0:
        raise RootFileSystemUnavailable("a root file system is made by root on a Debian-like system only")
    _install_debootstrap()
    with TemporaryDirectory(prefix="gatehouse-rootfs-") as folder:
        root = Path(folder) / "root"
        _bootstrap(root, mirror, packages)
        (root / "etc/apt/apt.conf.d/90machine").write_text(apt_settings())
        _trim(root)
        archive = Path(folder) / "root.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(root, arcname=".")
        docker("import", "--change", 'CMD ["bash"]', "-", tag, stdin=archive, within_seconds=BOOTSTRAP_SECONDS)


def _install_debootstrap() -> None:
    if shutil.which("debootstrap") is None:
        try:
            install_packages(["debootstrap"], PROJECT / ".run" / "logs" / "packages.log")
        except PackagesUnavailable as problem:
            raise RootFileSystemUnavailable(str(problem)) from problem


def _bootstrap(root: Path, mirror: str, packages: Sequence[str]) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", RELEASE, str(root), mirror]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOOTSTRAP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise RootFileSystemUnavailable(f"debootstrap took more than {BOOTSTRAP_SECONDS:.0f} seconds") from late
    if done.returncode != 0:
        raise RootFileSystemUnavailable(f"debootstrap failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _trim(root: Path) -> None:
    for name in LEFTOVERS:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
