"""The page's pure parts, tested by node's own runner in the files beside this one."""

import subprocess
from pathlib import Path

import pytest

from infra.programs import NODE

HERE = Path(__file__).parent
PROGRAM = NODE.path()
RUN_SECONDS = 60


@pytest.mark.skipif(PROGRAM is None, reason="node is not installed: make test tries to")
@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.stem)
def test_the_page_keeps_its_promises(file):
    run = subprocess.run(
        [PROGRAM, "--test", "--test-reporter=tap", str(file)],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "# pass 0" not in run.stdout
