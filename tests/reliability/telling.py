"""What a run of the nemesis showed, as people read it and as a file keeps it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tests.reliability.chaos import Outcome
from tests.reliability.checks.anomalies import Anomaly, Finding

SHOWN: Final = 5
"""So much evidence of each anomaly."""


def report_of(outcome: Outcome, *, seed: int) -> str:
    """Everything, in lines."""
    tries = outcome.commands
    lines = [
        f"seed {seed}, {outcome.seconds:.0f} seconds",
        (
            f"commands: {tries['tries']:,} tries, {tries['accepted']:,} accepted, {tries['refused']:,} refused, "
            f"{tries['unanswered']:,} without an answer in time"
        ),
        "by door: " + ", ".join(f"{door} {count:,}" for door, count in sorted(outcome.by_door.items())),
        (
            f"stored events: {outcome.stored:,}; pushes to clients: {outcome.pushes:,} over "
            f"{outcome.connections:,} connections; resets said: {outcome.resets}"
        ),
        "parked: " + (", ".join(f"{reason} {count}" for reason, count in sorted(outcome.parked.items())) or "nothing"),
        "",
        *_table(
            ("fault", "times", "healed after s (median)", "(worst)", "longest without an accept"),
            ((each.kind, str(each.count), *(f"{seconds:.1f}" for seconds in each[2:])) for each in outcome.healings),
        ),
        "",
        *_table(("anomaly", "found"), ((word, str(count)) for word, count in counts_of(outcome.findings).items())),
        *evidence_of(outcome.findings),
    ]
    return "\n".join(lines)


def counts_of(findings: Iterable[Finding]) -> dict[str, int]:
    """How often each anomaly was found; those never found too."""
    found = Counter(finding.anomaly for finding in findings)
    return {anomaly.name.lower().replace("_", " "): found[anomaly] for anomaly in Anomaly}


def evidence_of(findings: Sequence[Finding]) -> list[str]:
    """The first findings of each anomaly."""
    lines = []
    for anomaly in Anomaly:
        shown = [finding for finding in findings if finding.anomaly is anomaly]
        lines += [f"{anomaly.name}: {each.who} in {each.room} at {each.seq}: {each.evidence}" for each in shown[:SHOWN]]
    return lines


def figures_of(outcome: Outcome, *, seed: int) -> dict[str, Any]:
    """The same for a file."""
    return {
        "seed": seed,
        "seconds": round(outcome.seconds, 1),
        **outcome.commands,
        "by_door": dict(outcome.by_door),
        "stored": outcome.stored,
        "pushes": outcome.pushes,
        "connections": outcome.connections,
        "resets": outcome.resets,
        "parked": dict(outcome.parked),
        "faults": dict(outcome.faults),
        "healed_seconds": {each.kind: [round(seconds, 2) for seconds in each[2:]] for each in outcome.healings},
        "anomalies": counts_of(outcome.findings),
    }


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
