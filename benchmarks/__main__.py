"""`python -m benchmarks [SCENARIO ...] [--quick] [--repeats N]`: measure, keep the samples, write the report.

`python -m benchmarks report` writes the report from the samples that are kept, and measures nothing.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bed import FOLDER, nodes
from benchmarks.machine import machine_line, versions_line
from benchmarks.plots import draw
from benchmarks.report import Chapter, goals_table, report
from benchmarks.sample import Series
from benchmarks.scenario import Plan, Scenario
from benchmarks.scenarios import (
    attaches,
    end_to_end,
    fanout,
    growth,
    history_writer,
    idle,
    resume_storm,
    room_worker,
)

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (fanout, end_to_end, idle, attaches, resume_storm, room_worker, history_writer, growth)
}
RESULTS = Path(__file__).parent / "results"
QUICK_RESULTS = FOLDER / "quick" / "results"
REPORT = "report"


def main() -> None:
    """Run what is asked for, one after the other, then report on all that was ever measured."""
    asked = _arguments()
    folder: Path = asked.into or (QUICK_RESULTS if asked.quick else RESULTS)
    if asked.scenarios != [REPORT]:
        with nodes() as base:
            plan = Plan(base, repeats=asked.repeats, quick=asked.quick)
            for name in asked.scenarios or SCENARIOS:
                _run(SCENARIOS[name], plan, folder)
    _report(folder)


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(SCENARIOS)}; all of them without a name")
    parser.add_argument("--quick", action="store_true", help="see that it works; the figures mean little")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--into", type=Path, help="where samples are kept, one file a scenario; the report goes beside")
    asked = parser.parse_args()
    if asked.scenarios != [REPORT] and (unknown := set(asked.scenarios) - set(SCENARIOS)):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return asked


def _run(scenario: Scenario, plan: Plan, folder: Path) -> None:
    print(f"{scenario.name}: {scenario.title}", file=sys.stderr, flush=True)
    samples = asyncio.run(scenario.measure(plan))
    series = Series(
        scenario=scenario.name,
        machine=machine_line(),
        versions=versions_line(plan.nodes.management_url),
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        samples=samples,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{scenario.name}.json").write_text(series.model_dump_json(indent=1) + "\n")


def _report(folder: Path) -> None:
    files = {name: folder / f"{name}.json" for name in SCENARIOS}
    measured = {name: Series.model_validate_json(file.read_bytes()) for name, file in files.items() if file.exists()}
    drawn = draw(measured, folder.parent / "plots")
    chapters = [Chapter(each.name, each.title, _words(each)) for each in SCENARIOS.values()]
    (folder.parent / "RESULTS.md").write_text(report(measured, chapters, drawn))
    print(goals_table(measured))


def _words(scenario: Scenario) -> str:
    """How a scenario is measured, as its module says it."""
    return (sys.modules[scenario.measure.__module__].__doc__ or "").strip()


if __name__ == "__main__":
    main()
