"""The scan for secrets finds one that was left in a file, and leaves the checkout as it is."""

import json
import secrets
import shutil
import subprocess
import sys

import pytest

from infra import secret_scan
from infra.secret_scan import BASELINE, ROOT, files_of, main, scan


@pytest.fixture
def checkout(tmp_path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True, timeout=30)
    shutil.copy(ROOT / BASELINE, tmp_path)
    (tmp_path / "plain.py").write_text("answer = 42\n")
    return tmp_path


def leaks():
    """Lines that hold a secret, made by chance, so that none stands here."""
    return {
        "a cloud's key": f"key = 'AKIA{secrets.token_hex(8).upper()}'",
        "a password": f"password = '{secrets.token_urlsafe(24)}'",
        "a login in an address": f"url = 'amqp://robot:{secrets.token_hex(8)}@broker/'",
        "a private key": "-----BEGIN RSA PRIVATE" + " KEY-----",
    }


@pytest.mark.parametrize("line", leaks().values(), ids=leaks())
def test_a_secret_in_a_file_is_found_and_the_file_is_named(checkout, line):
    assert scan(checkout, files_of(checkout)) == ""
    (checkout / "leak.py").write_text(f"{line}\n")
    assert "leak.py:1" in scan(checkout, files_of(checkout))


def test_what_is_known_is_passed_over_also_where_it_moved_and_nothing_is_written(checkout):
    (checkout / "leak.py").write_text(f"password = '{secrets.token_urlsafe(24)}'\n")
    take_up = [sys.executable, "-m", "detect_secrets", "scan", "--no-verify", "--baseline", BASELINE, "leak.py"]
    subprocess.run(take_up, cwd=checkout, check=True, timeout=60)
    before = (checkout / BASELINE).read_bytes()
    (checkout / "leak.py").write_text("\n\n" + (checkout / "leak.py").read_text())
    assert scan(checkout, files_of(checkout)) == ""
    assert (checkout / BASELINE).read_bytes() == before


def test_files_that_git_ignores_are_not_looked_at(checkout):
    (checkout / ".gitignore").write_text("hidden.py\n")
    (checkout / "hidden.py").write_text(f"password = '{secrets.token_urlsafe(24)}'\n")
    assert sorted(files_of(checkout)) == [".gitignore", "plain.py"]


def test_a_scan_that_breaks_is_no_clean_scan(checkout):
    (checkout / BASELINE).write_text("{")
    assert scan(checkout, ["plain.py"]) != ""


def test_the_check_fails_for_what_is_found(monkeypatch, capsys, checkout):
    monkeypatch.setattr(secret_scan, "ROOT", checkout)
    assert main() == 0
    (checkout / "leak.py").write_text(f"password = '{secrets.token_urlsafe(24)}'\n")
    assert main() == 1
    assert "leak.py" in capsys.readouterr().err


def test_the_baseline_knows_only_files_that_are_there():
    known = json.loads((ROOT / BASELINE).read_text())["results"]
    assert [name for name in known if not (ROOT / name).is_file()] == []
