"""A planted clock is wrong wherever a worker asks for the time of day, and nowhere else."""

import json
import subprocess
import sys
import time

import pytest

from infra.local.workers import PROJECT

ASKS = """
import json, sys, time
from pathlib import Path
from tests.reliability.planted.clock import Offset, wind, wind_modules
offset = Offset(Path(sys.argv[1]))
wind(offset)
from services.gateway import app, gate
from services.history import writer
from services.room import term
wind_modules(offset)
kept = gate.Gate.__init__.__kwdefaults__ or {}
kept = kept.get("wall_clock") or gate.Gate.__init__.__defaults__[-1]
print(json.dumps({
    "gate": kept(),
    "room": term.datetime.now(term.UTC).timestamp(),
    "history": writer.datetime.now(writer.UTC).timestamp(),
    "monotonic": time.monotonic(),
}))
"""


@pytest.mark.parametrize("seconds", [60, -60])
def test_every_service_asks_the_wrong_clock_and_monotonic_time_is_right(tmp_path, seconds):
    file = tmp_path / "clock"
    file.write_text(str(seconds))
    before, monotonic = time.time(), time.monotonic()
    told = json.loads(
        subprocess.run(
            [sys.executable, "-c", ASKS, str(file)], cwd=PROJECT, capture_output=True, check=True, text=True, timeout=60
        ).stdout
    )
    after = time.time()
    assert all(before + seconds - 1 <= told[name] <= after + seconds + 1 for name in ("gate", "room", "history"))
    assert monotonic <= told["monotonic"] <= time.monotonic()
