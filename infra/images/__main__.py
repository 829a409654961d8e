"""`python -m infra.images ensure [names]`: pull or build the images and print what to run."""

import argparse
import sys

from infra.engine import engine_answers
from infra.images import IMAGES, ImageUnavailable, ensure_image


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.images", description="Container images, pulled or built.")
    parser.add_argument("deed", choices=["ensure"])
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(IMAGES))
    names = parser.parse_args().names or ["rabbitmq", "store", "gatehouse"]
    if unknown := set(names) - set(IMAGES):
        parser.error(f"no such image: {', '.join(sorted(unknown))}")
    if not engine_answers():
        print("no Docker engine answers: python -m infra.engine ensure", file=sys.stderr)
        return 1
    try:
        for name in names:
            print(f"{name}: {ensure_image(name)}", flush=True)
    except ImageUnavailable as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
