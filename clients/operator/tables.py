"""What an operator reads: lines from inspections, rolls and parked deliveries. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from clients.operator.parked import LOOKED_AT, Parked
from clients.operator.shards import Line, Roll
from schemas.operations import Inspection

DETAIL_CHARACTERS: Final = 80
NOBODY: Final = "-"


def room_lines(seen: Inspection) -> list[str]:
    """A room as its writer holds it."""
    fields = [
        ("room", f"{seen.room}  {seen.title}"),
        ("state", f"{'closed' if seen.closed else 'open'}, {seen.visibility}, changed {moment(seen.updated_at)}"),
        ("position", f"epoch {seen.epoch}, seq {seen.seq}"),
        ("writer", f"{seen.writer}, fence {seen.fence}"),
        ("people", f"{seen.members} members, {seen.online} online, {seen.bans} banned, {seen.invites} invites"),
        ("memory", f"{seen.remembered} commands remembered, {seen.in_progress} in progress"),
        ("sessions", str(sum(gate.sessions for gate in seen.gates))),
    ]
    gates = [(f"  {gate.gate}", str(gate.sessions)) for gate in seen.gates]
    owed = [("rosters owed by", ", ".join(seen.rosters_owed))] if seen.rosters_owed else []
    return aligned([*fields, *gates, *owed])


def shard_lines(lines: Sequence[Line], roll: Roll) -> list[str]:
    """One line a shard, then who was heard of and what nobody claims."""
    rows = [("shard", "worker", "ready", "waiting", "consumed")]
    for line in lines:
        claims = roll.claims(line.shard)
        worker = ", ".join(claim.worker for claim in claims) or NOBODY
        ready = ", ".join(_word(known=claim.ready) for claim in claims) or NOBODY
        rows.append((str(line.shard), worker, ready, str(line.waiting), _word(known=line.consumed)))
    told = [f"{worker.worker} is active on {_shards(len(worker.shards))}" for worker in roll.workers]
    unclaimed = roll.unclaimed(len(lines))
    alarm = [f"nobody says to be active on: {', '.join(map(str, unclaimed))}"] if unclaimed else []
    return [*aligned(rows), *(told or ["no room worker was heard of"]), *alarm]


def parked_lines(parked: Iterable[Parked], limit: int) -> list[str]:
    """The oldest first, equal ones as one line, and how many more there are by reason."""
    counted: dict[str, tuple[Parked, int]] = {}
    for each in parked:
        counted[each.id] = (each, counted.get(each.id, (each, 0))[1] + 1)
    shown = list(counted.values())[:limit]
    rest: Counter[str] = Counter()
    for each, count in list(counted.values())[limit:]:
        rest[each.reason] += count
    more = (
        [f"and {rest.total()} more: {', '.join(f'{n} {reason}' for reason, n in rest.most_common())}"] if rest else []
    )
    return [*aligned([_parked_row(each, count) for each, count in shown]), *more] or ["nothing is parked"]


def behind_lines(behind: int) -> list[str]:
    """How much one go did not get to; nothing where it saw all."""
    return [f"{behind:,} more lie behind these: one go looks at the oldest {LOOKED_AT:,}"] if behind else []


def parked_text(parked: Parked) -> list[str]:
    """One delivery with its headers and body."""
    fields = [
        ("id", parked.id),
        ("reason", parked.reason),
        ("detail", parked.detail),
        ("parked", moment(parked.at)),
        ("exchange", parked.exchange or NOBODY),
        ("key", parked.key),
    ]
    headers = [(f"header {name}", str(value)) for name, value in sorted(parked.headers.items())]
    return [printable(line) for line in aligned([*fields, *headers])] + ["", printable(_body(parked.body))]


def moment(at: datetime | None) -> str:
    """A moment in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if at else NOBODY


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns stand under each other."""
    widths = [max(len(row[n]) for row in rows if n < len(row)) for n in range(max(map(len, rows), default=0))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def printable(text: str) -> str:
    """Nothing of what others wrote moves the cursor; line feeds and tabs stay."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text)


def _parked_row(parked: Parked, count: int) -> tuple[str, ...]:
    times = f" (x{count})" if count > 1 else ""
    origin = f"{parked.exchange or NOBODY} {parked.key}"
    detail = parked.detail.replace("\n", " ")[:DETAIL_CHARACTERS]
    row = (parked.id, moment(parked.at), parked.reason, f"{parked.size} bytes", origin, detail + times)
    return tuple(map(printable, row))


def _body(body: bytes) -> str:
    return body.decode(errors="replace") or "(no body)"


def _word(*, known: bool) -> str:
    return "yes" if known else "no"


def _shards(count: int) -> str:
    return "1 shard" if count == 1 else f"{count} shards"
