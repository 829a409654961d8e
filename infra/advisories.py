"""Known vulnerabilities of what is locked in requirements/: `python -m infra.advisories`, a part of `make check`.

An advisory about a locked version fails it. Where no database of advisories answers it says so in one line and passes,
so that a machine without that network can check everything else: there, nothing was audited. With
`GATEHOUSE_AUDIT=required` that fails too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, assert_never

REQUIREMENTS: Final = Path(__file__).resolve().parents[1] / "requirements"
AUDIT_SECONDS: Final = 300
SILENCE_SECONDS: Final = 10
SWITCH: Final = "GATEHOUSE_AUDIT"
REQUIRED: Final = "required"
ACCEPTED: Final[Mapping[str, str]] = {}
"""Advisories that do not apply to what we use a package for: by id, each with the reason."""
_NO_ANSWER: Final = re.compile(r"requests\.exceptions\.|pip_audit\._service\.interface\.|Could not connect")
"""How pip-audit ends when its database cannot be reached, or answers with what is none."""


@dataclass(frozen=True, slots=True)
class Audited:
    """The database answered for all packages; `problems` has a line for each advisory that applies."""

    packages: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nothing was audited, for no fault of the packages."""

    reason: str


def audit(files: Sequence[Path], *, database: str | None = None) -> Audited | Unanswered:
    """Look every locked package up, at the database that pip-audit knows or at another of its kind. Nothing is written
    but into a folder that is gone afterwards.

    Raises:
        ValueError: the files are not what can be audited.
    """
    with tempfile.TemporaryDirectory() as cache:
        told = [part for file in files for part in ("--requirement", str(file))]
        told += ["--cache-dir", cache, *(("--osv-url", database) if database else ())]
        try:
            ended = _run_pip_audit(told)
        except subprocess.TimeoutExpired:
            return Unanswered(f"no end within {AUDIT_SECONDS} seconds")
    if ended.stdout.startswith("{"):
        return _read(json.loads(ended.stdout))
    if _NO_ANSWER.search(ended.stderr):
        return Unanswered(ended.stderr.strip().splitlines()[-1].partition(":")[0])
    raise ValueError(f"pip-audit ended with {ended.returncode}: {ended.stderr.strip()[-500:]}")


def main() -> int:
    """Audit all lock files. Returns the exit status."""
    wanted = os.environ.get(SWITCH, "")
    if wanted not in ("", REQUIRED):
        print(f"advisories: {SWITCH} is {wanted!r}; it may be {REQUIRED!r}, or not set", file=sys.stderr)
        return 1
    outcome = audit(sorted(REQUIREMENTS.glob("*.txt")))
    match outcome:
        case Unanswered(reason):
            print(f"advisories: NOT AUDITED, no database of advisories answers here ({reason})")
            if wanted:
                print(f"advisories: {SWITCH}={wanted} wants an audit: run this where one answers", file=sys.stderr)
            return 1 if wanted else 0
        case Audited(packages, problems):
            for problem in problems:
                print(f"advisories: {problem}", file=sys.stderr)
            print(f"advisories: {len(problems)} that apply, to {packages} locked packages")
            return 1 if problems else 0
        case other:
            assert_never(other)


def _run_pip_audit(told: list[str]) -> subprocess.CompletedProcess[str]:
    """What is locked is looked up as it is written: nothing is resolved, and no index is asked."""
    fixed = ["--vulnerability-service", "osv", "--disable-pip", "--require-hashes", "--no-deps", "--format", "json"]
    quiet = ["--progress-spinner", "off", "--timeout", str(SILENCE_SECONDS)]
    return subprocess.run(
        [sys.executable, "-P", "-m", "pip_audit", *fixed, *quiet, *told],
        capture_output=True,
        text=True,
        timeout=AUDIT_SECONDS,
        check=False,
    )


def _read(report: dict[str, Any]) -> Audited:  # Any: a JSON document
    packages = report["dependencies"]
    return Audited(len(packages), tuple(problem for package in packages for problem in _problems(package)))


def _problems(package: dict[str, Any]) -> list[str]:  # Any: a JSON document
    """A package that could not be looked up while the others were is a problem too."""
    if "skip_reason" in package:
        return [f"{package['name']} was not audited: {package['skip_reason']}"]
    return [
        f"{package['name']} {package['version']}: {found['id']} ({', '.join(found['aliases']) or 'no other name'}),"
        f" {_healed(found['fix_versions'])}: {found['description'][:200]}"
        for found in package["vulns"]
        if ACCEPTED.keys().isdisjoint((found["id"], *found["aliases"]))
    ]


def _healed(versions: list[str]) -> str:
    return f"healed in {' and '.join(versions)}" if versions else "not healed in any version"


if __name__ == "__main__":
    sys.exit(main())
