"""The command line itself, without any gate."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.cli.app import app

PROJECT = Path(__file__).resolve().parents[3]
SECRET = "s" * 32


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEHOUSE_JWT_SECRET", SECRET)
    monkeypatch.setenv("GATEHOUSE_HTTP", "http://127.0.0.1:1")
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "--user", "alice", "--room", "no.dots", "hi"),
        ("send", "--user", "two words", "--room", "lobby", "hi"),
        ("send", "--user", "alice", "--room", "lobby", " "),
        ("send", "--user", "alice", "hi"),
        ("rooms",),
        ("rooms", "--user", "alice", "--token", "both"),
        ("history", "--user", "alice", "--room", "lobby", "--limit", "0"),
        ("token",),
        ("up", "--gates", "65"),
        ("sing",),
    ],
)
def test_wrong_usage_is_exit_code_two(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr


def test_every_command_is_listed(run):
    help_text = run("--help").stdout
    for command in ("token", "chat", "send", "history", "rooms", "up", "down"):
        assert command in help_text


def test_a_failure_is_one_sentence_and_exit_code_one():
    run = subprocess.run(
        [sys.executable, "-P", "-m", "clients.cli.app", "rooms", "--user", "alice", "--gate", "ftp://nowhere"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PYTHONPATH": str(PROJECT), "GATEHOUSE_JWT_SECRET": SECRET, "PATH": ""},
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "gatehouse: a gate is an address like http://127.0.0.1:8080, not 'ftp://nowhere'\n"
