"""The report: the goals' table, how it was measured, and each scenario's figures, as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.goals import GOALS, Goal, Measured, Reading
from benchmarks.sample import Case, Series

MANY: Final = 100
SOME: Final = 10
NOTHING: Final = "-"
METHOD: Final = """\
Every contender is measured in the same run, on the same machine, one after the other, and all of them again for each
repeat. Figures are medians over the repeats; behind them stand the least and the greatest. Broker, store, the process
under measure, the load clients and what drives them run side by side. What a process costs is the processor time that
the kernel counted for it (all threads, user and kernel mode); its memory is what is resident. All contenders push
bodies of one size, a message of 200 bytes in an event of about 450. Each is warmed up before anything is counted, and
every count is checked against what the clients received: when somebody lacks a message the run ends with an error.
"""
CAVEATS: Final = """\
- **One machine with few cores, loopback.** Load, broker, store and services compete for the same processors. The
  processor time of one process hardly suffers from that; latencies, rates and their tails do, and have the widest
  spreads. There is no network in any figure.
- **A rate above what the machine takes** shows as latency that grows for as long as the run lasts: such a row says that
  the contender is saturated, and nothing else.
- **The burst** is everything at once: pushes wait in the server, and those of one turn of its loop share a write. That
  is where ours is faster than one write for each message, which is all that the limit does. At 20 messages a second
  nothing waits and nothing is joined, and each push costs its own system call, for ours as for the limit, until there
  are so many clients that the server has not done with one message when the next one comes.
- **Our own bounds are lifted**: rates and counts of clients and commands, heartbeats, and for the fan-out what may wait
  for one client and in a gate's queue. Nobody else has such bounds. With ours as they come, a client that is 256 frames
  behind is replayed later, and a burst of a thousand at once would measure that.
- **The limits** do the least work of that kind and none of ours: no rooms, no order, no permissions, no resume.
- **python-socketio** delivers on its own server before it tells RabbitMQ, stores nothing, and answers before anything
  is kept. Its latencies are those of another promise.
- **The store is nx-27017**, MongoDB's protocol on SQLite: the history writer's figure compares with a plain insert into
  the same store, and says nothing of MongoDB.
- **Latency** includes the load clients' own turn through their sockets, up to a millisecond for 100 of them.
"""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A scenario that could be measured: its name, its title, and how it is done in its own words."""

    name: str
    title: str
    words: str


def report(measured: Measured, chapters: Sequence[Chapter], plots: Mapping[str, Sequence[str]]) -> str:
    """All of it; `plots` are the pictures' paths by scenario."""
    parts = [
        "# Benchmarks",
        "Written by `make bench`; `make bench-<scenario>` measures one of them anew and keeps the others.",
        "## Goals",
        goals_table(measured),
        "## Method",
        METHOD + "\n" + "\n".join(_taken(measured)),
        "## What is noisy, and what the figures do not say",
        CAVEATS.rstrip(),
    ]
    for chapter in chapters:
        parts += [f"## {chapter.title} (`{chapter.name}`)", chapter.words]
        parts += [f"![{chapter.title}]({plot})" for plot in plots.get(chapter.name, ())]
        parts.append(figures(measured[chapter.name]) if chapter.name in measured else "Not measured.")
    return "\n\n".join(parts) + "\n"


def goals_table(measured: Measured, goals: Sequence[Goal] = GOALS) -> str:
    """What is wanted, what there is, and whether that is enough."""
    head = ("what", "goal", "ours", "peer", "limit", "ratio", "reached")
    return _table(head, (_goal_row(goal, goal.read(measured)) for goal in goals))


def figures(series: Series) -> str:
    """Median and spread of every value, a row for each contender in each case."""
    values = list(dict.fromkeys(name for sample in series.samples for name in sample.values))
    cases = list(dict.fromkeys(name for sample in series.samples for name in sample.case))
    rows = (
        [
            contender,
            *(str(case.get(name, NOTHING)) for name in cases),
            *(_spread(series, contender, name, case) for name in values),
        ]
        for contender in series.contenders()
        for case in series.cases(contender)
    )
    return _table(["contender", *cases, *(name.replace("_", " ") for name in values)], rows)


def figure(number: float) -> str:
    """A number as a person reads it: three digits where that is enough."""
    if number == round(number) or abs(number) >= MANY:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= SOME else f"{number:.2f}"


def _taken(measured: Measured) -> Iterator[str]:
    """On what, of what and when."""
    for words in dict.fromkeys(words for series in measured.values() for words in (series.machine, series.versions)):
        yield f"- {words}"
    for series in measured.values():
        yield f"- `{series.scenario}`: {series.taken_at}, {series.repeats} repeats"


def _goal_row(goal: Goal, reading: Reading | None) -> list[str]:
    if reading is None:
        return [goal.what, goal.goal, "not measured", NOTHING, NOTHING, NOTHING, NOTHING]
    ratio = ", ".join(f"{ratio:.2f} x {name}" for ratio, name in reading.ratios)
    unit = goal.unit if goal.unit.startswith("/") or not goal.unit else f" {goal.unit}"
    told = [NOTHING if each is None else figure(each) + unit for each in (reading.ours, reading.peer, reading.limit)]
    return [goal.what, goal.goal, *told, ratio or NOTHING, "yes" if reading.reached else "**no**"]


def _spread(series: Series, contender: str, value: str, case: Case) -> str:
    middle, span = series.middle(contender, value, case), series.spread(contender, value, case)
    if middle is None or span is None:
        return NOTHING
    return figure(middle) if span[0] == span[1] else f"{figure(middle)} ({figure(span[0])}..{figure(span[1])})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
