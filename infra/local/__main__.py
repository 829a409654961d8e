"""`python -m infra.local run|up|down`: what the Makefile calls."""

import argparse
import sys

from infra.local import NoFreePort, PackagesUnavailable, StackBusy, StackSettings, StartFailed, down, run_foreground, up


def main() -> int:
    arguments = _arguments()
    settings = StackSettings.from_environment(
        gates=arguments.gates, rooms=arguments.rooms, histories=arguments.histories
    )
    try:
        _perform(arguments.deed, settings)
    except (NoFreePort, PackagesUnavailable, StackBusy, StartFailed) as problem:
        print(f"gatehouse: {problem}", file=sys.stderr)
        return 1
    return 0


def _perform(deed: str, settings: StackSettings) -> None:
    if deed == "run":
        run_foreground(settings)
    elif deed == "up":
        endpoints = up(settings)
        print(f"ready: {', '.join(endpoints.doors)} (all addresses in {settings.folder / 'endpoints.env'})")
    else:
        names = down(settings.folder)
        print(f"stopped: {', '.join(names) or 'nothing was running'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description="The stack of one machine.")
    parser.add_argument("deed", choices=["run", "up", "down"])
    for count in ("gates", "rooms", "histories"):
        parser.add_argument(f"--{count}", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
