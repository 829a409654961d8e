"""Writes the documents that follow from the code: `python -m infra.generate`. With `--check` it writes nothing, names
the files that drifted and exits 1."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.conformance import with_verbs
from infra.operations import with_operations
from infra.reference import metrics_page, settings_page
from infra.rights import own_definitions, with_permissions
from schemas.contract.asyncapi import asyncapi
from schemas.contract.catalogue import json_schemas
from schemas.contract.tables import error_page
from services.gateway.doors.http import openapi

ROOT: Final = Path(__file__).resolve().parents[1]
GENERATED: Final = Path("schemas/generated")
JSON_SCHEMA: Final = GENERATED / "json-schema"
PROTOCOL: Final = Path("docs/protocol.md")
REST: Final = Path("docs/rest.md")
AMQP: Final = Path("docs/amqp.md")


def documents() -> dict[Path, str]:
    """Every generated file, relative to the checkout, with its text."""
    return {
        GENERATED / "asyncapi.json": _json(asyncapi()),
        GENERATED / "openapi.json": _json(openapi()),
        **{JSON_SCHEMA / f"{name}.json": _json(schema) for name, schema in json_schemas().items()},
        Path("docs/errors.md"): error_page(),
        PROTOCOL: with_verbs((ROOT / PROTOCOL).read_text(encoding="utf-8")),
        REST: with_operations((ROOT / REST).read_text(encoding="utf-8")),
        AMQP: with_permissions((ROOT / AMQP).read_text(encoding="utf-8")),
        Path("infra/rabbitmq/definitions.json"): _json(own_definitions()),
        Path("docs/settings.md"): settings_page(),
        Path("docs/metrics.md"): metrics_page(),
    }


def drifted(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """The files that are missing, differ, or stand among the generated ones without being generated any more."""
    differing = [path for path, text in wanted.items() if _read(root / path) != text]
    return sorted([*differing, *_left_over(root, wanted)])


def write(root: Path, wanted: Mapping[Path, str]) -> None:
    """Make the files what they should be; those no longer generated are deleted."""
    for path in _left_over(root, wanted):
        (root / path).unlink()
    for path, text in wanted.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write, or with `--check` only look. Returns the exit status."""
    wanted = documents()
    if "--check" not in arguments:
        write(ROOT, wanted)
        return 0
    stale = drifted(ROOT, wanted)
    for path in stale:
        print(f"{path} is not what the code says; run `make generate`", file=sys.stderr)
    return 1 if stale else 0


def _left_over(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    found = (path.relative_to(root) for path in (root / GENERATED).rglob("*") if path.is_file())
    return [path for path in found if path not in wanted]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _json(document: dict[str, Any]) -> str:  # Any: JSON
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
