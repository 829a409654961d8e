"""What `make run` and `make up` say when the stack cannot be started."""

import sys
import threading

import pytest

from infra.local import NoFreePort, PackagesUnavailable, StackBusy, StackSettings, StartFailed, __main__, foreground

PROBLEMS = (
    NoFreePort(8080),
    PackagesUnavailable(["rabbitmq-server"], "not root"),
    StackBusy("another launcher is at work"),
    StartFailed("room-1", "ended while it was starting."),
)


@pytest.fixture(params=PROBLEMS, ids=lambda problem: type(problem).__name__)
def problem(request, monkeypatch):
    def fail(*_):
        raise request.param

    for module in (foreground, __main__):
        monkeypatch.setattr(module, "up", fail)
    return request.param


def test_a_restart_that_fails_is_a_sentence_and_not_the_end(problem, tmp_path, capsys):
    assert not foreground._started_again(StackSettings(folder=tmp_path), threading.Event())
    assert capsys.readouterr().out == f"{problem}\n"


def test_a_start_that_fails_is_a_sentence_and_a_status(problem, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["infra.local", "up"])
    assert __main__.main() == 1
    assert capsys.readouterr() == ("", f"gatehouse: {problem}\n")
