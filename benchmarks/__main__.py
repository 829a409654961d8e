"""`python -m benchmarks [SCENARIO ...] [--quick] [--repeats N]`: measure, keep the samples, write the report."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bed import nodes
from benchmarks.machine import machine_line
from benchmarks.sample import Series
from benchmarks.scenario import Plan, Scenario
from benchmarks.scenarios import end_to_end, fanout, growth

SCENARIOS: dict[str, Scenario] = {module.SCENARIO.name: module.SCENARIO for module in (fanout, end_to_end, growth)}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run what is asked for, one after the other."""
    asked = _arguments()
    with nodes() as base:
        plan = Plan(base, repeats=asked.repeats, quick=asked.quick)
        for name in asked.scenarios or SCENARIOS:
            _run(SCENARIOS[name], plan, asked.into)


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], help="all of them without a name")
    parser.add_argument("--quick", action="store_true", help="see that it works; the figures mean little")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--into", type=Path, default=RESULTS, help="where samples are kept, one file a scenario")
    return parser.parse_args()


def _run(scenario: Scenario, plan: Plan, folder: Path) -> None:
    print(f"{scenario.name}: {scenario.title}", file=sys.stderr, flush=True)
    samples = asyncio.run(scenario.measure(plan))
    series = Series(
        scenario=scenario.name,
        machine=machine_line(),
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        samples=samples,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{scenario.name}.json").write_text(series.model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    main()
