"""The table of operations in docs/rest.md: what each does, and what it may be refused with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from infra.marks import between_marks
from services.gateway.doors.http import openapi

BEGIN: Final = "<!-- operations: written by `python -m infra.generate` from the OpenAPI document. Edits are lost. -->"
END: Final = "<!-- operations: end -->"
OF_ALL: Final = frozenset({"401", "408", "413", "415", "429", "500", "503", "504"})
CODES_OF_ALL: Final = frozenset({"`duplicate_in_flight`"})
"""Statuses and codes that are told once for all operations."""

Operation = dict[str, Any]  # Any: a JSON document


def with_operations(page: str) -> str:
    """The page with the table between its two marks made anew.

    Raises:
        ValueError: the page has no such marks.
    """
    return between_marks(page, BEGIN, END, operations_table())


def operations_table() -> str:
    """A row for each operation, by resource."""
    head = ("| operation | | answers | also refused |", "|---|---|---|---|")
    return "\n".join((*head, *_rows(openapi())))


def _rows(document: dict[str, Any]) -> Iterator[str]:  # Any: a JSON document
    tags = [tag["name"] for tag in document["tags"]]
    listed = [
        (method, path, told) for path, operations in document["paths"].items() for method, told in operations.items()
    ]
    for method, path, told in sorted(listed, key=lambda each: tags.index(each[2]["tags"][0])):
        answers = next(status for status in told["responses"] if status.startswith("2"))
        yield f"| `{method.upper()} {path}` | {told['summary']} | {answers} | {_refused(told)} |"


def _refused(operation: Operation) -> str:
    """Its own refusals, by status."""
    own = {
        status: [code for code in told["description"].split(", ") if code not in CODES_OF_ALL]
        for status, told in operation["responses"].items()
        if status > "400" and status not in OF_ALL
    }
    return "; ".join(f"{status} {', '.join(codes)}" for status, codes in own.items() if codes)
