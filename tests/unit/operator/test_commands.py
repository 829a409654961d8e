"""What the commands around parked deliveries print; the broker is played."""

import asyncio
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from clients.cli.failure import Failure
from clients.operator.commands import parked_app
from clients.operator.parked import read_parked
from clients.operator.parked_queue import Taken
from schemas.errors import ParkReason
from schemas.parked import parked_headers

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BEHIND = "2,300 more lie behind these: one go looks at the oldest 10,000"


@pytest.fixture
def parked(monkeypatch):
    """One delivery is looked at, 2,300 lie behind it, and whatever is taken out goes."""
    one = read_parked("room.10.general.send", b"{}", parked_headers(ParkReason.POISON, "", "chat.commands"), AT)

    async def look(_, see):
        see(one)
        return 2300

    async def take(_, chosen):
        return Taken(chosen.total())

    monkeypatch.setattr("clients.operator.link.visit", lambda _, deed: asyncio.run(deed(None)))
    monkeypatch.setattr("clients.operator.parked_queue.look", look)
    monkeypatch.setattr("clients.operator.parked_queue.replay", take)
    monkeypatch.setattr("clients.operator.parked_queue.drop", take)
    return one


def run(*arguments):
    return CliRunner().invoke(parked_app, [*arguments, "--amqp-url", "amqp://nobody"])


def test_a_list_says_what_it_did_not_get_to(parked):
    first, *rest = run("list").stdout.splitlines()
    assert first.startswith(parked.id)
    assert rest == [BEHIND]


@pytest.mark.parametrize("arguments", [("replay", "--all"), ("drop", "--all", "--yes")])
def test_all_of_them_are_all_that_one_go_looks_at_and_that_is_said(parked, arguments):
    told, behind = run(*arguments).stdout.splitlines()
    assert (told.partition(": ")[2], behind) == ("1", BEHIND)


def test_who_names_what_they_mean_is_not_told_of_the_others(parked):
    assert run("replay", parked.id).stdout == "replayed: 1\n"


@pytest.mark.parametrize("arguments", [("show", "other"), ("drop", "other"), ("drop", "--all", "--reason", "conflict")])
def test_what_was_not_found_may_lie_behind(parked, arguments):
    failure = run(*arguments).exception
    assert isinstance(failure, Failure)
    assert str(failure).endswith(f"; {BEHIND}")
