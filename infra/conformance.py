"""The table of verbs in docs/protocol.md: who may use each, what an accept makes, which codes the room refuses with."""

from __future__ import annotations

from typing import Final

from infra.marks import between_marks
from schemas.errors import Code
from schemas.verbs import VERBS, VerbSpec
from services.room.roles import IN_A_CLOSED_ROOM, IN_A_DIRECT_ROOM, LEAST

BEGIN: Final = "<!-- verbs: written by `python -m infra.generate` from schemas/verbs.py. Edits are lost. -->"
END: Final = "<!-- verbs: end -->"
ANYBODY: Final = {"create": "anybody", "join": "who is no member", "attach": "gates", "detach": "gates"}


def with_verbs(page: str) -> str:
    """The page with the table between its two marks made anew.

    Raises:
        ValueError: the page has no such marks.
    """
    return between_marks(page, BEGIN, END, verbs_table())


def verbs_table() -> str:
    """A row for each verb."""
    rows = [_row(verb, spec) for verb, spec in VERBS.items()]
    return "\n".join(("| verb | least role | makes | also in | refused with |", "|---|---|---|---|---|", *rows))


def _row(verb: str, spec: VerbSpec) -> str:
    least = ANYBODY.get(verb) or LEAST[verb].value
    makes = f"`{spec.event}`" if spec.event else f"`{spec.signal}` signal"
    codes = ", ".join(f"`{code}`" for code in Code if code in spec.refusals)
    return f"| `{verb}` | {least} | {makes} | {_also_in(verb)} | {codes} |"


def _also_in(verb: str) -> str:
    if verb in ANYBODY:
        return "direct, closed" if verb in ("attach", "detach") else ""
    places = (("direct", IN_A_DIRECT_ROOM), ("closed", IN_A_CLOSED_ROOM))
    return ", ".join(name for name, verbs in places if verb in verbs)
