"""The command line of a contender: `--port` and what it wants beside it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any


def arguments(**wanted: int | str) -> dict[str, Any]:  # Any: numbers and texts, as the defaults are
    """`--port` and one option for each of `wanted`, whose value is its default and says its type."""
    parser = ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for name, default in wanted.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return vars(parser.parse_args())
