"""`python -m services room|gateway|history`: one program, one image, three services."""

from __future__ import annotations

import sys
from importlib import import_module

SERVICES = ("room", "gateway", "history")


def main(arguments: list[str]) -> int:
    """Run the service named by the only argument; 2 when it names none."""
    if len(arguments) != 1 or arguments[0] not in SERVICES:
        sys.stderr.write(f"usage: python -m services {'|'.join(SERVICES)}\n")
        return 2
    import_module(f"services.{arguments[0]}.app").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
