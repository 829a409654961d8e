"""`python -m infra.engine ensure|stop`: a Docker engine that answers, or a sentence why not."""

import argparse
import sys

from infra.engine import EngineUnavailable, ensure_engine, stop_engine
from infra.local.workers import PROJECT

FOLDER = PROJECT / ".run"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.engine", description="A Docker engine for tests and images.")
    parser.add_argument("deed", choices=["ensure", "stop"])
    if parser.parse_args().deed == "stop":
        print("stopped" if stop_engine(FOLDER) else "no engine was started from here")
        return 0
    try:
        print(ensure_engine(FOLDER))
    except EngineUnavailable as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
