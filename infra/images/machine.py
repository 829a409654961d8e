"""How this machine reaches its package sources: read from apt's and pip's own settings at build time."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND_SECONDS = 60.0
APT_SETTINGS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::http::Proxy", "Acquire::https::Proxy")


def debian_mirror() -> str | None:
    """The archive apt takes this system's own packages from; None where there is no apt."""
    lines = _output("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").splitlines()
    archives = [line for line in lines if "security" not in line]
    return archives[0] if archives else None


def apt_settings() -> str:
    """The lines of apt's settings that a root file system needs to use the same archive."""
    return "".join(f"{line}\n" for line in _output("apt-config", "dump").splitlines() if line.startswith(APT_SETTINGS))


def certificates() -> Path | None:
    """The certificates pip trusts on this machine; None when it uses the ones it ships with."""
    named = os.environ.get("PIP_CERT") or _pip_setting("global.cert") or os.environ.get("SSL_CERT_FILE")
    return Path(named) if named and Path(named).is_file() else None


def package_index() -> str | None:
    return os.environ.get("PIP_INDEX_URL") or _pip_setting("global.index-url")


def _pip_setting(name: str) -> str | None:
    return _output(sys.executable, "-m", "pip", "config", "get", name) or None


def _output(*command: str) -> str:
    """Standard output, or nothing when the program is missing or says no."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
