"""The page's pure parts, tested by node's own runner in the files beside this one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from infra.local.workers import PROJECT
from infra.programs import NODE

HERE = Path(__file__).parent
OLDEST = 18  # the first with a test runner
RUN_SECONDS = 60


@pytest.fixture(scope="module")
def node():
    """The program, when this machine has one that can run tests."""
    program = NODE.path()
    if program is None:
        pytest.skip("node is not installed: make test tries to")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"node {version.strip()} is too old: {OLDEST} or newer is wanted")
    return program


@pytest.fixture
def checkout(tmp_path):
    """A copy of the page and its tests that says its scripts are modules: older nodes do not see that by themselves."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for folder in (PROJECT / "services" / "gateway" / "web", HERE):
        shutil.copytree(folder, tmp_path / folder.relative_to(PROJECT))
    return tmp_path


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.stem)
def test_the_page_keeps_its_promises(node, checkout, file):
    run = subprocess.run(
        [node, "--test", "--test-reporter=tap", checkout / file.relative_to(PROJECT)],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "# pass 0" not in run.stdout
