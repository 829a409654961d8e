"""Docker's command line: the only way infra talks to an engine."""

import shutil
import subprocess
from pathlib import Path

ANSWER_SECONDS = 10.0


class CommandFailed(Exception):
    """A docker command ended badly or not in time; the text ends with its last words."""

    def __init__(self, arguments: tuple[str, ...], words: str) -> None:
        self.arguments = arguments
        super().__init__(f"docker {' '.join(arguments[:3])} failed: {words}")


def docker(*arguments: str, within_seconds: float = 60.0, stdin: Path | None = None) -> str:
    """Run the command and return its standard output. Raises CommandFailed."""
    try:
        with (stdin or Path("/dev/null")).open("rb") as source:
            done = subprocess.run(
                ["docker", *arguments], stdin=source, capture_output=True, timeout=within_seconds, check=False
            )
    except FileNotFoundError as missing:
        raise CommandFailed(arguments, "there is no docker command") from missing
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(arguments, f"not done after {within_seconds:.0f} seconds") from late
    if done.returncode != 0:
        words = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        raise CommandFailed(arguments, "\n".join(words[-20:]))
    return done.stdout.decode(errors="replace").strip()


def engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        docker("version", "--format", "{{.Server.Version}}", within_seconds=ANSWER_SECONDS)
    except CommandFailed:
        return False
    return True
