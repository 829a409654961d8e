"""Programs that only tests want: found on this machine, else taken from the system's packages."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.packages import install_packages


@dataclass(frozen=True, slots=True)
class Program:
    """One program under any of its command names, and the Debian package that brings it."""

    commands: tuple[str, ...]
    package: str

    def path(self) -> Path | None:
        """Where it is; None when this machine has none. Never installs."""
        found = (shutil.which(command) for command in self.commands)
        return next((Path(each) for each in found if each), None)


BROWSER = Program(("chromium", "chromium-browser", "google-chrome"), "chromium")
NODE = Program(("node", "nodejs"), "nodejs")


def ensure_program(program: Program, log: Path) -> Path:
    """The program, installed when there is none; apt's words go to `log`. Raises PackagesUnavailable."""
    if found := program.path():
        return found
    print(f"no {program.commands[0]} here: taking it from the system's packages", file=sys.stderr, flush=True)
    install_packages([program.package], log)
    if found := program.path():
        return found
    raise AssertionError(f"the package {program.package} holds none of {', '.join(program.commands)}")
