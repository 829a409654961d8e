"""Secrets in the checkout: `python -m infra.secret_scan`, a part of `make check`. It asks nobody and writes nothing.

What looks like a secret and is none is listed in .secrets.baseline, by its hash; anything else fails. After a look at
what it names, `.venv/bin/detect-secrets scan --no-verify --baseline .secrets.baseline` takes it up.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
BASELINE: Final = ".secrets.baseline"
SCAN_SECONDS: Final = 300
CLEAN, CLEAN_BUT_MOVED = 0, 3
"""How the hook ends where nothing is new; the second where known places have moved."""


def files_of(root: Path) -> list[str]:
    """What is, or could be, committed there."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(listed, cwd=root, capture_output=True, text=True, timeout=60, check=True).stdout
    return [name for name in told.split("\0") if name and name != BASELINE and (root / name).is_file()]


def scan(root: Path, names: list[str]) -> str:
    """What is found in these files and not in the baseline, in words; empty where that is nothing."""
    with tempfile.TemporaryDirectory() as folder:
        # The hook brings its baseline up to date where lines have moved: it gets one that may change.
        known = shutil.copy(root / BASELINE, folder)
        hook = [sys.executable, "-P", "-m", "detect_secrets.pre_commit_hook", "--no-verify", "--baseline", known]
        ended = subprocess.run(
            [*hook, *names], cwd=root, capture_output=True, text=True, timeout=SCAN_SECONDS, check=False
        )
    if ended.returncode in (CLEAN, CLEAN_BUT_MOVED):
        return ""
    return f"{ended.stdout}{ended.stderr}" or f"the scan ended with {ended.returncode}"


def main() -> int:
    """Scan the checkout. Returns the exit status."""
    names = files_of(ROOT)
    found = scan(ROOT, names)
    if found:
        print(found, file=sys.stderr)
        return 1
    print(f"secrets: none in {len(names)} files beside what {BASELINE} knows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
